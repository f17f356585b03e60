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
    known = {queue.name: queue for queue in GraderQueue.objects.annotate(now=DatabaseNow())}
    # A queue without a row has the default settings: edx-submissions, still running beside us, sets none up.
    others = {queue.name: queue for queue in _queues_of_jobs() if queue.name not in known}
    for _, queue in sorted({**known, **others}.items()):
        yield numbers_of(queue)


def _queues_of_jobs() -> Iterator[Any]:
    """One seek in the index per queue, however many jobs it holds."""
    names = ExternalGraderDetail.objects.order_by("queue_name").values_list("queue_name", DatabaseNow())
    found = names.first()
    while found is not None:
        queue: Any = GraderQueue(name=found[0])
        queue.now = found[1]
        yield queue
        found = names.filter(queue_name__gt=found[0]).first()


def numbers_of(queue: Any) -> QueueNumbers:
    """`queue` is a row, or a new one, with the database's time as ``now``."""
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
    lapsed = ExternalGraderDetail.objects.claimable(queue.name).filter(status=Status.PULLED).count()
    waiting = count[Status.PENDING] + count[Status.RETRY] + lapsed
    wait = "1 job waits" if waiting == 1 else f"{waiting} jobs wait"
    if queue.paused and waiting:
        yield f"{wait}, and the queue is paused"
    elif waiting and queue.last_polled_at is None:
        yield f"{wait}, and no grader has ever polled"
    elif waiting and (silent := (queue.now - queue.last_polled_at).total_seconds()) > conf.SILENCE_SECONDS:
        yield f"{wait}, and no grader has polled for {silent:.0f} seconds"
    if failed := count[Status.FAILED]:
        yield f"{'1 job' if failed == 1 else f'{failed} jobs'} failed, for an operator to look at"
