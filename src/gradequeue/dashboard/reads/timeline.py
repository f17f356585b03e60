"""The history of one submission, as events in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from submissions.deliveries import attempts_of, history
from submissions.models import Delivery, DeliveryState, ExternalGraderDetail, Score, Status
from submissions.queue import claim_log
from submissions.text import counted

# How an event looks.
NEUTRAL, GOOD, BAD, OPEN = "neutral", "good", "bad", "open"

OUTCOMES = {
    claim_log.COMPLETED: (GOOD, "Graded by {grader}"),
    claim_log.FAILED: (BAD, "Grading failed ({grader})"),
    claim_log.RELEASED: (NEUTRAL, "Returned by {grader}"),
    claim_log.LOST: (BAD, "Lease expired ({grader})"),
    claim_log.RETRIED: (NEUTRAL, "Retried by an operator"),
    claim_log.RETIRED: (BAD, "Ended without score"),
}


ATTEMPTS = {
    history.DELIVERED: (GOOD, "Delivered to {where}"),
    history.FAILED: (BAD, "Delivery to {where} failed"),
    history.REFUSED: (BAD, "Delivery to {where} refused"),
    history.RETRIED: (NEUTRAL, "Delivery to {where} sent again by an operator"),
    history.GIVEN_UP: (BAD, "Delivery to {where} given up"),
}


@dataclass(frozen=True)
class Event:
    at: datetime | None
    """None: it has not happened yet."""
    look: str
    title: str
    detail: str = ""
    took: timedelta | None = None
    """How long it had lasted by then."""


def timeline(job: ExternalGraderDetail, score: Score | None, deliveries: list[Delivery]) -> list[Event]:
    """Oldest first; what has not happened yet comes last. `job` has its submission and ``now``; `score` may be None."""
    past = [*_claims(job), *_result(job, score)]
    for delivery in deliveries:
        past += _delivery(delivery)
    # What has not happened yet comes last; events of the same time keep their order.
    past.sort(key=lambda event: (event.at is None, event.at or job.now))
    return [Event(job.created_at, NEUTRAL, f"Queued in {job.queue_name}"), *past, *_next(job)]


def _claims(job: ExternalGraderDetail) -> Iterator[Event]:
    ended = claim_log.of(job)
    for pull in ended:
        look, words = OUTCOMES.get(pull.outcome, (NEUTRAL, pull.outcome))
        took = pull.until - pull.since if pull.since else None
        yield Event(pull.until, look, words.format(grader=pull.grader or "a grader"), pull.reason, took)
    if job.returned_at is not None and not ended:
        yield Event(job.returned_at, NEUTRAL, f"Reply from {job.grader or 'a grader'}")


def _result(job: ExternalGraderDetail, score: Score | None) -> Iterator[Event]:
    if score is not None:
        points = f"{score.points_earned:g} of {score.points_possible:g} points"
        yield Event(score.created_at, GOOD, f"Scored: {points}")
    elif job.status == Status.FAILED:
        last = claim_log.of(job)[-1:]
        told = bool(last) and last[0].reason == (job.last_error or "")[: claim_log.REASON_LENGTH]
        error = "" if told else job.last_error or ""
        yield Event(job.status_time, BAD, f"Failed: gave up after {counted(job.num_failures, 'attempt')}", error)
    elif job.status == Status.RETIRED and not job.pulls:
        yield Event(job.status_time, BAD, "Ended without score", job.last_error or "")


def _delivery(delivery: Delivery) -> Iterator[Event]:
    where = delivery.host or delivery.transport
    attempts = attempts_of(delivery)
    for attempt in attempts:
        look, words = ATTEMPTS.get(attempt.outcome, (NEUTRAL, "{where}: " + attempt.outcome))
        yield Event(attempt.at, look, words.format(where=where), attempt.error)
    if delivery.state == DeliveryState.DELIVERED and not attempts:
        yield Event(delivery.delivered_at, GOOD, ATTEMPTS[history.DELIVERED][1].format(where=where))
    elif delivery.state == DeliveryState.DUE:
        yield Event(None, OPEN, f"Delivery to {where} due")


def _next(job: ExternalGraderDetail) -> Iterator[Event]:
    if job.status == Status.PULLED:
        left = (job.available_at - job.now) if job.available_at else timedelta()
        state = "lease expired" if left <= timedelta() else "being graded"
        yield Event(job.pulled_at, OPEN, f"Claimed by {job.grader or 'a grader'}: {state}")
    elif job.status == Status.PENDING:
        yield Event(None, OPEN, "Waiting for a grader")
    elif job.status == Status.RETRY:
        yield Event(None, OPEN, "Waiting for another attempt", job.last_error or "")
