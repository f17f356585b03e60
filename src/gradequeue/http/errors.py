"""What the service says when no view of its own did: the XQueue envelope where a grader may have asked, a problem where
REST was, a page for a browser, a plain sentence for what is left."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.core.exceptions import FieldDoesNotExist
from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext

from gradequeue.http import addresses
from submissions.accounts.throttle import Throttled
from submissions.rest.base import told
from submissions.rest.problems import AUTHZ, INTERNAL, NOT_FOUND, VALIDATION, Problem

KINDS = {400: VALIDATION, 403: AUTHZ, 404: NOT_FOUND}

logger = logging.getLogger("gradequeue.answers")


def _answer(request: HttpRequest, status: int, sentence: str, more: str) -> HttpResponse:
    """`more`: what helps a person next, or ""."""
    if addresses.is_meant_for_graders(request.path):
        return JsonResponse({"return_code": 1, "content": sentence}, status=status)
    if request.path.startswith("/api/"):
        return told(Problem(KINDS.get(status, INTERNAL), f"{sentence}."), request.path)
    if "text/html" in request.headers.get("Accept", ""):
        # Without the request: a page of an error asks no session and no database.
        page = render_to_string("error.html", {"title": sentence, "sentence": more})
        response = HttpResponse(page, status=status)
    else:
        response = HttpResponse(f"{sentence}\n", status=status, content_type="text/plain; charset=utf-8")
    patch_vary_headers(response, ["Accept"])
    return response


def bad_request(request: HttpRequest, exception: Exception, *_: object) -> HttpResponse:
    return _answer(request, 400, gettext("Bad request"), gettext("The server cannot read what was sent."))


def forbidden(request: HttpRequest, exception: Exception | None = None, *_: object, **__: object) -> HttpResponse:
    return _answer(request, 403, gettext("Forbidden"), gettext("This account has no access to this page."))


def not_found(request: HttpRequest, exception: object = None, *_: object) -> HttpResponse:
    return _answer(
        request,
        404,
        gettext("There is nothing at this address"),
        gettext("The page may have moved, or its address is misspelt."),
    )


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a token that is good. `reason` is for developers."""
    more = gettext("Go back, reload the page, and try again. The browser must accept cookies from this site.")
    return _answer(request, 403, gettext("This form is no longer valid"), more)


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(
        request, 500, gettext("Internal error; please try again"), gettext("The error is in the log of the server.")
    )


class UnstorableMiddleware:
    """What no table can hold (NUL, half a pair of surrogates, a number too large), or an address of the admin that
    names a column which is none: a bad request. A password that cannot be hashed just now: come again.

    Of people's pages only: the dialects look at each value, and have an answer of their own.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Throttled):
            busy = _answer(request, 503, exception.in_words(), "")
            busy["Retry-After"] = str(exception.seconds)
            return busy
        if not isinstance(exception, DataError | UnicodeEncodeError | FieldDoesNotExist):
            return None
        # By its type alone: its words repeat what a stranger sent.
        logger.warning("invalid request: %s", type(exception).__name__)
        return bad_request(request, exception)
