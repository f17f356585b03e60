"""One attempt at telling one destination."""

from __future__ import annotations

import time
from datetime import timedelta
from enum import Enum

from submissions.deliveries import claims, hosts
from submissions.deliveries.claims import DueDelivery
from submissions.deliveries.message import Message, in_points, no_score
from submissions.deliveries.transports.base import Failed, Refused, sender
from submissions.models import Delivery, ExternalGraderDetail, Told


class Outcome(Enum):
    DELIVERED = "delivered"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    GIVEN_UP = "given up"
    DROPPED = "dropped"
    LOST = "taken over"


def attempt(due: DueDelivery) -> Outcome:
    """Send a delivery that was taken, and write down what became of it. Only the database's errors come out."""
    if claims.is_overtaken(due):
        claims.drop(due)
        if due.in_trouble:
            hosts.end_probe(due.row.host)
        return Outcome.DROPPED
    message = message_of(due.row)
    started = time.monotonic()
    try:
        sender(due.row.transport)(message)
    except Refused as refused:
        _note_answer(due)
        claims.give_up(due, str(refused))
        return Outcome.GIVEN_UP
    except Exception as error:  # a receiver of the platform may raise anything
        return _record_failure(due, error, time.monotonic() - started)
    _note_answer(due)
    return Outcome.DELIVERED if claims.record_delivered(due) else Outcome.LOST


def _note_answer(due: DueDelivery) -> None:
    if due.in_trouble:
        hosts.note_answer(due.row.host, claims.lease())


def _record_failure(due: DueDelivery, error: Exception, seconds: float) -> Outcome:
    now = due.now + timedelta(seconds=seconds)
    failure = error if isinstance(error, Failed) else Failed(f"{type(error).__name__}: {error}", unreachable=False)
    claims.record_failure(due, now, str(failure), failure.retry_after)
    if not failure.unreachable:
        _note_answer(due)
        return Outcome.FAILED
    hosts.note_failure(due.row.host, now, str(failure), failure.retry_after)
    return Outcome.UNREACHABLE


def message_of(delivery: Delivery) -> Message:
    """What is sent now. Raises ValueError where the delivery's result is not there yet."""
    if delivery.ready_at is None:
        raise ValueError(f"Delivery {delivery.pk} has nothing to tell yet.")
    job = (
        ExternalGraderDetail.objects.select_related("submission__student_item")
        .defer("submission__answer", "body")
        .get(pk=delivery.job_id)
    )
    item = job.submission.student_item
    scored = delivery.result == Told.SCORE
    points = delivery.points if scored and delivery.points is not None else 0
    return Message(
        delivery_id=delivery.pk,
        attempt=delivery.attempts,
        transport=delivery.transport,
        destination=delivery.destination,
        header=delivery.header,
        result=delivery.result,
        points_earned=points,
        points_possible=job.points_possible if job.points_known else max(job.points_possible, points),
        reply=in_points(job.grader_reply or "", points) if scored else no_score(),
        submission_id=job.submission_id,
        submission_uuid=str(job.submission.uuid),
        course_id=item.course_id,
        item_id=item.item_id,
        student_id=item.student_id,
        queue_name=job.queue_name,
        queue_key=job.queue_key or "",
        grader=job.grader,
        ready_at=delivery.ready_at,
    )
