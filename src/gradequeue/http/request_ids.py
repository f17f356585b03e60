"""Each request has a name, which stands in its answer and in each line of the log that it causes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

current: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered; empty outside of one."""

# What a proxy makes: a UUID, a number of hex digits, a word. Nothing that could steer a log or a terminal.
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "") if settings.TRUSTED_PROXIES else ""
        request_id = given if SANE.fullmatch(given) else secrets.token_hex(16)
        # Until the thread's next request: Django's own line on a refused one is written after all middleware.
        current.set(request_id)
        response = self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        return response
