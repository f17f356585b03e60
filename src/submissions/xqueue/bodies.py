"""What a request's body says, whatever it is written in: a form, a form of several parts, or JSON."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, QueryDict
from rest_framework import negotiation, parsers
from rest_framework.request import Request

from submissions.conf import conf
from submissions.text import is_slow_to_read, unquoted
from submissions.xqueue import wire

FORM, PARTS, JSON = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"
# Of a form that is not UTF-8 (bytes).
MOST_OF_ANOTHER_ENCODING = 1024 * 1024
# No form of ours begins so. A byte order mark says nothing.
OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")


def declared_length(request: HttpRequest) -> int:
    """How many bytes the client says that it sends; 0 for what is no number, or none that a server takes."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def is_in_chunks(request: HttpRequest) -> bool:
    """Whether no header says how many bytes it is: then a web server may end one that broke off as if it were whole."""
    return "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()


def require_whole(request: HttpRequest, body: bytes) -> None:
    """Raises Malformed where `body` is less than the client said: not every web server says that one broke off."""
    if len(body) < declared_length(request):
        raise wire.Malformed("it broke off")


def most_bytes(request: HttpRequest) -> int:
    """How large it may be: of the fields of a form of several parts, Django itself reads no more than a host allows."""
    most, of_host = int(conf.REQUEST_MAX_BYTES), settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return most if of_host is None or request.content_type != PARTS else min(most, of_host)


def fields(request: HttpRequest) -> Mapping[str, object]:
    """The body's fields. Raises Malformed, RequestDataTooBig."""
    if is_slow_to_read(request.encoding):
        raise wire.Malformed
    try:
        found = _parse_parts(request) if request.content_type == PARTS else _parse(request)
    except (RequestDataTooBig, wire.Malformed):
        raise
    except Exception as error:  # each parser, codec and broken connection has its own
        raise wire.Malformed from error
    return found if isinstance(found, dict) else {}


def is_json(request: HttpRequest, body: bytes) -> bool:
    """Whether the body, which has no parts, is to be read as JSON; else it is a form.

    By its header where that says JSON. Where there is none, where it says nothing useful (text/plain), and where it
    says form only because the client does so by itself (curl), the body decides.
    """
    return request.content_type == JSON or OBJECT.match(body) is not None


def _parse(request: HttpRequest) -> object:
    # read(), not body: how much is too much is REQUEST_MAX_BYTES, not what a host allows its own forms.
    most = most_bytes(request)
    body = request.read(most + 1)
    if len(body) > most:  # in chunks, it does not say how much it is
        raise RequestDataTooBig
    require_whole(request, body)
    # A charset counts with a type that is right.
    right = request.content_type in (FORM, JSON)
    encoding = (right and request.encoding) or settings.DEFAULT_CHARSET
    if is_json(request, body):
        return wire.parse_request(body.decode(encoding))
    return dict(read_form(body, encoding))


def read_form(body: bytes, encoding: str = "utf-8", errors: str = "replace") -> list[tuple[str, str]]:
    """Names and values of a form, as QueryDict has them, but without the memory and the time that it takes for much.

    Raises ValueError for more fields than the settings allow, and for more than a little in another encoding.
    """
    most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    if most is not None and body.count(b"&") >= most:
        raise ValueError("too many fields")
    if codecs.lookup(encoding).name != "utf-8":
        if len(body) > MOST_OF_ANOTHER_ENCODING:
            raise ValueError("a long form must be UTF-8")
        found = QueryDict(body, encoding=encoding)
        return [(name, str(found[name])) for name in found]
    if errors != "strict" and not _is_utf8(body):
        body = body.decode("latin-1").encode()
    pairs = (part.partition(b"=") for part in body.split(b"&") if part)
    return [(unquoted(name).decode(errors=errors), unquoted(value).decode(errors=errors)) for name, _, value in pairs]


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse_parts(request: HttpRequest) -> object:
    return Request(
        request, parsers=[parsers.MultiPartParser()], negotiator=negotiation.DefaultContentNegotiation()
    ).data
