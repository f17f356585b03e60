"""The verbs' addresses, with and without the slash: a redirect would lose a POST's body."""

from __future__ import annotations

from django.urls import URLPattern, path

from submissions.xqueue.submit import submit
from submissions.xqueue.views import ENDPOINTS

urlpatterns: list[URLPattern] = [
    pattern
    for verb, view in {**ENDPOINTS, "submit": submit}.items()
    for pattern in (path(f"{verb}/", view, name=f"xqueue-{verb}"), path(verb, view))
]
