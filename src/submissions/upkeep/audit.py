"""Count everything again, and say what does not add up: the promise "nothing lost, nothing twice" as a query."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from submissions.files import find_damage, in_batches, is_near, is_there
from submissions.models import (
    Delivery,
    DeliveryState,
    ExternalGraderDetail,
    Score,
    ScoreSummary,
    Status,
    SubmissionFile,
    Told,
    get_storage,
)
from submissions.upkeep import numbers

Job = ExternalGraderDetail


@dataclass(frozen=True)
class Problem:
    submission_id: int | None
    problem: str


def counts() -> dict[str, int]:
    """How many jobs stand in each state, by the state's word, whatever words there are."""
    return dict(Job.objects.order_by().values_list("status").annotate(Count("id")))


def delivery_counts() -> dict[str, int]:
    """The same of deliveries."""
    return dict(Delivery.objects.order_by().values_list("state").annotate(Count("id")))


def file_counts(*, look_at_files: bool = False) -> dict[str, int]:
    """How many files `problems` did not look at, and of how many it knows no more than that they can be read."""
    if not (look_at_files or is_near(get_storage())):
        return {"not_looked_at": SubmissionFile.objects.count()}
    return {"without_digest": SubmissionFile.objects.filter(sha256=None).count()}


def problems(*, look_at_files: bool = False) -> Iterator[Problem]:
    """Everything that does not add up; nothing, if all is well. `look_at_files`: also where each file costs a request
    over a network; those on a disk of this machine are looked at in any case."""
    for jobs, sentence in _rules():
        for submission_id in jobs.order_by().values_list("submission_id", flat=True).iterator():
            yield Problem(submission_id, sentence)
    for item in _summaries():
        yield Problem(item, "has scores, but its learner and item have no score summary")
    for found, sentence in numbers.problems():
        yield Problem(found, sentence)
    if look_at_files or is_near(get_storage()):
        yield from _damaged_files()


def _rules() -> Iterator[tuple[QuerySet[Job], str]]:
    jobs = Job.objects.all()
    yield jobs.exclude(status__in=Status.values), "is in no known state"
    yield (
        jobs.filter(status__in=Status.open(), available_at=None),
        "is not finished, but will never be offered to a grader",
    )
    yield (
        jobs.filter(status__in=Status.ended()).exclude(available_at=None),
        "is finished, but would be offered to a grader",
    )
    yield jobs.filter(status=Status.PULLED).filter(Q(pullkey=None) | Q(pullkey="")), "is pulled without a key"
    yield jobs.filter(_has_graders_score(), status__in=Status.open()), "has a score, but would be graded again"
    unexplained = jobs.filter(~_has_score(), status=Status.RETIRED)
    yield unexplained.filter(Q(last_error=None) | Q(last_error="")), "is retired without a score and without a reason"
    yield jobs.alias(scores=Count("submission__score", filter=_by_graders())).filter(scores__gt=1), "has two scores"
    yield from _delivery_rules(jobs)


def _delivery_rules(jobs: QuerySet[Job]) -> Iterator[tuple[QuerySet[Job], str]]:
    """Each delivery is accounted for: it waits with its job, is due, was told, was given up, or nobody needs it."""
    retired = jobs.filter(status=Status.RETIRED)
    waiting = _delivery(state=DeliveryState.WAITING)
    yield retired.filter(_has_score(), waiting), "has a score, but a delivery that is not due"
    yield retired.filter(~_has_score(), waiting), "is retired, but a delivery waits for its result"
    scores = _delivery(result=Told.SCORE)
    yield jobs.filter(scores, status__in=Status.open()), "is not finished, but its result is on its way"
    told = Exists(Delivery.objects.filter(_is_told(), job=OuterRef("pk")))
    # Of a score that a person gave the platform knows by itself.
    yield retired.filter(_has_graders_score(), told).exclude(scores), "has a score that no delivery tells"
    yield jobs.filter(_delivery(state=DeliveryState.DUE, due_at=None)), "has a delivery that is due, but never sent"
    late = Exists(Delivery.objects.filter(job=OuterRef("pk")).exclude(state=DeliveryState.DUE).exclude(due_at=None))
    yield jobs.filter(late), "has a delivery that is not due, but would be sent"
    empty = Exists(Delivery.objects.filter(job=OuterRef("pk"), result="").filter(_is_told()))
    yield jobs.filter(empty), "has a delivery that tells nothing"
    yield jobs.filter(_delivery(state=DeliveryState.DELIVERED, delivered_at=None)), "was told, nobody knows when"
    silent = Exists(Delivery.objects.filter(_no_reason(), job=OuterRef("pk"), state=DeliveryState.GIVEN_UP))
    yield jobs.filter(silent), "has a delivery that was given up without a reason"
    yield jobs.filter(_unknown_state()), "has a delivery in no known state"


def _delivery(**filters: object) -> Exists:
    return Exists(Delivery.objects.filter(job=OuterRef("pk"), **filters))


def _is_told() -> Q:
    return Q(state__in=(DeliveryState.DUE, DeliveryState.DELIVERED, DeliveryState.GIVEN_UP))


def _no_reason() -> Q:
    return Q(last_error=None) | Q(last_error="")


def _unknown_state() -> Exists:
    return Exists(Delivery.objects.filter(job=OuterRef("pk")).exclude(state__in=DeliveryState.values))


def _has_score() -> Exists:
    return Exists(Score.objects.filter(submission_id=OuterRef("submission_id")))


def _has_graders_score() -> Exists:
    scores = Score.objects.filter(submission_id=OuterRef("submission_id"))
    return Exists(scores.filter(scoreannotation=None, reset=False))


def _by_graders() -> Q:
    """A person's score on top of a grader's is no second result."""
    return Q(submission__score__scoreannotation=None, submission__score__reset=False)


def _summaries() -> Iterator[int]:
    lost = Score.objects.filter(~Exists(ScoreSummary.objects.filter(student_item=OuterRef("student_item"))))
    yield from (
        lost.filter(submission__isnull=False).annotate(one=F("submission_id")).values_list("one", flat=True).iterator()
    )


def _damaged_files() -> Iterator[Problem]:
    for batch in in_batches():
        jobs = Job.objects.filter(pk__in={row.external_grader_id for row in batch})
        submissions = dict(jobs.order_by().values_list("pk", "submission_id"))
        for row in batch:
            damage = find_damage(row)
            if damage and is_there(row):
                yield Problem(submissions.get(row.external_grader_id or 0), damage)
