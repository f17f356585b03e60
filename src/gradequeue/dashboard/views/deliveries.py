"""Deliveries, host by host, and what an operator does to all that is on its way to one host."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.views import bulk, verbs
from gradequeue.dashboard.views.page import page
from submissions import operators
from submissions.operators import SEND_AGAIN
from submissions.statistics import hosts, jobs_list, undelivered
from submissions.statistics.jobs_list import Filters


@page("GET", "HEAD")
def deliveries(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """For those who see every queue: one host takes results of many."""
    _require_everything(viewer)
    found, number = hosts.standing()
    context = {
        "viewer": viewer,
        "found": found,
        "more": number - len(found),
        "latest": hosts.latest(),
        "may_move": viewer.may(SEND_AGAIN),
    }
    return render(request, "dashboard/deliveries.html", context)


@page("POST")
def move_host(request: HttpRequest, viewer: Viewer, name: str) -> HttpResponse:
    """Try now, or give up, all that is due to one host."""
    _require_everything(viewer)
    move = operators.OF_HOSTS[name]
    viewer.require(move)
    return bulk.move_host(request, viewer, move, verbs.host_of(request))


@page("POST")
def resend_host(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Send again what was given up on its way to one host."""
    _require_everything(viewer)
    viewer.require(SEND_AGAIN)
    host = verbs.host_of(request)
    if not host:
        verbs.send_again(request, viewer, undelivered.given_up().filter(host=""))
        return redirect("dashboard:deliveries")
    filters = Filters(delivery=jobs_list.GIVEN_UP, host=host)
    return bulk.move_all(request, viewer, SEND_AGAIN, filters, bulk.DELIVERIES)


def _require_everything(viewer: Viewer) -> None:
    if not viewer.everything:
        raise PermissionDenied
