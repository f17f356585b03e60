"""`audit`'s rules for what deliveries say, and where they lead."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from submissions.models import (
    Delivery,
    DeliveryState,
    ExternalGraderDetail,
    GraderQueue,
    Score,
    Status,
    Told,
    Transport,
)
from submissions.queue import has_usual_deliveries
from submissions.upkeep.retire_learner import RETIRED_PREFIX

Job = ExternalGraderDetail

# By submission, and what is wrong there.
Found = Iterator[tuple[int | None, str]]

NOBODY = "was graded, but nobody is to be told"


def problems() -> Found:
    mine = Score.objects.filter(submission_id=OuterRef("job__submission_id"), points_earned=OuterRef("points"))
    told = Delivery.objects.filter(result=Told.SCORE).exclude(points=None)
    yield from _each(told.filter(~Exists(mine)), "has a delivery that tells other points")
    yield from _each(Delivery.objects.exclude(transport__in=Transport.values), "has a delivery by no known way")
    sent = Delivery.objects.filter(transport__in=(Transport.CALLBACK, Transport.WEBHOOK))
    nowhere = sent.filter(Q(destination="") | Q(host=""))
    yield from _each(nowhere, "has a delivery that leads nowhere")
    unsent = Delivery.objects.filter(state=DeliveryState.DELIVERED, attempts=0)
    yield from _each(unsent, "has a delivery that was told, but never sent")
    yield from _missing()
    for queue in GraderQueue.objects.iterator():
        if has_usual_deliveries(queue):
            yield from _jobs(_untold(queue), NOBODY)


def _each(rows: QuerySet[Delivery], sentence: str) -> Found:
    for submission_id in rows.order_by().values_list("job__submission_id", flat=True).iterator():
        yield submission_id, sentence


def _jobs(jobs: QuerySet[Job], sentence: str) -> Found:
    for submission_id in jobs.order_by().values_list("submission_id", flat=True).iterator():
        yield submission_id, sentence


def _missing() -> Found:
    # Only what is handed in over HTTP as XQueue's platforms do has a body of its own, and each has a callback.
    submitted = Job.objects.exclude(Q(body=None) | Q(body=""))
    yield from _jobs(
        submitted.filter(~_has(transport=Transport.CALLBACK)), "was handed in with a callback that is gone"
    )
    dropped = _has(state=DeliveryState.DROPPED)
    unsaid = Job.objects.filter(dropped, ~_has(state=DeliveryState.WAITING), status__in=Status.open())
    yield from _jobs(unsaid, "is not finished, but nobody is to be told")
    by_grader = Score.objects.filter(submission_id=OuterRef("submission_id"), scoreannotation=None, reset=False)
    graded = Job.objects.filter(Q(last_error=None) | Q(last_error=""), Exists(by_grader), status=Status.RETIRED)
    yield from _jobs(graded.filter(dropped, ~Exists(_others())), NOBODY)


def _has(**filters: object) -> Exists:
    return Exists(Delivery.objects.filter(job=OuterRef("pk"), **filters))


def _others() -> QuerySet[Delivery]:
    return Delivery.objects.filter(job=OuterRef("pk")).exclude(state=DeliveryState.DROPPED)


def _untold(queue: GraderQueue) -> QuerySet[Job]:
    """Graded since the queue's results are told, and without a delivery; a retired learner's were removed."""
    jobs = Job.objects.filter(queue_name=queue.name, status=Status.RETIRED)
    jobs = jobs.exclude(submission__student_item__student_id__startswith=RETIRED_PREFIX)
    is_told = _has()
    since = jobs.filter(is_told).aggregate(since=Min("returned_at"))["since"]
    by_grader = Score.objects.filter(submission_id=OuterRef("submission_id"), scoreannotation=None, reset=False)
    without = jobs.filter(Exists(by_grader), ~is_told)
    return without.filter(returned_at__gte=since) if since else without.none()
