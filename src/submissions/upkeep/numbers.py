"""`audit`'s rules for what stands in the rows: number against number, and each row with those it belongs to."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, TextField, When
from django.db.models.functions import Cast, Length
from django.utils import timezone

from submissions.models import (
    ACTIVE,
    DELETED,
    Delivery,
    ExternalGraderDetail,
    GraderQueue,
    Score,
    ScoreSummary,
    Status,
    Submission,
)
from submissions.upkeep import links, sendings
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
    yield from links.problems()
    yield from _scores()
    yield from _maxima()
    yield from _summaries()
    yield from _latest()
    yield from _contents()
    yield from _replies()
    yield from sendings.problems()
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

    # What resets belongs to no submission.
    yield from _each(Score.objects.filter(reset=True, submission__isnull=False), "has a score that was made a reset")
    yield from _each(Job.objects.filter(points_possible__lt=0), "is worth less than 0 points")


def _maxima() -> Found:
    """A grader's score is out of its job's points; where only the platform knows these (ADR 0051), it may be full."""
    others = Job.objects.filter(submission=OuterRef("submission_id")).exclude(
        points_possible=OuterRef("points_possible")
    )
    unknown = Exists(others.filter(points_known=False)) & ~Q(points_earned=F("points_possible"))
    real = Score.objects.filter(reset=False, scoreannotation=None, submission__isnull=False)
    wrong = real.filter(Exists(others.filter(points_known=True)) | unknown)
    yield from _each(wrong, "has a score out of other points than its job's")


def _latest() -> Found:
    """None is newer than the latest, but for an older attempt's: a grader's late result does not become the latest."""
    older = ScoreSummary.objects.filter(student_item=OuterRef("student_item"), latest_id__lt=OuterRef("pk"))
    attempt, submission = OuterRef("submission__attempt_number"), OuterRef("submission_id")
    overtaken = older.filter(
        Q(latest__submission=None)
        | Q(latest__submission__attempt_number__lt=attempt)
        | Q(latest__submission__attempt_number=attempt, latest__submission_id__lte=submission)
    )
    newer = Score.objects.filter(Exists(overtaken) | Q(submission=None) & Exists(older))
    yield from _each(newer, "has a score that is newer than the latest one of its summary")


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
    # Each job sets its queue up: without the row, its settings and grants are gone, or the job was moved.
    unknown = ~Exists(GraderQueue.objects.filter(name=OuterRef("queue_name")))
    yield from _each(Job.objects.filter(unknown, status__in=Status.open()), "waits in a queue that is not set up")
    staff = silent.filter(~graded, Exists(_scores_of()), Q(last_error="") | Q(last_error=None), status=Status.RETIRED)
    yield from _each(staff, "is graded, but has no grader's score")
    ended = Job.objects.filter(graded, Q(last_error="") | Q(last_error=None), status=Status.FAILED)
    yield from _each(ended, "was given up, but has a grader's score")
    unknown_kind = Submission._objects.exclude(status__in=(ACTIVE, DELETED))
    yield from _each(unknown_kind, "is neither active nor deleted", "pk")
    same = Submission._objects.filter(uuid=OuterRef("uuid"), pk__lt=OuterRef("pk"))
    yield from _each(Submission._objects.filter(Exists(same)), "has another submission's uuid", "pk")


def _scores_of() -> QuerySet[Score]:
    return Score.objects.filter(submission_id=OuterRef("submission_id"))


def _by_graders() -> QuerySet[Score]:
    return _scores_of().filter(scoreannotation=None, reset=False)


def _replies() -> Found:
    """A score is worth what the reply says: its number, or that share of the job's points. Read batch by batch."""
    jobs = Job.objects.filter(status=Status.RETIRED).exclude(Q(grader_reply=None) | Q(grader_reply=""))
    explained = Case(When(Q(last_error=None) | Q(last_error=""), then=False), default=True)
    for first, last in _spans(jobs):
        columns = ("submission_id", "grader_reply", "points_possible", "explained")
        rows = list(jobs.annotate(explained=explained).filter(pk__range=(first, last)).values_list(*columns))
        scores = Score.objects.filter(submission_id__in=[row[0] for row in rows], scoreannotation=None, reset=False)
        earned: defaultdict[int | None, list[float]] = defaultdict(list)
        for submission_id, points in scores.values_list("submission_id", "points_earned"):
            earned[submission_id].append(points)
        for submission_id, reply, possible, is_explained in rows:
            if submission_id in earned and (
                wrong := _disagreement(earned[submission_id], reply, possible, is_explained)
            ):
                yield submission_id, wrong


def _disagreement(earned: list[float], reply: str, possible: float, is_explained: bool) -> str:
    """`is_explained`: whether the job says why it has no score, as one that a grader scored does not. A reply that
    names no score says nothing: who calls `queue.complete` gives the score beside it."""
    worth = _worth(reply, possible)
    if worth and not _is_among(earned, worth):
        return "has another score than its reply says"
    return "has a grader's score, and a reason why it has none" if worth and is_explained else ""


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
    numbers = [one for one in earned if isinstance(one, int | float)]  # SQLite's columns hold whatever was written
    return any(math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6) for one in numbers for other in worth)


def _worth(reply: str, possible: float) -> tuple[float, ...]:
    """The points that a reply can mean: whether its queue counted shares when it came, nobody knows any more."""
    try:
        score = json.loads(reply)["score"]
        return float(score), float(score) * possible
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return ()


def _times() -> Found:
    now: datetime = timezone.now()
    later = Job.objects.filter(status__in=Status.open(), available_at__gt=now + FURTHEST)
    yield from _each(later, "would be offered in more than a year")
    sent = Delivery.objects.filter(due_at__gt=now + FURTHEST)
    yield from _each(sent, "has a delivery that would be sent in more than a year", "job__submission_id")
    to_come = now + SKEW
    future = (
        Q(created_at__gt=to_come) | Q(pulled_at__gt=to_come) | Q(returned_at__gt=to_come) | Q(status_time__gt=to_come)
    )
    yield from _each(Job.objects.filter(future), "was handed in, claimed or graded at a time that is still to come")
    scores = Score.objects.filter(created_at__gt=to_come, submission__isnull=False)
    yield from _each(scores, "was scored at a time that is still to come")
    told = Delivery.objects.filter(Q(delivered_at__gt=to_come) | Q(ready_at__gt=to_come))
    yield from _each(told, "was told at a time that is still to come", "job__submission_id")
    backwards = Q(pulled_at__lt=F("created_at") - SKEW) | Q(returned_at__lt=F("pulled_at") - SKEW)
    graded = Job.objects.filter(backwards, Exists(_by_graders()), status=Status.RETIRED)
    yield from _each(graded, "was graded before it was claimed, or claimed before it was handed in")
