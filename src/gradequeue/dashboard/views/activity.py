"""What operators did: all of it, by filters in the address, and the jobs of one line."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads import activity as reads
from gradequeue.dashboard.views.page import page
from submissions.activity import OTHER
from submissions.operators import MOVES, OF_HOSTS
from submissions.text import row_id, storable

TIMES = {"hour": _("last hour"), "day": _("last day"), "week": _("last 7 days"), "month": _("last 28 days")}


@page("GET", "HEAD")
def activity(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    filters = reads.Filters(**{name: _text(request, name) for name in ("person", "queue", "move", "time")})
    found = reads.log(viewer, filters, row_id(request.GET.get("before", "")))
    older = urlencode([*filters.asked().items(), ("before", str(found.before))]) if found.before is not None else ""
    context = {
        "viewer": viewer,
        "found": found,
        "filters": filters,
        "older": older,
        "most_looked": reads.MOST_LOOKED,
        "moves": _move_names(),
        "times": TIMES,
        "queues": list(viewer.queues().values_list("name", flat=True)[: reads.MOST_NAMES]),
    }
    return render(request, "dashboard/activity.html", context)


@page("GET", "HEAD")
def move(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    line, jobs, more = reads.one(viewer, pk, row_id(request.GET.get("after", "")) or 0)
    # Each once, though several of its deliveries may have been moved.
    ids = list(dict.fromkeys(one.submission_id for one in jobs))
    return render(request, "dashboard/move.html", {"viewer": viewer, "line": line, "jobs": ids, "more": more})


def _move_names() -> dict[str, str]:
    named = {name: str(move.label) for name, move in (MOVES | OF_HOSTS).items()}
    return named | {name: capfirst(str(done)) for name, done in OTHER.items()}


def _text(request: HttpRequest, name: str) -> str:
    """What no row can have is found by nobody."""
    text = request.GET.get(name, "").strip()[:255]
    return text if storable(text) else text.encode("ascii", "replace").decode().replace("\0", "?")
