"""submit/: a platform submits over HTTP, as it did to the retired XQueue service. Parse, one verb, reply.

Refusals are answered 200 with return code 1, as XQueue did: of any other status the LMS tells the learner the number
and not the reason.
"""

from __future__ import annotations

import codecs
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any, TypeAlias

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParser
from django.views.decorators.csrf import csrf_exempt

from submissions import signals
from submissions.accounts.permissions import is_grader, is_submitter
from submissions.conf import conf
from submissions.connections import close_after, outside_transactions
from submissions.errors import InvalidFileTypeError, QueueError, SubmissionRequestError, UnknownQueue
from submissions.intake import jobs
from submissions.intake.requests import BadSubmitRequest, parse
from submissions.text import may_be_cut_off
from submissions.xqueue import bodies, sessions, wire
from submissions.xqueue.endpoints import log_in_first, ok, refused

logger = logging.getLogger("submissions.xqueue")

Fields = Mapping[str, object]
Files: TypeAlias = "Mapping[str, UploadedFile[bytes]]"


@csrf_exempt  # The platform has a session and no token; against other sites' pages stands the check below.
@login_not_required  # Looked at below.
@outside_transactions
def submit(request: HttpRequest) -> HttpResponse:
    """POST xqueue_header, xqueue_body and files: a job; the content is how many wait, as a text."""
    return sessions.type_reply(request, _submit(request))


def _submit(request: HttpRequest) -> HttpResponse:
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return refused(403, "Requests from other sites are refused")
    sessions.forget_unusable(request)
    # What a grader's token may, a session of it may, and not what else its account may.
    if sessions.is_of_token(request) or not is_submitter(request.user):
        return _answer_non_submitter(request)
    if request.method != "POST":
        return refused(200, "Queue requests should use HTTP POST")
    try:
        return ok(str(_take(request).waiting))
    except Exception as error:
        return _answer_error(request, error)


def _take(request: HttpRequest) -> jobs.Accepted:
    with _read(request) as (fields, files):
        handed = parse(fields.get("xqueue_header"), fields.get("xqueue_body"))
        if bodies.is_in_chunks(request) and may_be_cut_off(handed.body):
            raise BadSubmitRequest("it may have broken off")
        try:
            return jobs.submit(handed, request.user, files)
        except UnknownQueue:
            raise UnknownQueue(f"Queue '{handed.queue_name[:200]}' not found") from None


def _answer_non_submitter(request: HttpRequest) -> HttpResponse:
    """To log in, or, with a grader's session, which is a good one, a word: logging in again would change nothing."""
    if is_grader(request.user):
        return _refuse(request, "This account may not submit")
    return log_in_first(request)


def _answer_error(request: HttpRequest, error: Exception) -> HttpResponse:
    if isinstance(error, RequestDataTooBig):
        return _refuse(request, f"The request is larger than {bodies.most_bytes(request)} bytes")
    if isinstance(error, BadSubmitRequest | QueueError | SubmissionRequestError | InvalidFileTypeError):
        return _refuse(request, str(error))
    logger.exception("%s failed", request.path, exc_info=error)
    close_after(error)
    return refused(500, "Internal error; please try again")


def _refuse(request: HttpRequest, reason: str) -> HttpResponse:
    signals.submit_refused.send_robust(sender=None, account=request.user.get_username(), reason=reason)
    return refused(200, reason)


# The body, byte for byte. -------------------------------------------------------------------------------------------


class Parts(MultiPartParser):
    """A form of several parts. A file is known by the name of its part; one with an odd file name must not get lost."""

    def sanitize_file_name(self, file_name: str) -> str:
        return super().sanitize_file_name(file_name) or "file"


@contextmanager
def _read(request: HttpRequest) -> Iterator[tuple[Fields, Files]]:
    """Fields and files. Raises BadSubmitRequest, RequestDataTooBig.

    Not Django's ``request.POST``: that puts a replacement character where a byte is not UTF-8, and nobody would know.
    """
    if bodies.declared_length(request) > int(conf.REQUEST_MAX_BYTES):
        raise RequestDataTooBig
    files: Files = {}
    try:
        fields, files = _fields(request)
    except RequestDataTooBig:
        raise
    except UnicodeDecodeError:
        raise BadSubmitRequest("it is not UTF-8") from None
    except TooManyFilesSent:
        raise BadSubmitRequest(f"it has more than {settings.DATA_UPLOAD_MAX_NUMBER_FILES} files") from None
    except wire.Malformed as error:
        raise BadSubmitRequest(str(error).removeprefix(f"{wire.Malformed.__doc__}").strip(": ")) from None
    except BadSubmitRequest:
        raise
    except Exception as error:  # each parser and broken connection has its own
        raise BadSubmitRequest from error
    try:
        yield fields, files
    finally:
        for file in files.values():
            file.close()


def _fields(request: HttpRequest) -> tuple[Fields, Files]:
    if request.content_type == bodies.PARTS:
        return _parts(request)
    # read(), not body: how much is too much is REQUEST_MAX_BYTES, not what a host allows its own forms.
    body = request.read()
    bodies.require_whole(request, body)
    if bodies.is_json(request, body):
        found = wire.parse_request(body.decode("utf-8-sig"))
        return found if isinstance(found, dict) else {}, {}
    return dict(bodies.read_form(body.removeprefix(codecs.BOM_UTF8), errors="strict")), {}


def _parts(request: HttpRequest) -> tuple[Fields, Files]:
    body = request.read()
    if not body and bodies.declared_length(request):
        return _parts_of_host(request)
    # Latin-1 is every byte as it is.
    texts, files = Parts(request.META, BytesIO(body), request.upload_handlers, "latin-1").parse()
    # Django passes over a part whose head it cannot read, and one without an end: a learner's file would be gone.
    found = sum(len(many) for parts in (texts, files) for _, many in parts.lists())
    delimiter = b"--" + (request.content_params or {})["boundary"].encode()
    if body.count(delimiter) != found + 1 or delimiter + b"--" not in body:
        raise BadSubmitRequest("a part of it cannot be read")
    _require_one_of_each(files, _utf8)
    fields = {_utf8(name): _utf8(str(text)) for name, text in texts.items()}
    return fields, {_utf8(name): file for name, file in files.items() if isinstance(file, UploadedFile)}


def _parts_of_host(request: HttpRequest) -> tuple[Fields, Files]:
    """Where a host's own middleware has asked for ``request.POST``: the bytes are gone, and that is all there is."""
    fields = {name: str(text) for name, text in request.POST.items()}
    if any("\ufffd" in text for part in fields.items() for text in part):
        raise BadSubmitRequest("it is not UTF-8, or has a replacement character")
    _require_one_of_each(request.FILES, str)
    return fields, {name: file for name, file in request.FILES.items() if isinstance(file, UploadedFile)}


def _require_one_of_each(files: Any, read_name: Callable[[str], str]) -> None:
    """Only one of those with one name could be kept."""
    for name, many in files.lists():
        if len(many) > 1:
            raise BadSubmitRequest(f"it has {len(many)} files named {read_name(name)[:200]!r}")


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode()
