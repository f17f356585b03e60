"""One attempt at telling one destination."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum

from submissions.deliveries import claims, hosts
from submissions.deliveries.claims import DueDelivery
from submissions.deliveries.message import Message, completed, in_points, no_score
from submissions.deliveries.transports.base import Failed, Refused, sender
from submissions.models import Delivery, ExternalGraderDetail, Told, Transport
from submissions.text import made_storable

# Of why an attempt failed (characters).
LONGEST_REASON = 2000


class Outcome(Enum):
    DELIVERED = "delivered"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    GIVEN_UP = "given up"
    DROPPED = "dropped"
    LOST = "taken over"


def attempt(due: DueDelivery) -> Outcome:
    """Send a delivery that was taken, and write down what became of it. Only the database's errors come out."""
    return attempt_all([due])[0]


def attempt_all(taken: list[DueDelivery]) -> list[Outcome]:
    """The same for several, one after the other; what was delivered is written down at the end.

    Where the first half of the lease is over the others are left: they are due again when it ends.
    """
    until = time.monotonic() + claims.lease().total_seconds() / 2
    outcomes: list[Outcome] = []
    sent: list[DueDelivery] = []
    jobs = _jobs_of(taken)
    try:
        for due in taken:
            if (outcomes or sent) and time.monotonic() > until:
                break
            outcome = _attempt(due, jobs, silent=Outcome.UNREACHABLE in outcomes)
            outcomes += [outcome] if outcome else []
            sent += [] if outcome else [due]
    finally:
        delivered = len(claims.record_delivered(sent))
    return outcomes + [Outcome.DELIVERED] * delivered + [Outcome.LOST] * (len(sent) - delivered)


def _attempt(due: DueDelivery, jobs: Mapping[int, ExternalGraderDetail], *, silent: bool) -> Outcome | None:
    """What was written down; None where it was delivered, and that is still to be written down.

    `silent`: the host has not answered in this round already, and that was counted.
    """
    if claims.is_overtaken(due):
        claims.drop(due)
        if due.in_trouble:
            hosts.end_probe(due.row.host)
        return Outcome.DROPPED
    job = jobs.get(due.row.job_id)
    if job is None:  # deleted meanwhile, and the delivery with it
        return Outcome.LOST
    started = time.monotonic()
    try:
        sender(due.row.transport)(_message(due.row, job))
    except Refused as refused:
        _note_answer(due)
        claims.give_up(due, str(refused))
        return Outcome.GIVEN_UP
    except Exception as error:  # a receiver of the platform may raise anything
        return _record_failure(due, error, time.monotonic() - started, silent=silent)
    _note_answer(due)
    return None


def _note_answer(due: DueDelivery) -> None:
    if due.in_trouble:
        hosts.note_answer(due.row.host, claims.lease())


def _record_failure(due: DueDelivery, error: Exception, seconds: float, *, silent: bool) -> Outcome:
    now = due.now + timedelta(seconds=seconds)
    failure = error if isinstance(error, Failed) else Failed(f"{type(error).__name__}: {error}", unreachable=False)
    # A receiver may raise what quotes a learner. What no database can keep would be sent again for ever.
    reason = made_storable(str(failure))[:LONGEST_REASON]
    claims.record_failure(due, now, reason, failure.retry_after)
    if not failure.unreachable:
        _note_answer(due)
        return Outcome.FAILED
    # What fails together is one failure: sixteen in a row would hold a bus for minutes that was away for seconds.
    if not silent:
        hosts.note_failure(due.row.host, now, reason, failure.retry_after)
    return Outcome.UNREACHABLE


def _jobs_of(taken: list[DueDelivery]) -> dict[int, ExternalGraderDetail]:
    jobs = ExternalGraderDetail.objects.filter(pk__in={due.row.job_id for due in taken})
    told = jobs.select_related("submission__student_item").defer("submission__answer", "body")
    return {job.pk: job for job in told}


def _message(delivery: Delivery, job: ExternalGraderDetail) -> Message:
    """What is sent now. Raises ValueError where the delivery's result is not there yet."""
    if delivery.ready_at is None:
        raise ValueError(f"Delivery {delivery.pk} has nothing to tell yet.")
    item = job.submission.student_item
    scored = delivery.result == Told.SCORE
    points = delivery.points if scored and delivery.points is not None else 0
    possible = job.points_possible if job.points_known else max(job.points_possible, points)
    reply = in_points(job.grader_reply or "", points)
    if delivery.transport in (Transport.CALLBACK, Transport.EVENT):  # an LMS reads it
        reply = completed(reply, correct=points > 0 and points >= possible)
    return Message(
        delivery_id=delivery.pk,
        attempt=delivery.attempts,
        transport=delivery.transport,
        destination=delivery.destination,
        header=delivery.header,
        result=delivery.result,
        points_earned=points,
        points_possible=possible,
        reply=reply if scored else no_score(),
        submission_id=job.submission_id,
        submission_uuid=str(job.submission.uuid),
        course_id=item.course_id,
        item_id=item.item_id,
        student_id=item.student_id,
        queue_name=job.queue_name,
        queue_key=job.whole_queue_key,
        grader=job.grader,
        ready_at=delivery.ready_at,
    )
