"""The addresses for machines, answered before hosts, sessions and redirects come into it.

A probe or a scrape asks a node by its IP address, over plain HTTP, without a cookie.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.crypto import constant_time_compare

from gradequeue.http import errors
from gradequeue.monitoring import health, numbers

View = Callable[[HttpRequest], HttpResponseBase]


class MonitoringMiddleware:
    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = _view_of(request.path_info)
        if view is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        response = view(request)
        response.headers["Cache-Control"] = "no-store"
        return response


def _view_of(path: str) -> View | None:
    if path.rstrip("/") in OPEN:
        return OPEN[path.rstrip("/")]
    if path.rstrip("/") == "/metrics":
        return guarded(numbers.metrics)
    if path.startswith("/autoscaling/") and (queue_name := path.removeprefix("/autoscaling/").rstrip("/")):
        return guarded(partial(numbers.autoscaling, queue_name=queue_name))
    return None


OPEN: dict[str, View] = {"/livez": health.livez, "/readyz": health.readyz}


def guarded(view: View) -> View:
    """`view` for whoever brings the token or comes from one of the networks; where neither is set there is nothing."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        if not settings.METRICS_TOKEN and not settings.METRICS_NETWORKS:
            return errors.not_found(request)
        if not _has_token(request) and not _is_near(request):
            return errors.forbidden(request)
        return view(request)

    return answer


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected: str = settings.METRICS_TOKEN
    given = token.strip().encode("utf-8", "replace")
    return bool(expected) and scheme.lower() == "bearer" and constant_time_compare(given, expected.encode())


def _is_near(request: HttpRequest) -> bool:
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in settings.METRICS_NETWORKS)
