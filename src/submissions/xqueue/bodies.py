"""What a request's body says, whatever it is written in: a form, a form of several parts, or JSON."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, QueryDict
from rest_framework import negotiation, parsers
from rest_framework.request import Request

from submissions.xqueue import wire

FORM = "application/x-www-form-urlencoded"
PARSERS = (parsers.FormParser(), parsers.MultiPartParser(), parsers.JSONParser())


def declared_length(request: HttpRequest) -> int:
    """How many bytes the client says that it sends; 0 for what is no number, or none that a server takes."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0


def fields(request: HttpRequest) -> Mapping[str, object]:
    """The body's fields. Raises Malformed, RequestDataTooBig."""
    try:
        found = _parse_form(request) if request.META.get("CONTENT_TYPE") == FORM else _parse_other(request)
    except RequestDataTooBig:
        raise
    except Exception as error:  # each parser, codec and broken connection has its own
        raise wire.Malformed from error
    return found if isinstance(found, dict) else {}


def _parse_form(request: HttpRequest) -> QueryDict:
    # read(), not body: how much is too much is REQUEST_MAX_BYTES, not what a host allows its own forms.
    return QueryDict(request.read(), encoding=request.encoding or settings.DEFAULT_CHARSET)


def _parse_other(request: HttpRequest) -> object:
    return Request(request, parsers=PARSERS, negotiator=negotiation.DefaultContentNegotiation()).data
