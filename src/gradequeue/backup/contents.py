"""Submitted files, from the storage into a folder and back, each under the name that its row has for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from django.core.files import File

from submissions.files import BLOCK, digest, find_damage, in_batches, is_there, sync
from submissions.models import SubmissionFile


def save(folder: Path) -> Iterator[str | None]:
    """For each file None, or what is wrong with it."""
    for row in chain.from_iterable(in_batches()):
        yield _saved(row, folder)


def bring_back(folder: Path) -> Iterator[str | None]:
    """For each file that the restored database names None, or what is wrong with it."""
    for row in chain.from_iterable(in_batches()):
        yield _brought_back(row, folder)


def _saved(row: SubmissionFile, folder: Path) -> str | None:
    place = folder / str(row.file.name)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with row.file.storage.open(str(row.file.name), "rb") as stored:
            _copy(stored, place)
    except Exception as error:  # each storage has exceptions of its own
        if not is_there(row):
            return None
        return f"file {row.original_filename!r} of submission {_submission(row)} was not saved: {error}"
    return None


def _copy(stored: File[bytes], place: Path) -> None:
    with place.open("xb") as copy:
        try:
            for chunk in stored.chunks(BLOCK):
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        except BaseException:
            place.unlink()  # half a file would be brought back as if it were one
            raise


def _brought_back(row: SubmissionFile, folder: Path) -> str | None:
    """What is there already stays if it is what was handed in: a bucket may have outlived the database. If it is not,
    the copy takes its place: an earlier run may have been ended in the middle of it."""
    copy = folder / str(row.file.name)
    damage = find_damage(row)
    if damage and copy.is_file():
        try:
            _bring(copy, row)
        except Exception as error:  # as above; the others are brought back all the same
            return f"file {row.original_filename!r} of submission {_submission(row)} was not brought back: {error}"
        damage = find_damage(row)
    return f"submission {_submission(row)} {damage}" if damage else None


def _bring(copy: Path, row: SubmissionFile) -> None:
    storage, name = row.file.storage, str(row.file.name)
    if storage.exists(name):
        if not _is_whole(copy, row):
            return
        storage.delete(name)
    with copy.open("rb") as content:
        storage.save(name, File(content))
    sync(storage, name)


def _is_whole(copy: Path, row: SubmissionFile) -> bool:
    with copy.open("rb") as content:
        return row.sha256 in (None, digest(File(content).chunks(BLOCK)).sha256)


def _submission(row: SubmissionFile) -> int | None:
    return row.external_grader.submission_id if row.external_grader else None
