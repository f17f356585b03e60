"""What pruning and the retirement of a learner share: what was removed, and how a job's files go."""

from __future__ import annotations

from dataclasses import dataclass

from submissions.models import SubmissionFile
from submissions.text import first_line

# Jobs in one transaction: few, as files are deleted in it.
BATCH = 50


@dataclass
class Removed:
    """What was removed, or would be."""

    jobs: int = 0
    files: int = 0
    deliveries: int = 0
    items: int = 0
    """Student items that went as a whole, with their submissions and scores; or that changed their name."""
    submissions: int = 0
    """Submissions whose answer was removed."""

    def add(self, other: Removed) -> None:
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


class FileStays(Exception):
    """A file could not be deleted; says which, and why."""


def remove_files(jobs: list[int]) -> int:
    """How many. Raises FileStays."""
    files = list(SubmissionFile.objects.filter(external_grader_id__in=jobs))
    for row in files:
        try:
            row.file.storage.delete(str(row.file.name))
        except Exception as error:  # each storage has exceptions of its own
            raise FileStays(f"File {row.pk} ({row.file.name}) could not be deleted: {first_line(error)}") from error
    SubmissionFile.objects.filter(pk__in=[row.pk for row in files]).delete()
    return len(files)
