"""What an operator does: parse, the move, and back to the page."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_noop

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads.submission import job_of
from gradequeue.dashboard.views import bulk
from gradequeue.dashboard.views.page import page
from submissions import operators
from submissions.admin.work import Doer, Work
from submissions.errors import NotAllowed, QueueError
from submissions.models import Delivery, ExternalGraderDetail, Status
from submissions.operators import RETRY, SEND_AGAIN, Move
from submissions.statistics import jobs_list, undelivered
from submissions.statistics.jobs_list import Filters
from submissions.text import squeezed, storable

HELD_BY_ANOTHER = gettext_noop("Submission %(id)s is held by %(grader)s now; look again before you release it.")


@page("POST")
def move_job(request: HttpRequest, viewer: Viewer, submission_id: int, name: str) -> HttpResponse:
    move = operators.OF_JOBS.get(name)
    if move is None:
        raise Http404
    viewer.require(move)
    job = job_of(viewer, submission_id)
    reason = squeezed(request.POST.get("reason", ""), operators.LONGEST_REASON)
    try:
        _require_holder(request, job)
        move.run(submission_id, move.by(viewer.actor, reason))
    except QueueError as refusal:
        messages.error(request, refusal.in_words())
    else:
        messages.success(request, move.told_one(submission_id))
    return redirect("dashboard:submission", submission_id=submission_id)


def _require_holder(request: HttpRequest, job: ExternalGraderDetail) -> None:
    """Of a button that names a grader: another one may have the job since the page was made. Raises NotAllowed."""
    named = request.POST.get("grader", job.grader)
    if job.status == Status.PULLED and job.grader != named:
        raise NotAllowed(HELD_BY_ANOTHER, id=job.submission_id, grader=job.grader)


@page("POST")
def retry_cause(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    """Retry the failed jobs of one cause; without a cause, all of the queue."""
    viewer.require(RETRY)
    row = viewer.queue(pk)
    cause = request.POST.get("cause", "")[:40]
    filters = Filters(state=jobs_list.FAILED, queue=row.name, cause=cause if storable(cause) else "-")
    return _move_all(request, viewer, RETRY, filters, pk)


@page("POST")
def resend_host(request: HttpRequest, viewer: Viewer, pk: int) -> HttpResponse:
    """Send the deliveries of this queue to one host again that were given up."""
    viewer.require(SEND_AGAIN)
    row, host = viewer.queue(pk), host_of(request)
    if not host:  # an empty filter is none
        send_again(request, viewer, undelivered.given_up().filter(host="", job__queue_name=row.name))
        return _back(request, pk)
    filters = Filters(delivery=jobs_list.GIVEN_UP, host=host, queue=row.name)
    return _move_all(request, viewer, SEND_AGAIN, filters, pk)


def _move_all(request: HttpRequest, viewer: Viewer, move: Move, filters: Filters, pk: int) -> HttpResponse:
    answer = bulk.move_all(request, viewer, move, filters, str(pk))
    return _back(request, pk) if answer.status_code == HTTPStatus.FOUND else answer


@page("POST")
def resend(request: HttpRequest, viewer: Viewer, submission_id: int) -> HttpResponse:
    """Send the deliveries of one submission again that were given up."""
    viewer.require(SEND_AGAIN)
    send_again(request, viewer, undelivered.given_up().filter(job=job_of(viewer, submission_id)))
    return redirect("dashboard:submission", submission_id=submission_id)


def send_again(request: HttpRequest, viewer: Viewer, rows: QuerySet[Delivery]) -> None:
    """These few."""
    doer, work = Doer(SEND_AGAIN, SEND_AGAIN.by(viewer.actor)), Work()
    ids = list(rows.values_list("pk", flat=True)[: undelivered.MOST])
    if ids:
        doer.do([(pk, pk) for pk in ids], work)
    bulk.tell(request, SEND_AGAIN, work)


def host_of(request: HttpRequest) -> str:
    return request.POST.get("host", "")[:255].replace("\0", "")


@page("POST")
def pause(request: HttpRequest, viewer: Viewer, pk: int, name: str) -> HttpResponse:
    """Pause or resume a queue."""
    move = operators.OF_QUEUES[name]
    viewer.require(move)
    row = viewer.queue(pk)
    try:
        move.run(pk, move.by(viewer.actor, squeezed(request.POST.get("reason", ""), operators.LONGEST_REASON)))
    except QueueError as refusal:
        messages.error(request, refusal.in_words())
    else:
        messages.success(request, move.told_one(row.name))
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
