"""What is given as a learner's files: read as Django files, and refused where it is too much."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable
from urllib.parse import urlsplit

from django.core.files.base import ContentFile, File

from submissions.conf import conf
from submissions.errors import FileProcessingError, InvalidFileTypeError, SubmissionRequestError
from submissions.models import GraderQueue
from submissions.text import storable

# Of bytes or of text; the class takes no parameter when it runs.
AnyFile: TypeAlias = "File[Any]"


@runtime_checkable
class Readable(Protocol):
    def read(self) -> object: ...


@runtime_checkable
class Seekable(Protocol):
    def seekable(self) -> bool: ...

    def seek(self, offset: int) -> object: ...


LINK = re.compile(r"https?://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)


def without_links(files: Mapping[str, object] | None) -> tuple[dict[str, str], Mapping[str, object] | None]:
    """The files that are only linked, by name, with their addresses; and the others.

    A text that is an http(s) address and nothing else is a link: graders fetch it, this server never does. Raises
    SubmissionRequestError as `prepare` does.
    """
    if not isinstance(files, Mapping):
        return {}, files
    links = {name: str(content) for name, content in files.items() if _is_link(content)}
    for name in links:
        _check_name(name)
    if links:
        _check_count(len(files), int(conf.FILES_MAX_COUNT), "A submission")
    return links, {name: content for name, content in files.items() if name not in links}


def _is_link(content: object) -> bool:
    if not isinstance(content, str) or not storable(content) or LINK.fullmatch(content) is None:
        return False
    try:
        return bool(urlsplit(content).hostname)
    except ValueError:
        return False


def prepare(files: Mapping[str, object] | None, queue: GraderQueue | None = None) -> dict[str, AnyFile]:
    """`files` as Django files that can be read more than once: a transaction may have to be tried again.

    Raises InvalidFileTypeError, FileProcessingError, and SubmissionRequestError for a bad name, and where they are more
    or larger than the site, or `queue`, takes.
    """
    if files is not None and not isinstance(files, Mapping):
        raise SubmissionRequestError(
            field_errors={"files": [f"Files must be a mapping of names to contents, not {type(files).__name__}."]}
        )
    if not files:
        return {}
    for name in files:
        _check_name(name)
    _check_count(len(files), int(conf.FILES_MAX_COUNT), "A submission")
    if queue is not None:
        _check_count(len(files), queue.files_max_count, "A submission to this queue")
    found = {name: as_file(content) for name, content in files.items()}
    total = sum(_checked_size(name, file) for name, file in found.items())
    _check_total(total, int(conf.FILES_MAX_BYTES))
    if queue is not None:
        _check_total(total, queue.files_max_bytes)
    return found


def _checked_size(name: str, file: AnyFile) -> int:
    size = _size(file)
    if size > int(conf.FILE_MAX_BYTES):
        raise _too_much(f"The file {name!r:.60} has {size} bytes, where {conf.FILE_MAX_BYTES} are allowed.")
    return size


def _check_count(count: int, most: int | None, what: str) -> None:
    if most is not None and count > most:
        raise _too_much(f"{what} can have {most} {'file' if most == 1 else 'files'}, not {count}.")


def _check_total(total: int, most: int | None) -> None:
    if most is not None and total > most:
        raise _too_much(f"The files have {total} bytes together, where {most} are allowed.")


def _size(file: AnyFile) -> int:
    """In bytes. A Django file that cannot tell it (a pipe, a broken disk) is as unusable as one that cannot be read."""
    try:
        return int(file.size)
    except (AttributeError, OSError, ValueError) as error:
        raise FileProcessingError(f"A file could not be read: {error}") from error


def _too_much(sentence: str) -> SubmissionRequestError:
    return SubmissionRequestError(field_errors={"files": [sentence]})


def as_file(content: object) -> AnyFile:
    """bytes, text, a Django file, a file object, or an uploaded file that wraps one, as a Django file."""
    if isinstance(content, File):
        return _read_more_than_once(content)
    if isinstance(content, bytes | bytearray | memoryview):
        return ContentFile(bytes(content))
    if isinstance(content, str):
        return ContentFile(content.encode("utf-8", "surrogatepass"))
    inner = getattr(content, "file", content)
    if isinstance(inner, File):
        return _read_more_than_once(inner)
    if not isinstance(inner, Readable):
        raise InvalidFileTypeError(f"A file must be bytes, text or readable, not {type(content).__name__}.")
    return ContentFile(_read(inner))


def _read_more_than_once(file: AnyFile) -> AnyFile:
    """The file; where it has no way back to its beginning (a stream), what is in it."""
    try:
        has_way_back = file.closed or file.seekable()
    except AttributeError:  # what is within it does not say
        return file
    return file if has_way_back else ContentFile(_read(file))


def _read(readable: Readable) -> bytes:
    """From its beginning, as Django's own files are read, wherever a look into it has left off."""
    try:
        if isinstance(readable, Seekable) and readable.seekable():
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
