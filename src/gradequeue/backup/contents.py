"""Submitted files, from the storage into a folder and back, each under the name that its row has for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from django.core.files import File

from submissions.files import BLOCK, find_damage, sync
from submissions.models import SubmissionFile


def save(folder: Path) -> Iterator[str | None]:
    """For each file None, or what is wrong with it."""
    for row in SubmissionFile.objects.order_by("pk").iterator():
        yield _saved(row, folder)


def bring_back(folder: Path) -> Iterator[str | None]:
    """For each file that the restored database names None, or what is wrong with it."""
    for row in SubmissionFile.objects.order_by("pk").iterator():
        yield _brought_back(row, folder)


def _saved(row: SubmissionFile, folder: Path) -> str | None:
    place = folder / str(row.file.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with row.file.storage.open(str(row.file.name), "rb") as stored, place.open("xb") as copy:
            for chunk in stored.chunks(BLOCK):
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
    except Exception as error:  # each storage has exceptions of its own
        if not SubmissionFile.objects.filter(pk=row.pk).exists():  # pruned meanwhile
            return None
        return f"file {row.original_filename!r} of submission {_submission(row)} was not saved: {error}"
    return None


def _brought_back(row: SubmissionFile, folder: Path) -> str | None:
    """What is there already stays if it is what was handed in: a bucket may have outlived the database."""
    storage, name = row.file.storage, str(row.file.name)
    if not storage.exists(name) and (folder / name).is_file():
        with (folder / name).open("rb") as copy:
            storage.save(name, File(copy))
        sync(storage, name)
    damage = find_damage(row)
    return f"submission {_submission(row)} {damage}" if damage else None


def _submission(row: SubmissionFile) -> int | None:
    return row.external_grader.submission_id if row.external_grader else None
