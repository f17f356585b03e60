"""What a WSGI server loads."""

import os
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest, get_script_name
from django.core.signals import request_finished
from django.urls import set_script_prefix

from gradequeue.http import addresses, bodies, headers, proxies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gradequeue.settings")
django.setup(set_prefix=False)

# Only now: what it imports needs Django to be set up.
from gradequeue.http import graders_lane  # noqa: E402  isort: skip
from submissions.handing import HandedOut, NoRoom  # noqa: E402  isort: skip
from submissions.text import is_slow_to_read  # noqa: E402  isort: skip

# What graders send needs no try.
READABLE = {"", "application/x-www-form-urlencoded", "application/json"}


class Handler(WSGIHandler):
    """Django's own. What graders ask every second has less around it (ADR 0090)."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if not graders_lane.is_graders(environ.get("PATH_INFO", "")):
            return super().__call__(environ, start_response)
        set_script_prefix(get_script_name(environ))
        request = self.request_class(environ)
        try:
            response: Any = self.get_response(request)
        finally:
            request.close()
            # They name each other, and so would be the collector's to find, with all that hangs on them.
            request.__dict__.pop("user", None)
            # It closes connections that are broken or too old. Nothing of ours listens to request_started, and Django's
            # own receivers do the same there once more. A receiver that fails takes no answer away.
            request_finished.send_robust(sender=type(self))
        cookies = [("Set-Cookie", cookie.OutputString()) for cookie in response.cookies.values()]
        ends = [("Connection", "close")] if isinstance(response, NoRoom) else []
        start_response(f"{response.status_code} {response.reason_phrase}", [*response.items(), *cookies, *ends])
        if isinstance(response, HandedOut):
            return response
        return [response.content]  # a list: its length is known, and no iterator of ours is asked for its parts


django_application = Handler()


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Django, spared a Content-Type that it cannot read, with which it fails before it can answer at all, and one of
    whose charset it would read for hours."""
    proxies.apply(environ)
    addresses.straighten(environ)
    if environ.get("CONTENT_TYPE", "") not in READABLE:
        try:
            is_readable = not is_slow_to_read(WSGIRequest(dict(environ)).encoding)
        except Exception:  # what it raises depends on which of its parsers gives up
            is_readable = False
        if not is_readable:
            environ["CONTENT_TYPE"] = "application/octet-stream"
    if not bodies.read_whole(environ):
        # Whoever sent it is gone; this is for the record of a proxy.
        start_response("400 Bad Request", [("Content-Type", "application/json"), *headers.HEADERS.items()])
        return [b'{"return_code": 1, "content": "The request broke off"}']
    answer: Iterable[bytes] = django_application(environ, start_response)
    bodies.drop_unread(environ)
    return answer
