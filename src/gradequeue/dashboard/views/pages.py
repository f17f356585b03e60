"""The pages."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from gradequeue.dashboard import plots
from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads import history
from gradequeue.dashboard.reads.overview import overview as read_overview
from gradequeue.dashboard.reads.queue_page import QueuePage, queue_page, waits_of
from gradequeue.dashboard.reads.submission import submission_page
from gradequeue.dashboard.views.page import page
from submissions import operators
from submissions.statistics import lights
from submissions.text import row_id


@page("GET", "HEAD")
def overview(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    found = read_overview(viewer)
    show = request.GET.get("show", "")
    rows = [row for row in found.rows if show != "trouble" or row.standing.light.colour != lights.GREEN]
    return render(request, "dashboard/overview.html", {"viewer": viewer, "found": found, "rows": rows, "show": show})


@page("GET", "HEAD")
def queue(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    found = queue_page(viewer, pk, history.window_of(request.GET.get("window")))
    if found is None:
        raise Http404
    return render(
        request,
        "dashboard/queue.html",
        {"viewer": viewer, "found": found, "charts": charts_of(found), "windows": history.WINDOWS} | _may(viewer),
    )


def charts_of(found: QueuePage) -> dict[str, plots.Chart]:
    steps, standing = found.steps, found.standing
    starts = [step.start for step in steps]
    return {
        "throughput": plots.throughput(starts, [step.arrived for step in steps], [step.completed for step in steps]),
        "depth": plots.depth(starts, history.open_jobs(steps, standing.waiting + standing.being_graded)),
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
    return render(request, "dashboard/submission.html", {"viewer": viewer, "found": found} | _may(viewer))


@page("GET", "HEAD")
def find(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """From an id, a uuid or the name of a queue to its page, in this order: the name of a queue can be a number."""
    text = request.GET.get("q", "").strip()
    number = row_id(text)
    if number is not None and viewer.jobs().filter(submission_id=number).exists():
        return redirect("dashboard:submission", submission_id=number)
    if uuid := _uuid(text):
        job = viewer.jobs().filter(submission__uuid=uuid).values_list("submission_id", flat=True).first()
        if job is not None:
            return redirect("dashboard:submission", submission_id=job)
    if text and text.isprintable() and (found := viewer.queues().filter(name=text).first()):
        return redirect("dashboard:queue", pk=found.pk)
    return render(request, "dashboard/missing.html", {"viewer": viewer, "searched": text}, status=404)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None


def _may(viewer: Viewer) -> dict[str, dict[str, bool]]:
    return {"may": {name: viewer.may(move) for name, move in operators.MOVES.items()}}
