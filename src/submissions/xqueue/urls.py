"""The verbs' addresses, with and without the slash: a redirect would lose a POST's body."""

from __future__ import annotations

from django.urls import URLPattern, path

from submissions.xqueue.submit import submit
from submissions.xqueue.views import endpoint

METHODS = {
    "login": ["get", "post"],
    "logout": ["get", "post"],
    "status": ["get", "post"],
    "get_queuelen": ["get"],
    "get_submission": ["get"],
    "put_result": ["post"],
}


def _paths(verb: str, methods: list[str]) -> list[URLPattern]:
    view = endpoint(dict.fromkeys(methods, verb))
    return [path(f"{verb}/", view, name=f"xqueue-{verb}"), path(verb, view)]


urlpatterns = [
    *(pattern for verb, methods in METHODS.items() for pattern in _paths(verb, methods)),
    path("submit/", submit, name="xqueue-submit"),
    path("submit", submit),
]
