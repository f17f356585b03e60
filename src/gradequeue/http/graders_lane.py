"""A door of their own for graders: what they ask every second does not walk through what only browsers need."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.security import SecurityMiddleware
from django.urls import Resolver404, resolve

from gradequeue.accounts import sessions
from submissions.xqueue.views import ENDPOINTS

Handler = Callable[[HttpRequest], HttpResponseBase]

# login and logout set cookies, and go the long way.
VERBS = ("get_submission", "put_result", "get_queuelen")


def is_graders(path: str) -> bool:
    """Whether the door answers this address."""
    return path in _views(settings.ROOT_URLCONF)


class GradersDoor:
    """It answers graders' calls itself, and hands on everything else.

    Only what every answer needs is done here, by the middlewares' own code, but not one within the other: each layer
    costs a request as much as a statement.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.security, self.sessions = SecurityMiddleware(get_response), SessionMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = _views(settings.ROOT_URLCONF).get(request.path_info)
        if view is None:
            return self.get_response(request)
        self.sessions.process_request(request)
        request.user = sessions.Account(request)  # type: ignore[assignment]
        try:
            request.get_host()  # raises DisallowedHost
            response = view(request)
            response.headers["Content-Length"] = str(len(response.content))
        except Exception as error:
            response = response_for_exception(request, error)
        response = self.sessions.process_response(request, response)
        # Its other headers stand in every answer.
        return self.security.process_response(request, response) if self.security.sts_seconds else response


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
