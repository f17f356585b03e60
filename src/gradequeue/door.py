"""A door of their own for graders: what they ask every second does not walk through what only browsers need."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from django.urls import Resolver404, resolve

from gradequeue.sessions import AccountMiddleware
from submissions.xqueue.views import ENDPOINTS

Handler = Callable[[HttpRequest], Any]

# login and logout set cookies, and go the long way.
VERBS = ("get_submission", "put_result", "get_queuelen")


class GradersDoor:
    """It answers graders' calls itself, and hands on everything else. Only what every answer needs stands before it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        # What graders do need: the account, and the headers of every answer.
        inner = AccountMiddleware(_endpoint)
        self.short = SecurityMiddleware(SessionMiddleware(convert_exception_to_response(_of_our_host(inner))))

    def __call__(self, request: HttpRequest) -> Any:
        view = _views(settings.ROOT_URLCONF).get(request.path_info)
        if view is None:
            return self.get_response(request)
        return self.short(request)


def _of_our_host(get_response: Handler) -> Handler:
    def checked(request: HttpRequest) -> Any:
        request.get_host()  # raises DisallowedHost
        return get_response(request)

    return checked


def _endpoint(request: HttpRequest) -> HttpResponse:
    response = _views(settings.ROOT_URLCONF)[request.path_info](request)
    response.headers["Content-Length"] = str(len(response.content))
    return response


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
