"""What an operator does: parse, the verb, a line in Django's log of such actions, and back to the page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads import failures
from gradequeue.dashboard.reads.queues import MOST_DELIVERIES, given_up
from gradequeue.dashboard.reads.submission import job_of
from gradequeue.dashboard.views.page import page
from submissions import deliveries, queue
from submissions.errors import QueueError
from submissions.text import counted

# A browser waits for the answer: what is not done by then is left for the next press of the button (seconds).
PATIENCE = 8

VERBS: dict[str, tuple[Callable[..., Any], str]] = {
    "retry": (queue.retry, "put back"),
    "retire": (queue.retire, "retired without a score"),
    "release": (queue.release_lease, "taken away from its grader"),
}


@page("POST")
def submission_verb(request: HttpRequest, viewer: Viewer, submission_id: int, verb: str) -> HttpResponse:
    if verb not in VERBS:
        raise Http404
    viewer.require(verb)
    job = job_of(viewer, submission_id)
    run, done = VERBS[verb]
    reason = " ".join(request.POST.get("reason", "").split())[:500]
    try:
        run(submission_id, reason) if verb == "retire" and reason else run(submission_id)
    except QueueError as refusal:
        messages.error(request, str(refusal))
    else:
        _log(viewer, [job], f"On the dashboard: {done}.{f' {reason}' if reason and verb == 'retire' else ''}")
        messages.success(request, f"Submission {submission_id} was {done}.")
    return redirect("dashboard:submission", submission_id=submission_id)


@page("POST")
def retry_cause(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    """Put back the failed jobs of one cause, or, without one, all that are looked at."""
    viewer.require("retry")
    row = viewer.queue(pk)
    key = request.POST.get("cause", "")
    found = failures.failures(row.name)
    jobs = [one for cause in found.causes if key in (cause.key, "") for one in cause.ids]
    done, refused, left = _each(jobs, queue.retry)
    if done:
        _log(viewer, [row], f"On the dashboard: {counted(len(done), 'failed job', 'failed jobs')} put back: {done}")
    _tell(request, len(done), "put back", refused, left, more=found.more)
    return _back(request, pk)


@page("POST")
def resend_host(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    """Send again what was given up on its way from this queue to one host."""
    viewer.require("resend")
    row = viewer.queue(pk)
    lost = given_up().filter(host=request.POST.get("host", ""), job__queue_name=row.name)
    ids = list(lost.values_list("pk", flat=True)[: MOST_DELIVERIES + 1])
    done, refused, left = _each(ids[:MOST_DELIVERIES], deliveries.retry)
    if done:
        _log(viewer, [row], f"On the dashboard: {counted(len(done), 'delivery', 'deliveries')} sent again: {done}")
    more = len(ids) > MOST_DELIVERIES
    _tell(request, len(done), "made due again", refused, left, more=more)
    return _back(request, pk)


@page("POST")
def resend(request: HttpRequest, viewer: Viewer, submission_id: int) -> HttpResponse:
    """Send the deliveries of one submission again that were given up."""
    viewer.require("resend")
    rows = list(given_up().filter(job=job_of(viewer, submission_id))[:MOST_DELIVERIES])
    done, refused, left = _each([row.pk for row in rows], deliveries.retry)
    _log(viewer, [row for row in rows if row.pk in done], "On the dashboard: sent again.")
    _tell(request, len(done), "made due again", refused, left, more=False)
    return redirect("dashboard:submission", submission_id=submission_id)


def _each(ids: Iterable[int], verb: Callable[[int], Any]) -> tuple[list[int], int, int]:
    """With which the verb was done, how many it refused, how many are left."""
    until = time.monotonic() + PATIENCE
    done: list[int] = []
    refused = left = 0
    for one in ids:
        if time.monotonic() > until:
            left += 1
            continue
        try:
            verb(one)
        except QueueError:
            refused += 1  # somebody was faster
        except OperationalError:
            left += 1  # the database was too busy; what was done before it must still be told and logged
        else:
            done.append(one)
    return done, refused, left


def _tell(request: HttpRequest, done: int, what: str, refused: int, left: int, *, more: bool) -> None:
    if not (done or refused or left):
        messages.warning(request, f"None was {what}: they are gone from here already.")
        return
    parts = [f"{counted(done, 'was', 'were')} {what}."]
    if refused:
        parts.append(f"{counted(refused, 'was', 'were')} refused: they stand otherwise by now.")
    if left:
        parts.append(f"{counted(left, 'is', 'are')} left: press again.")
    elif more:
        parts.append("There are more: look again.")
    (messages.success if done else messages.warning)(request, " ".join(parts))


@page("POST")
def pause(request: HttpRequest, viewer: Viewer, pk: int, verb: str) -> HttpResponse:
    viewer.require(verb)
    row = viewer.queue(pk)
    row.paused = verb == "pause"
    row.save(update_fields=["paused"])
    _log(viewer, [row], "On the dashboard: paused." if row.paused else "On the dashboard: resumed.")
    word = "paused: graders are told that it is empty" if row.paused else "resumed"
    messages.success(request, f"Queue {row.name} is {word}.")
    return _back(request, pk)


def _back(request: HttpRequest, pk: int) -> HttpResponse:
    """To the page that the button was on, with its filters."""
    page = reverse("dashboard:queue", args=[pk])
    try:
        came_from = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return redirect(page)
    same = came_from.netloc == request.get_host() and came_from.path == page and came_from.query
    return redirect(f"{page}?{came_from.query}" if same else page)


def _log(viewer: Viewer, rows: Iterable[models.Model], what: str) -> None:
    for row in rows:
        LogEntry.objects.create(
            user_id=viewer.user.pk,
            content_type=ContentType.objects.get_for_model(row),
            object_id=str(row.pk),
            object_repr=str(row)[:200],
            action_flag=CHANGE,
            change_message=what,
        )
