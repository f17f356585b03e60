"""Content of graders and learners, each at an address of its own without any rights."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.clickjacking import xframe_options_sameorigin

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads.submission import job_of
from gradequeue.dashboard.views.page import page
from submissions import files
from submissions.models import SubmissionFile
from submissions.xqueue import replies

STYLE = (
    ":root{color-scheme:light dark}[data-theme=light]{color-scheme:light}[data-theme=dark]{color-scheme:dark}"
    "body{margin:0;padding:.75rem;font:15px/1.5 system-ui,sans-serif;color:#1b1f24;background:#fff;"
    "color:light-dark(#1b1f24,#e6ecf2);background:light-dark(#fff,#171e26);overflow-wrap:anywhere}"
    "pre{background:#8882;padding:.5rem;overflow:auto}"
)
# A style sheet could not be loaded: a page without origin is cross-origin to this server.
STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
# A page without origin: no scripts, forms, pictures or styles of its own; only our page may frame it.
SANDBOX = (
    f"sandbox; default-src 'none'; style-src 'sha256-{STYLE_HASH}'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)


@xframe_options_sameorigin
@page("GET", "HEAD")
def reply(request: HttpRequest, viewer: Viewer, submission_id: int) -> HttpResponse:
    """The message of the grader's reply as HTML, sanitised, for a sandboxed frame."""
    html = replies.html_of(job_of(viewer, submission_id).grader_reply)
    response = render(request, "dashboard/reply.html", {"html": html, "style": STYLE, "theme": _theme(request)})
    response["Content-Security-Policy"] = SANDBOX
    return response


def _theme(request: HttpRequest) -> str:
    """As the page around it: a frame without scripts cannot look it up where the page keeps it."""
    theme = request.COOKIES.get("theme", "")
    return theme if theme in ("light", "dark") else "auto"


@page("GET", "HEAD")
def file(request: HttpRequest, viewer: Viewer, submission_id: int, pk: int) -> HttpResponse:
    """To the file's signed address, valid for a minute: on the page, any reader of the page could use it."""
    job = job_of(viewer, submission_id)
    row = SubmissionFile.objects.filter(pk=pk, external_grader_id=job.pk).first()
    if row is None:
        raise Http404
    return redirect(files.address(row, request.build_absolute_uri("/xqueue/"), 60))
