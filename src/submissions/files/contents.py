"""What is given as a learner's files: read as Django files, and refused where it is too much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.files.base import ContentFile, File

from submissions.conf import conf
from submissions.errors import FileProcessingError, InvalidFileTypeError, SubmissionRequestError
from submissions.models import GraderQueue
from submissions.serializers import storable


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
