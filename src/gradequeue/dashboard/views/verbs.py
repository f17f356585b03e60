"""What an operator does: parse, the move, a line in Django's log of such actions, and back to the page."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
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
from gradequeue.dashboard.reads.submission import job_of
from gradequeue.dashboard.views.page import page
from submissions import operators
from submissions.errors import QueueError
from submissions.operators import RETRY, SEND_AGAIN, Move
from submissions.statistics import undelivered
from submissions.text import counted, squeezed

# A browser waits for the answer: the rest is left for the next press of the button (seconds).
PATIENCE = 8


@page("POST")
def move_job(request: HttpRequest, viewer: Viewer, submission_id: int, name: str) -> HttpResponse:
    move = operators.OF_JOBS.get(name)
    if move is None:
        raise Http404
    viewer.require(move)
    job = job_of(viewer, submission_id)
    reason = squeezed(request.POST.get("reason", ""), operators.LONGEST_REASON)
    try:
        move.run(submission_id, reason)
    except QueueError as refusal:
        messages.error(request, str(refusal))
    else:
        _log(viewer, [job], move.logged(reason))
        messages.success(request, f"Submission {submission_id} {move.outcome}.")
    return redirect("dashboard:submission", submission_id=submission_id)


@page("POST")
def retry_cause(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    """Retry the failed jobs of one cause; without a cause, all that the page shows."""
    viewer.require(RETRY)
    row = viewer.queue(pk)
    key = request.POST.get("cause", "")
    found = failures.failures(row.name)
    jobs = [one for cause in found.causes if key in (cause.key, "") for one in cause.ids]
    outcome = _each(jobs, RETRY)
    if outcome.done:
        _log(viewer, [row], f"Retried {counted(len(outcome.done), 'failed job')}: {outcome.done}")
    _tell(request, RETRY, outcome, "More failed jobs remain." if found.more else "")
    return _back(request, pk)


@page("POST")
def resend_host(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    """Send the deliveries of this queue to one host again that were given up."""
    viewer.require(SEND_AGAIN)
    row = viewer.queue(pk)
    lost = undelivered.given_up().filter(host=request.POST.get("host", ""), job__queue_name=row.name)
    ids = list(lost.values_list("pk", flat=True)[: undelivered.MOST + 1])
    outcome = _each(ids[: undelivered.MOST], SEND_AGAIN)
    if outcome.done:
        _log(viewer, [row], f"Sent again {SEND_AGAIN.counted(len(outcome.done))}: {outcome.done}")
    _tell(request, SEND_AGAIN, outcome, "More deliveries remain." if len(ids) > undelivered.MOST else "")
    return _back(request, pk)


@page("POST")
def resend(request: HttpRequest, viewer: Viewer, submission_id: int) -> HttpResponse:
    """Send the deliveries of one submission again that were given up."""
    viewer.require(SEND_AGAIN)
    rows = list(undelivered.given_up().filter(job=job_of(viewer, submission_id))[: undelivered.MOST])
    outcome = _each([row.pk for row in rows], SEND_AGAIN)
    _log(viewer, [row for row in rows if row.pk in outcome.done], SEND_AGAIN.logged())
    _tell(request, SEND_AGAIN, outcome)
    return redirect("dashboard:submission", submission_id=submission_id)


@dataclass
class Outcome:
    """What became of several rows."""

    done: list[int] = field(default_factory=list)
    """As the move knows them."""
    skipped: int = 0
    """Their state had changed meanwhile."""
    left: int = 0
    """For the next press of the button."""


def _each(ids: Iterable[int], move: Move) -> Outcome:
    until = time.monotonic() + PATIENCE
    outcome = Outcome()
    for one in ids:
        if time.monotonic() > until:
            outcome.left += 1
            continue
        try:
            move.run(one, "")
        except QueueError:
            outcome.skipped += 1
        except OperationalError:
            outcome.left += 1  # the database was busy; the jobs done before must still be reported and logged
        else:
            outcome.done.append(one)
    return outcome


def _tell(request: HttpRequest, move: Move, outcome: Outcome, more: str = "") -> None:
    if not (outcome.done or outcome.skipped or outcome.left):
        messages.warning(request, move.nothing)
        return
    parts = [move.told(len(outcome.done))] if outcome.done else []
    if outcome.skipped:
        one, many = move.noun
        were = counted(outcome.skipped, f"{one} was skipped: its", f"{many} were skipped: their")
        parts.append(f"{were} state has changed meanwhile.")
    if outcome.left:
        one, many = move.noun
        parts.append(f"{counted(outcome.left, f'{one} is', f'{many} are')} left: press again.")
    elif more:
        parts.append(more)
    (messages.success if outcome.done else messages.warning)(request, " ".join(parts))


@page("POST")
def pause(request: HttpRequest, viewer: Viewer, pk: int, name: str) -> HttpResponse:
    """Pause or resume a queue."""
    move = operators.OF_QUEUES[name]
    viewer.require(move)
    row = viewer.queue(pk)
    try:
        move.run(pk, "")
    except QueueError as refusal:
        messages.error(request, str(refusal))
    else:
        _log(viewer, [row], move.logged())
        messages.success(request, f"Queue {row.name} {move.outcome}.")
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
