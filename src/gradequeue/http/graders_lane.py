"""A door of their own for graders: what they ask every second does not walk through what only browsers need."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.security import SecurityMiddleware
from django.urls import Resolver404, resolve

from gradequeue.accounts import sessions
from submissions.rest.claims import Claims
from submissions.xqueue.views import ENDPOINTS

Handler = Callable[[HttpRequest], HttpResponseBase]

# login and logout set cookies, and go the long way.
VERBS = ("get_submission", "put_result", "get_queuelen")
# What a worker asks by REST; files are sent in parts, and go the long way.
REST = "/api/external_grading/v1/"
WORKERS = re.compile(re.escape(REST) + r"(claims/([^/]+/(heartbeats/|result/|failure/)?)?|heartbeats/|results/)")


def is_graders(path: str) -> bool:
    """Whether the door answers this address."""
    return path in _views(settings.ROOT_URLCONF) or is_workers(path)


def is_workers(path: str) -> bool:
    """Whether a worker asks there by REST."""
    return WORKERS.fullmatch(path) is not None and _has_rest(settings.ROOT_URLCONF)


class GradersDoor:
    """It answers graders' calls itself, and hands on everything else.

    Only what every answer needs is done here, by the middlewares' own code, but not one within the other: each layer
    costs a request as much as a statement.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.security, self.sessions = SecurityMiddleware(get_response), SessionMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if (view := _views(settings.ROOT_URLCONF).get(request.path_info)) is not None:
            self.sessions.process_request(request)
            request.user = sessions.Account(request)  # type: ignore[assignment]
            response = self.sessions.process_response(request, _answer(request, view))
        elif is_workers(request.path_info):
            # A token is all that REST knows: it asks for no session.
            response = _answer(request, _resolved)
        else:
            return self.get_response(request)
        # Its other headers stand in every answer.
        return self.security.process_response(request, response) if self.security.sts_seconds else response


def _answer(request: HttpRequest, view: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    try:
        request.get_host()  # raises DisallowedHost
        response = view(request)
        response.headers["Content-Length"] = str(len(response.content))
    except Exception as error:
        return response_for_exception(request, error)
    return response


def _resolved(request: HttpRequest) -> HttpResponse:
    """What the view at the request's address answers."""
    request.resolver_match = match = resolve(request.path_info)
    answer: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return answer


@lru_cache
def _views(urlconf: str) -> dict[str, Callable[[HttpRequest], HttpResponse]]:
    """Which addresses are whose: only where our own addresses say so."""
    found = {}
    for verb in VERBS:
        for path in (f"/xqueue/{verb}/", f"/xqueue/{verb}"):
            try:
                if resolve(path, urlconf).func is ENDPOINTS[verb]:
                    found[path] = ENDPOINTS[verb]
            except Resolver404:
                continue
    return found


@lru_cache
def _has_rest(urlconf: str) -> bool:
    """The same for REST."""
    try:
        return getattr(resolve(f"{REST}claims/", urlconf).func, "cls", None) is Claims
    except Resolver404:
        return False
