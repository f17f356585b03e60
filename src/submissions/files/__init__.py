"""Learners' files: stored with their job or not at all, and handed out by signed addresses that expire.

A storage that signs addresses itself (S3) does so; everything else is served by `submissions.views.files`, and only to
who brings our signature. Nothing here asks who somebody is: a grader's downloader has no session (WIRE section 0).
"""

from __future__ import annotations

import inspect
import time
import weakref
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from django.core import signing
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.db import connections, router, transaction
from django.utils.crypto import constant_time_compare

from submissions import signals
from submissions.conf import conf
from submissions.errors import FileProcessingError, InvalidFileTypeError, SubmissionRequestError
from submissions.models import ExternalGraderDetail, GraderQueue, SubmissionFile
from submissions.text import storable

# No S3 takes a signature for longer (seconds).
LONGEST = 7 * 24 * 3600


def store(job: ExternalGraderDetail, files: Mapping[str, Any]) -> None:
    """Keep `files` (learner's name to content) with `job`, inside the caller's transaction.

    Raises InvalidFileTypeError, FileProcessingError, SubmissionRequestError; what was stored until then is removed with
    the transaction.
    """
    for name, content in prepared(files).items():
        row = SubmissionFile(external_grader=job, original_filename=name)
        try:
            # Wrapped: the type that an uploader claims must not reach a storage that would serve the file so.
            row.file.save(name, File(content), save=False)
        except Exception as error:  # each storage has exceptions of its own
            half_written = row.file.field.generate_filename(row, name)
            _remove_orphan(row.file.storage, half_written, _values(row))
            raise FileProcessingError(f"The file {name!r} could not be stored: {error}") from error
        _remove_unless_committed(row)
        row.save(force_insert=True)


def prepared(files: Mapping[str, Any] | None) -> dict[str, File[Any]]:
    """`files` as Django files that can be read more than once: a transaction may have to be tried again.

    Raises as `store` does, but stores nothing.
    """
    if not isinstance(files or {}, Mapping):
        raise SubmissionRequestError(
            field_errors={"files": [f"Files must be a mapping of names to contents, not {type(files).__name__}."]}
        )
    for name in files or {}:
        _check_name(name)
    if len(files or {}) > int(conf.FILES_MAX_COUNT):
        raise _too_much(f"A submission can have {conf.FILES_MAX_COUNT} files, not {len(files or {})}.")
    read = {name: as_file(content) for name, content in (files or {}).items()}
    for name, file in read.items():
        if (size := _size(file)) > int(conf.FILE_MAX_BYTES):
            raise _too_much(f"The file {name!r:.60} has {size} bytes, where {conf.FILE_MAX_BYTES} are allowed.")
    _require_total(read, int(conf.FILES_MAX_BYTES))
    return read


def fitting(files: Mapping[str, Any], queue: GraderQueue) -> dict[str, File[Any]]:
    """`files` as Django files. Raises SubmissionRequestError where they are more than this queue takes."""
    if queue.files_max_count is not None and len(files) > queue.files_max_count:
        raise _too_much(f"A submission to this queue can have {queue.files_max_count} files, not {len(files)}.")
    read = {name: as_file(content) for name, content in files.items()}
    if queue.files_max_bytes is not None:
        _require_total(read, queue.files_max_bytes)
    return read


def _require_total(files: Mapping[str, File[Any]], most: int) -> None:
    if (total := sum(map(_size, files.values()))) > most:
        raise _too_much(f"The files have {total} bytes together, where {most} are allowed.")


def _size(file: File[Any]) -> int:
    """In bytes. A Django file that cannot tell it (a pipe, a broken disk) is as unusable as one that cannot be read."""
    try:
        return int(file.size)
    except (AttributeError, OSError, ValueError) as error:
        raise FileProcessingError(f"A file could not be read: {error}") from error


def _too_much(sentence: str) -> SubmissionRequestError:
    return SubmissionRequestError(field_errors={"files": [sentence]})


def as_file(content: Any) -> File[Any]:
    """bytes, text, a Django file, a file object, or an uploaded file that wraps one, as a Django file."""
    if isinstance(content, File):
        return content
    if isinstance(content, bytes | bytearray | memoryview):
        return ContentFile(bytes(content))
    if isinstance(content, str):
        return ContentFile(content.encode("utf-8", "surrogatepass"))
    inner = getattr(content, "file", content)
    if isinstance(inner, File):
        return inner
    if not hasattr(inner, "read"):
        raise InvalidFileTypeError(f"A file must be bytes, text or readable, not {type(content).__name__}.")
    return ContentFile(_all_of(inner))


def _all_of(readable: Any) -> bytes:
    """From its beginning, as Django's own files are read, wherever a look into it has left off."""
    try:
        if hasattr(readable, "seekable") and readable.seekable():
            readable.seek(0)
        data = readable.read()
    except (OSError, ValueError) as error:  # ValueError: closed, or not in the encoding that it was opened with
        raise FileProcessingError(f"A file could not be read: {error}") from error
    if isinstance(data, str):
        return data.encode("utf-8", "surrogatepass")
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidFileTypeError(f"A file must give bytes or text, not {type(data).__name__}.")
    return bytes(data)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= 255 or not storable(name):
        raise SubmissionRequestError(
            field_errors={"files": [f"A file's name must be a text of 1 to 255 characters, not {name!r:.60}."]}
        )


# Gone with the transaction. -----------------------------------------------------------------------------------------


class _Unconfirmed:
    """Lives in Django's list of on-commit callbacks, and is forgotten with it when the transaction is rolled back."""

    def __init__(self, row: SubmissionFile) -> None:
        self.end = weakref.finalize(self, _remove_orphan, row.file.storage, str(row.file.name), _values(row))

    def confirm(self) -> None:
        self.end.detach()


def _remove_unless_committed(row: SubmissionFile) -> None:
    """Remove the stored file when this transaction, or one around it, is rolled back (ADR 0004)."""
    transaction.on_commit(_Unconfirmed(row).confirm, using=router.db_for_write(SubmissionFile), robust=True)


def _values(row: SubmissionFile) -> tuple[int | None, UUID]:
    return row.external_grader_id, row.uuid


def _remove_orphan(storage: Storage, name: str, values: tuple[int | None, UUID]) -> None:
    """Delete the file, once the database has said that no row names it: a lost answer to COMMIT is no rollback."""
    try:
        if not _is_committed(*values):
            storage.delete(name)
    except Exception as error:  # a file too many is better than one too few
        signals.file_left_behind.send_robust(sender=None, name=name, reason=error)


def _is_committed(job_id: int | None, uuid: UUID) -> bool:
    # On a connection of its own: the one that was rolled back is still being put in order when this runs.
    connection = connections.create_connection(router.db_for_read(SubmissionFile))
    field = SubmissionFile._meta.get_field("uuid")
    try:
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(SubmissionFile._meta.db_table)
            value = field.get_db_prep_value(uuid, connection)
            cursor.execute(f"SELECT 1 FROM {table} WHERE external_grader_id = %s AND uuid = %s", [job_id, value])  # noqa: S608
            return cursor.fetchone() is not None
    finally:
        connection.close()


# Addresses. ---------------------------------------------------------------------------------------------------------


def address(row: SubmissionFile, mount: str, lease: int) -> str:
    """Where a grader fetches the file: absolute, signed, good for the lease (seconds) and FILE_URL_SECONDS more.

    `mount`: the absolute address under which `submissions.urls` is mounted, with its slash.
    """
    seconds = lease + int(conf.FILE_URL_SECONDS)
    own = _address_of_storage(row.file.storage, str(row.file.name), seconds)
    if own:
        return own
    expires = int(time.time()) + seconds
    query = urlencode({"expires": expires, "signature": signature(row.pk, expires)})
    return f"{mount}files/{row.pk}/{quote(_last_part(row.original_filename), safe='')}?{query}"


def _address_of_storage(storage: Any, name: str, seconds: int) -> str | None:
    """The address that a storage signs itself, good for `seconds` where it lets us say so; None where it has none."""
    if isinstance(storage, FileSystemStorage | InMemoryStorage):
        return None
    says_when = "expire" in inspect.signature(storage.url).parameters
    try:
        found = str(storage.url(name, expire=min(seconds, LONGEST)) if says_when else storage.url(name))
    except NotImplementedError:
        return None
    return found if found.startswith(("https://", "http://")) else None


def signature(file_id: int, expires: int) -> str:
    return signing.Signer(salt="submissions.files").signature(f"{file_id}:{expires}")


def is_signed(file_id: int, expires: str, signed: str) -> bool:
    """Whether `signed` is our signature for this file until `expires` (Unix seconds), and that time is not over."""
    if not (expires.isascii() and expires.isdigit() and len(expires) < 12):
        return False
    ours = signature(file_id, int(expires))
    return constant_time_compare(signed.encode(), ours.encode()) and time.time() < int(expires)


def download_name(row: SubmissionFile) -> str:
    """The learner's name for the file, as far as a header may carry it."""
    return "".join(sign for sign in _last_part(row.original_filename) if sign.isprintable()) or "file"


def _last_part(name: str) -> str:
    """Never a path: neither the address nor what a browser saves may walk up a tree."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    return last if last.strip(".") else "file"
