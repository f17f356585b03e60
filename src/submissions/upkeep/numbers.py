"""`audit`'s rules for what stands in the rows: number against number, and each row with those it belongs to."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, Length
from django.utils import timezone

from submissions.conf import conf
from submissions.models import (
    Delivery,
    ExternalGraderDetail,
    GraderQueue,
    Score,
    ScoreSummary,
    Status,
    Submission,
    Told,
)
from submissions.queue import has_usual_deliveries
from submissions.upkeep.retire_learner import RETIRED_PREFIX

Job = ExternalGraderDetail

# Jobs whose replies are read at a time, and how many characters together, unless one alone has more.
BATCH = 1000
LARGEST = 4 * 1024 * 1024
# Neither a lease, nor a pause, nor an initial delay is longer.
FURTHEST = timedelta(days=366)
# Clocks may disagree by so much.
SKEW = timedelta(hours=1)

# By submission, and what is wrong there.
Found = Iterator[tuple[int | None, str]]


def problems() -> Found:
    yield from _scores()
    yield from _summaries()
    yield from _contents()
    yield from _replies()
    yield from _deliveries()
    yield from _times()


def _each(rows: QuerySet[Any], sentence: str, column: str = "submission_id") -> Found:
    for submission_id in rows.order_by().values_list(column, flat=True).iterator():
        yield submission_id, sentence


def _scores() -> Found:
    real = Score.objects.filter(reset=False, submission__isnull=False)
    yield from _each(real.filter(points_earned__gt=F("points_possible")), "has a score above its maximum")
    yield from _each(real.filter(points_earned__lt=0), "has a score below 0")
    elsewhere = real.exclude(student_item=F("submission__student_item"))
    yield from _each(elsewhere, "has a score that stands with another learner or item")


def _summaries() -> Found:
    """A summary names two scores of its own learner and item, and none is better than its highest."""
    wrong = ~Q(latest__student_item=F("student_item")) | ~Q(highest__student_item=F("student_item"))
    yield from _each(
        ScoreSummary.objects.filter(wrong),
        "is named by another learner's summary, as the latest or the highest score",
        "latest__submission_id",
    )
    summary = ScoreSummary.objects.filter(student_item=OuterRef("student_item"), highest__points_possible__gt=0)
    # Beyond a rounding error.
    lower = summary.annotate(best=F("highest__points_earned") / F("highest__points_possible")).filter(
        best__lt=OuterRef("share") - 1e-6
    )
    reset_later = Score.objects.filter(student_item=OuterRef("student_item"), reset=True, pk__gt=OuterRef("pk"))
    real = Score.objects.filter(reset=False, points_possible__gt=0, submission__isnull=False)
    better = real.annotate(share=F("points_earned") / F("points_possible")).filter(Exists(lower), ~Exists(reset_later))
    yield from _each(better, "has a score that is better than the highest one of its summary")


def _contents() -> Found:
    """What was handed in is there; a retired learner's texts were removed on purpose."""
    kept = Submission._objects.exclude(student_item__student_id__startswith=RETIRED_PREFIX)
    jobs = Job.objects.filter(submission=OuterRef("pk"))
    # Also an empty answer is kept as JSON: "".
    emptied = kept.annotate(raw=Cast("answer", TextField())).filter(Exists(jobs), raw="")
    yield from _each(emptied, "has lost its answer", "pk")
    graded = Exists(_by_graders())
    silent = Job.objects.exclude(submission__student_item__student_id__startswith=RETIRED_PREFIX)
    lost = silent.filter(graded, Q(grader_reply="") | Q(grader_reply=None), status=Status.RETIRED)
    yield from _each(lost, "has a grader's score, but its reply is gone")
    if conf.STRICT_QUEUES:  # else whoever asks for the queue gets its jobs
        unknown = ~Exists(GraderQueue.objects.filter(name=OuterRef("queue_name")))
        yield from _each(Job.objects.filter(unknown, status__in=Status.open()), "waits in a queue that is not set up")


def _by_graders() -> QuerySet[Score]:
    return Score.objects.filter(submission_id=OuterRef("submission_id"), scoreannotation=None, reset=False)


def _replies() -> Found:
    """A score is worth what the reply says: its number, or that share of the job's points. Read batch by batch."""
    jobs = Job.objects.filter(status=Status.RETIRED).exclude(Q(grader_reply=None) | Q(grader_reply=""))
    for first, last in _spans(jobs):
        rows = list(
            jobs.filter(pk__range=(first, last)).values_list("submission_id", "grader_reply", "points_possible")
        )
        scores = Score.objects.filter(submission_id__in=[row[0] for row in rows], scoreannotation=None, reset=False)
        earned: defaultdict[int | None, list[float]] = defaultdict(list)
        for submission_id, points in scores.values_list("submission_id", "points_earned"):
            earned[submission_id].append(points)
        for submission_id, reply, possible in rows:
            worth = _worth(reply, possible)
            if worth and submission_id in earned and not _is_among(earned[submission_id], worth):
                yield submission_id, "has another score than its reply says"


def _spans(jobs: QuerySet[Job]) -> Iterator[tuple[int, int]]:
    """The first and the last id of one batch after the other: as many rows, and as much text, as may be held."""
    first, count, held, last = 0, 0, 0, 0
    while sizes := list(jobs.filter(pk__gt=last).order_by("pk").values_list("pk", Length("grader_reply"))[:BATCH]):
        for last, size in sizes:
            if count and (count == BATCH or held + size > LARGEST):
                yield first, last - 1
                count = held = 0
            first, count, held = first if count else last, count + 1, held + size
    if count:
        yield first, last


def _is_among(earned: list[float], worth: tuple[float, ...]) -> bool:
    return any(math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6) for one in earned for other in worth)


def _worth(reply: str | None, possible: float) -> tuple[float, ...]:
    """The points that a reply can mean: whether its queue counted shares when it came, nobody knows any more."""
    try:
        score = json.loads(reply or "")["score"]
        return float(score), float(score) * possible
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return ()


def _deliveries() -> Found:
    mine = Score.objects.filter(submission_id=OuterRef("job__submission_id"), points_earned=OuterRef("points"))
    told = Delivery.objects.filter(result=Told.SCORE).exclude(points=None)
    yield from _each(told.filter(~Exists(mine)), "has a delivery that tells other points", "job__submission_id")
    for queue in GraderQueue.objects.iterator():
        if has_usual_deliveries(queue):
            yield from _each(_untold(queue), "was graded, but nobody is to be told")


def _untold(queue: GraderQueue) -> QuerySet[Job]:
    """Graded since the queue's results are told, and without a delivery."""
    jobs = Job.objects.filter(queue_name=queue.name, status=Status.RETIRED)
    is_told = Exists(Delivery.objects.filter(job=OuterRef("pk")))
    since = jobs.filter(is_told).aggregate(since=Min("returned_at"))["since"]
    without = jobs.filter(Exists(_by_graders()), ~is_told)
    return without.filter(returned_at__gte=since) if since else without.none()


def _times() -> Found:
    now: datetime = timezone.now()
    later = Job.objects.filter(status__in=Status.open(), available_at__gt=now + FURTHEST)
    yield from _each(later, "would be offered in more than a year")
    future = Q(created_at__gt=now + SKEW) | Q(pulled_at__gt=now + SKEW) | Q(returned_at__gt=now + SKEW)
    yield from _each(Job.objects.filter(future), "was handed in, claimed or graded at a time that is still to come")
