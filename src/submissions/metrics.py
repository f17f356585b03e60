"""Numbers about queues, computed from the tables when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Min

from submissions.conf import conf
from submissions.models import DatabaseNow, ExternalGraderDetail, GraderQueue, Status


@dataclass(frozen=True)
class QueueNumbers:
    """How one queue stands."""

    queue_name: str
    waiting: int
    """Jobs that are pending: never taken, or put back by an operator."""
    being_graded: int
    retry: int
    failed: int
    oldest_waiting_seconds: float | None
    """How long the oldest pending or retry job has been here (seconds); None where nothing waits."""
    last_polled_at: datetime | None
    last_polled_by: str
    paused: bool
    warnings: list[str]


def queues() -> Iterator[QueueNumbers]:
    """Every queue's numbers, by name."""
    for queue in GraderQueue.objects.annotate(now=DatabaseNow()).iterator():
        yield numbers_of(queue)


def numbers_of(queue: Any) -> QueueNumbers:
    """`queue` is a row annotated with the database's time as ``now``."""
    jobs = ExternalGraderDetail.objects.filter(queue_name=queue.name)
    # One count per state: each is a range of the index (queue_name, status, ...); retired rows are never touched.
    count = {
        status: jobs.filter(status=status).count()
        for status in (Status.PENDING, Status.PULLED, Status.RETRY, Status.FAILED)
    }
    oldest = jobs.waiting().aggregate(oldest=Min("created_at"))["oldest"]
    return QueueNumbers(
        queue_name=queue.name,
        waiting=count[Status.PENDING],
        being_graded=count[Status.PULLED],
        retry=count[Status.RETRY],
        failed=count[Status.FAILED],
        oldest_waiting_seconds=None if oldest is None else round((queue.now - oldest).total_seconds(), 3),
        last_polled_at=queue.last_polled_at,
        last_polled_by=queue.last_polled_by,
        paused=queue.paused,
        warnings=list(_warnings(queue, count)),
    )


def _warnings(queue: Any, count: dict[Status, int]) -> Iterator[str]:
    waiting = count[Status.PENDING] + count[Status.RETRY]
    if queue.paused and waiting:
        yield f"{waiting} jobs wait, and the queue is paused"
    elif waiting and queue.last_polled_at is None:
        yield f"{waiting} jobs wait, and no grader has ever polled"
    elif waiting and (silent := (queue.now - queue.last_polled_at).total_seconds()) > conf.SILENCE_SECONDS:
        yield f"{waiting} jobs wait, and no grader has polled for {silent:.0f} seconds"
    if count[Status.FAILED]:
        yield f"{count[Status.FAILED]} jobs failed and wait for an operator"
