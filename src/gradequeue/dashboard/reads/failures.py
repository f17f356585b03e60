"""Failed jobs, grouped by cause."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models.functions import Left

from gradequeue.dashboard.reads.newest import newest
from submissions.models import Status
from submissions.statistics.causes import LENGTH, cause_of, key_of

# How many of the newest failed jobs are read; the page says where there are more.
MOST = 1000
MOST_SHOWN = 30


@dataclass
class Cause:
    """Failed jobs of one queue that failed in the same way."""

    key: str
    words: str
    """What their errors have in common; "#" stands for a number."""
    example: str
    """The newest error, unchanged."""
    newest: datetime
    ids: list[int] = field(default_factory=list)
    """Of their submissions, newest first."""
    graders: set[str] = field(default_factory=set)

    @property
    def who(self) -> list[str]:
        """Sorted: the order of a set differs between processes, and the page would flicker."""
        return sorted(self.graders - {""})

    @property
    def some(self) -> list[int]:
        return self.ids[:5]


@dataclass(frozen=True)
class Failures:
    causes: list[Cause]
    """Those of most jobs first."""
    looked_at: int
    more: bool
    """Whether there are failed jobs beyond the newest MOST."""

    @property
    def shown(self) -> list[Cause]:
        return self.causes[:MOST_SHOWN]

    @property
    def hidden(self) -> int:
        """How many causes are not shown."""
        return len(self.causes) - len(self.shown)


def failures(queue_name: str) -> Failures:
    rows = _newest(queue_name)
    causes: dict[str, Cause] = {}
    for submission_id, error, grader, failed_at in rows[:MOST]:
        words = cause_of(error or "", grader)
        cause = causes.setdefault(words, Cause(key_of(words), words, error or words, failed_at))
        cause.ids.append(submission_id)
        cause.graders.add(grader)
    ordered = sorted(causes.values(), key=lambda cause: -len(cause.ids))
    return Failures(ordered, min(len(rows), MOST), len(rows) > MOST)


def _newest(queue_name: str) -> list[tuple[int, str | None, str, datetime]]:
    failed = newest(queue_name, Status.FAILED)
    return list(failed.values_list("submission_id", Left("last_error", LENGTH), "grader", "status_time")[: MOST + 1])
