"""The verbs' addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern
from django.urls.resolvers import RoutePattern

from submissions.text import without_doubled_slashes
from submissions.xqueue.submit import submit
from submissions.xqueue.views import ENDPOINTS


class TolerantRoute(RoutePattern):
    """A run of slashes counts as one, and the last one may be missing or too many: clients glue addresses together, and
    a redirect would lose a POST's body."""

    def match(self, path: str) -> Any:
        straight = without_doubled_slashes(path.strip("/"))
        return super().match(f"{straight}/" if str(self).endswith("/") else straight)


def tolerant_path(route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
    return URLPattern(TolerantRoute(route, name, is_endpoint=True), view, name=name)


urlpatterns: list[URLPattern] = [
    tolerant_path(f"{verb}/", view, f"xqueue-{verb}") for verb, view in {**ENDPOINTS, "submit": submit}.items()
]
