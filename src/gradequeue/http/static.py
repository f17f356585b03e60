"""Static files are asked for by their content, and kept by browsers for a year.

Nothing has to be collected first: the address has the version as a parameter. An answer lives long only where the
version is the one that is served: a node with an older release cannot put its file under a newer version's address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.http import HttpRequest, HttpResponseBase

YEAR = 365 * 24 * 3600


@lru_cache
def version_of(name: str) -> str:
    """Of the file's content; "" for no file."""
    path = finders.find(name)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12] if isinstance(path, str) else ""


class VersionedStorage(StaticFilesStorage):
    def url(self, name: str | None) -> str:
        address = super().url(name)
        version = version_of(name) if name and not name.endswith("/") else ""
        return f"{address}?v={version}" if version else address


class VersionMiddleware:
    """Around WhiteNoise, which knows the file and not the version that was asked for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        asked = request.GET.get("v", "") if request.path.startswith(settings.STATIC_URL) else ""
        if asked and response.status_code in (200, 304):
            name = request.path.removeprefix(settings.STATIC_URL)
            if asked == version_of(name):
                response.headers["Cache-Control"] = f"max-age={YEAR}, public, immutable"
        return response
