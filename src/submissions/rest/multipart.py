"""A form of several parts: the part `submission`, which is JSON, and the learner's files, known by their file names."""

from __future__ import annotations

from io import BytesIO
from typing import Any, TypeAlias

from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser

from submissions.conf import conf
from submissions.rest import bodies
from submissions.rest.problems import TOO_LARGE, VALIDATION, Problem, invalid

PART = "submission"

Files: TypeAlias = "dict[str, UploadedFile[bytes]]"


class _BadName(ValueError):
    pass


class Parts(MultiPartParser):
    """Django's, but for file names: a path is refused, and not made a bare name; what is too long is not cut."""

    def sanitize_file_name(self, file_name: str) -> str:
        name = _utf8(file_name)
        if not name.strip(". ") or any(sign in name for sign in "/\\\0") or len(name) > 255:
            raise _BadName(name)
        return name


def read(request: HttpRequest) -> tuple[Any, Files]:
    """The submission's JSON value, and the files by name. Raises Problem."""
    body = bodies.read_bytes(request, int(conf.REQUEST_MAX_BYTES))
    if not body:
        return _read_by_host(request)
    try:
        texts, parts = Parts(request.META, BytesIO(body), request.upload_handlers, "latin-1").parse()
    except TooManyFilesSent:
        raise Problem(TOO_LARGE, f"More than {conf.FILES_MAX_COUNT} files.") from None
    except RequestDataTooBig:
        raise Problem(TOO_LARGE, f"The part {PART} is larger than {bodies.SUBMISSION_BYTES} bytes.") from None
    except _BadName as bad:
        raise _no_bare_name(str(bad)) from None
    except Exception:  # the parser has many
        raise Problem(VALIDATION, "The parts of the form cannot be read.") from None
    # Django passes over a part whose head it cannot read, and one without an end: a learner's file would be gone.
    count = sum(len(many) for group in (texts, parts) for _, many in group.lists())
    delimiter = b"--" + (request.content_params or {})["boundary"].encode()
    if body.count(delimiter) != count + 1 or delimiter + b"--" not in body:
        raise Problem(VALIDATION, "A part of the form cannot be read.")
    if other := sorted(set(texts) - {PART}):
        raise invalid({_utf8(other[0])[:100]: ["There is no such part; a file has a file name."]})
    return bodies.parse(_json(texts, parts, "latin-1")), _by_name(parts)


def _read_by_host(request: HttpRequest) -> tuple[Any, Files]:
    """Where a host's own middleware has asked for ``request.POST``: the bytes are gone, and that is all there is."""
    text = _json(request.POST, request.FILES, "utf-8")
    if "\ufffd".encode() in text:
        raise Problem(VALIDATION, f"The part {PART} is not UTF-8, or has a replacement character.")
    return bodies.parse(text), _by_name(request.FILES)


def _json(texts: Any, parts: Any, encoding: str) -> bytes:
    """The part `submission`, be it sent with a file name or without one."""
    found = [text.encode(encoding) for text in texts.getlist(PART)] + [file.read() for file in parts.getlist(PART)]
    if len(found) != 1:
        raise invalid({PART: [f"The form needs one part of this name, not {len(found)}."]})
    if len(found[0]) > bodies.SUBMISSION_BYTES:
        raise Problem(TOO_LARGE, f"The part {PART} is larger than {bodies.SUBMISSION_BYTES} bytes.")
    return bytes(found[0])


def _by_name(parts: Any) -> Files:
    files: Files = {}
    for part, many in parts.lists():
        for file in many if part != PART else ():
            name = str(file.name)
            if name in files:
                raise invalid({"files": [f"Two files have the name {name[:100]!r}."]})
            files[name] = file
    return files


def _no_bare_name(name: str) -> Problem:
    return invalid({"files": [f"A file's name must be a bare name of 1 to 255 characters, not {name[:100]!r}."]})


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode()
