"""The pages."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from gradequeue.dashboard import plots
from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads import activity, history
from gradequeue.dashboard.reads.overview import Overview
from gradequeue.dashboard.reads.overview import overview as read_overview
from gradequeue.dashboard.reads.queue_page import QueuePage, queue_page, waits_of
from gradequeue.dashboard.reads.submission import submission_page
from gradequeue.dashboard.views.page import page
from submissions import operators
from submissions.statistics import hosts, lights
from submissions.statistics.samples import Depth


@page("GET", "HEAD")
def overview(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    found = read_overview(viewer)
    show = request.GET.get("show", "")
    window = history.window_of(request.GET.get("window"))
    context = {
        "viewer": viewer,
        "found": found,
        "rows": [row for row in found.rows if show != "trouble" or row.standing.light.colour != lights.GREEN],
        "show": show,
        "light": found.worst,
        "window": window,
        "windows": history.WINDOWS,
        "latest": hosts.latest() if viewer.everything else None,
        "chart": overall_chart(viewer, found, window) if found.rows else None,
    }
    return render(request, "dashboard/overview.html", context)


def overall_chart(viewer: Viewer, found: Overview, window: history.Window) -> plots.Chart:
    together = history.overall(None if viewer.everything else [row.standing.name for row in found.rows], window)
    steps = together.steps
    if not steps:
        return plots.overall([], [], [])
    sums = found.sums
    now = Depth(sums["waiting"], sums["being_graded"], sums["failed"])
    markers = history.markers(activity.between(viewer, steps[0].start), steps, window.step)
    return plots.overall(steps, history.with_now(together.depths, now), markers)


@page("GET", "HEAD")
def queue(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    found = queue_page(viewer, pk, history.window_of(request.GET.get("window")))
    if found is None:
        raise Http404
    return render(
        request,
        "dashboard/queue.html",
        {
            "viewer": viewer,
            "found": found,
            "charts": charts_of(viewer, found),
            "windows": history.WINDOWS,
            "light": found.standing.light.colour,
            "acts": activity.of_queue(viewer, found.standing.name),
        }
        | may(viewer),
    )


def charts_of(viewer: Viewer, found: QueuePage) -> dict[str, plots.Chart]:
    steps, standing, window = found.steps, found.standing, found.window
    now = Depth(standing.waiting, standing.being_graded, standing.failed)
    since = steps[0].start if steps else found.now
    markers = history.markers(activity.between(viewer, since, queue_name=standing.name), steps, window.step)
    starts = [step.start for step in steps]
    return {
        "throughput": plots.throughput(starts, [step.arrived for step in steps], [step.completed for step in steps]),
        "depth": plots.depth(starts, history.depths(standing.name, steps, window, now), markers),
        "waits": plots.waits(
            starts,
            [step.waits.quantile(0.5) for step in steps],
            [step.waits.quantile(0.95) for step in steps],
        ),
        "wait_distribution": plots.wait_distribution(waits_of(steps)),
        "scores": plots.score_distribution(found.scores),
    }


@page("GET", "HEAD")
def submission(request: HttpRequest, viewer: Viewer, submission_id: int) -> HttpResponse:
    found = submission_page(viewer, submission_id)
    return render(
        request, "dashboard/submission.html", {"viewer": viewer, "found": found, "still": found.is_still} | may(viewer)
    )


def may(viewer: Viewer) -> dict[str, dict[str, bool]]:
    """For a template: which moves this user may make."""
    return {"may": {name: viewer.may(move) for name, move in operators.MOVES.items()}}
