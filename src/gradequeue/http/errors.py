"""What the service says when no view of its own did: the XQueue envelope below /xqueue/, a plain sentence elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.core.exceptions import FieldDoesNotExist
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

logger = logging.getLogger("gradequeue.answers")


def _answer(request: HttpRequest, status: int, sentence: str) -> HttpResponse:
    if request.path.startswith("/xqueue"):
        return JsonResponse({"return_code": 1, "content": sentence}, status=status)
    return HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")


def bad_request(request: HttpRequest, exception: Exception, *_: object) -> HttpResponse:
    return _answer(request, 400, "Bad request")


def forbidden(request: HttpRequest, exception: Exception | None = None, *_: object, **__: object) -> HttpResponse:
    return _answer(request, 403, "Forbidden")


def not_found(request: HttpRequest, exception: object = None, *_: object) -> HttpResponse:
    return _answer(request, 404, "There is nothing at this address")


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(request, 500, "Internal error; please try again")


class UnstorableMiddleware:
    """What no table can hold (NUL, half a pair of surrogates, a number too large), or an address of the admin that
    names a column which is none: a bad request.

    Of people's pages only: the dialects look at each value, and have an answer of their own.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DataError | UnicodeEncodeError | FieldDoesNotExist):
            return None
        # By its type alone: its words repeat what a stranger sent.
        logger.warning("invalid request: %s", type(exception).__name__)
        return bad_request(request, exception)
