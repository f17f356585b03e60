"""What all pages share: access, and the headers of their answers."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_cache_control

from gradequeue.dashboard.access import Viewer, viewer_of

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, Viewer, P], HttpResponse]

# What differs each time, whatever happened: the tokens of forms, and the time of the page.
CHANGING = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"|<small id="now">.*?</small>', re.DOTALL)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def page(*methods: str) -> Callable[[View[P]], Callable[Concatenate[HttpRequest, P], HttpResponse]]:
    """A view for users with access: it gets the viewer. Others are sent to the login, or refused."""

    def decorate(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @functools.wraps(view)
        def run(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            answer = _guarded(_answer(request, methods, lambda viewer: view(request, viewer, *args, **kwargs)))
            return _unless_known(request, answer)

        return run

    return decorate


def _answer(request: HttpRequest, methods: Sequence[str], view: Callable[[Viewer], HttpResponse]) -> HttpResponse:
    if not request.user.is_authenticated:
        return _to_login(request, methods)
    viewer = viewer_of(request.user)
    try:
        if viewer is None:
            raise PermissionDenied
        if request.method not in methods:
            return _nothing_to_see(request, viewer, methods)
        return view(viewer)
    except PermissionDenied:
        return render(request, "dashboard/refused.html", {"viewer": viewer, "knows": viewer is not None}, status=403)
    except Http404:
        return render(request, "dashboard/missing.html", {"viewer": viewer}, status=404)


def _nothing_to_see(request: HttpRequest, viewer: Viewer, methods: Sequence[str]) -> HttpResponse:
    """The address of a button that was opened as a page: with a way home, not blank."""
    response = render(request, "dashboard/missing.html", {"viewer": viewer}, status=405)
    response.headers["Allow"] = ", ".join(methods)
    return response


def _to_login(request: HttpRequest, methods: Sequence[str]) -> HttpResponse:
    if request.headers.get("HX-Request"):
        # A page that refreshes must not show the login form as its content.
        return HttpResponse(status=403, headers={"HX-Refresh": "true"})
    # From there a browser comes with GET: not to the address of the button that was pressed too late.
    is_page = "GET" in methods and request.method != "POST"
    back = request.get_full_path() if is_page else reverse("dashboard:overview")
    return redirect_to_login(back, reverse("dashboard:login"))


def _unless_known(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """304 for a page that refreshes and has this content already."""
    if not request.headers.get("HX-Request") or response.status_code != 200 or response.streaming:
        return response
    tag = f'"{hashlib.sha256(CHANGING.sub(b"", response.content)).hexdigest()[:32]}"'
    if tag in request.headers.get("If-None-Match", ""):
        response = _guarded(HttpResponse(status=304))
    response.headers["ETag"] = tag
    return response


def _guarded(response: HttpResponse) -> HttpResponse:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    patch_cache_control(response, private=True, no_store=True)
    return response
