"""Files stored with their job, and gone with its transaction."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage
from django.db import connections, router, transaction

from submissions import signals
from submissions.errors import FileProcessingError
from submissions.files.contents import prepare
from submissions.files.digests import BLOCK, digest
from submissions.models import ExternalGraderDetail, GraderQueue, SubmissionFile


def store(job: ExternalGraderDetail, files: Mapping[str, object] | None, queue: GraderQueue) -> None:
    """Keep `files` (learner's name to content) with `job` of `queue`, inside the caller's transaction.

    Raises as `prepare` does, and FileProcessingError; what was stored until then is removed with the transaction.
    """
    for name, content in prepare(files, queue).items():
        row = SubmissionFile(external_grader=job, original_filename=name)
        try:
            row.size, row.sha256 = digest(content.chunks(BLOCK))
            # Wrapped: the type that an uploader claims must not reach a storage that would serve the file so.
            row.file.save(name, File(content), save=False)
            sync(row.file.storage, str(row.file.name))
        except Exception as error:  # each storage has exceptions of its own
            half_written = row.file.field.generate_filename(row, name)
            _remove_orphan(row.file.storage, half_written, _values(row))
            raise FileProcessingError(f"The file {name!r} could not be stored: {error}") from error
        _remove_unless_committed(row)
        row.save(force_insert=True)


@contextmanager
def kept_for_a_moment(storage: Storage, name: str, content: bytes) -> Iterator[str]:
    """A file that is gone afterwards, also where it was only begun: on a full disk each try would leave an empty one.

    Its name there. Raises what the storage raises.
    """
    try:
        name = storage.save(name, ContentFile(content))
        yield name
    except BaseException:
        with suppress(Exception):
            storage.delete(name)
        raise
    storage.delete(name)


def sync(storage: Storage, name: str) -> None:
    """On the disk, with the folders that lead to it: a row that is committed names a file that outlives a power cut."""
    if not isinstance(storage, FileSystemStorage):  # it keeps files by its own rules
        return
    path, root = Path(storage.path(name)), Path(storage.path(""))
    sync_place(path)
    for folder in path.parents:
        if folder.is_relative_to(root):
            with suppress(OSError):  # some file systems sync no folders, and need not
                sync_place(folder)


def sync_place(place: Path) -> None:
    """A file, or the names in a folder, on the disk."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    connection = connections.create_connection(router.db_for_write(SubmissionFile))
    field = SubmissionFile._meta.get_field("uuid")
    try:
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(SubmissionFile._meta.db_table)
            value = field.get_db_prep_value(uuid, connection)
            cursor.execute(f"SELECT 1 FROM {table} WHERE external_grader_id = %s AND uuid = %s", [job_id, value])  # noqa: S608
            return cursor.fetchone() is not None
    finally:
        connection.close()
