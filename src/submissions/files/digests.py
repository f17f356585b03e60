"""Whether a stored file is still what was handed in: its size and SHA-256, kept with it, against what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.core.files.storage import InMemoryStorage, Storage

from submissions.errors import FileProcessingError
from submissions.models import SubmissionFile

# How much of a file is in memory at once (bytes).
BLOCK = 1024 * 1024


class Digest(NamedTuple):
    size: int
    """Bytes."""
    sha256: str
    """64 hex digits."""


def digest(chunks: Iterable[bytes | str]) -> Digest:
    """Of a file's content; text counts as UTF-8."""
    size, found = 0, hashlib.sha256()
    for chunk in chunks:
        data = chunk if isinstance(chunk, bytes) else chunk.encode("utf-8", "surrogatepass")
        size += len(data)
        found.update(data)
    return Digest(size, found.hexdigest())


def is_near(storage: Storage) -> bool:
    """Whether asking for a file costs next to nothing: on a disk of this machine, or in memory; not over a network."""
    if isinstance(storage, InMemoryStorage):
        return True
    try:
        storage.path("file")
    except (NotImplementedError, AttributeError):  # the latter of what is used like a storage, and is none of Django's
        return False
    return True


def find_damage(row: SubmissionFile, *, whole: bool = True) -> str | None:
    """What has happened to the stored file, as the end of a sentence; None where it is as it was handed in.

    `whole`: read it all; else only its size is asked for. Of a row without a digest (made by edx-submissions, or before
    there were any) only that its file can be read is known.
    """
    storage, name = row.file.storage, str(row.file.name)
    try:
        # Opened first: a storage may tell a size of what is no file.
        with storage.open(name, "rb") as stored:
            if not whole:
                return _differs(row, storage.size(name))
            found = digest(stored.chunks(BLOCK))
    except FileNotFoundError:
        return f"lost its file {row.original_filename!r}"
    except Exception as error:  # each storage has exceptions of its own
        return f"has a file {row.original_filename!r} that cannot be read: {error}"
    return _differs(row, found.size) or _has_changed(row, found.sha256)


def require_intact(rows: Sequence[SubmissionFile]) -> None:
    """Before they are handed out: raises FileProcessingError where one is damaged, as far as that is found quickly.

    Storages over a network are not asked. Where the files are more than a block together, only sizes are compared.
    """
    if not rows or not is_near(rows[0].file.storage):
        return
    whole = sum(row.size or 0 for row in rows) <= BLOCK
    for row in rows:
        if damage := find_damage(row, whole=whole and row.size is not None):
            raise FileProcessingError(f"The submission {damage}.")


def _differs(row: SubmissionFile, size: int) -> str | None:
    if row.size is None or row.size == size:
        return None
    return f"has a file {row.original_filename!r} of {size} bytes that was handed in with {row.size}"


def _has_changed(row: SubmissionFile, sha256: str) -> str | None:
    if row.sha256 is None or row.sha256 == sha256:
        return None
    return f"has a file {row.original_filename!r} that is not what was handed in"
