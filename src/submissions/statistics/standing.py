"""Numbers about queues, computed from the tables when somebody asks; however deep a queue is, asking costs the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from submissions.conf import conf
from submissions.models import DatabaseNow, ExternalGraderDetail, GraderQueue
from submissions.queue import waiting_since
from submissions.statistics import depths


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
    """For how long the next job could have been taken (seconds); None where none can be."""
    last_polled_at: datetime | None
    last_polled_by: str
    paused: bool
    warnings: list[str]
    at_least: bool
    """Whether a number is only a lower bound: more than `depths.MOST` that nobody has counted yet (ADR 0080)."""


def queues() -> Iterator[QueueNumbers]:
    """Every queue's numbers, by name."""
    known: dict[str, Any] = {queue.name: queue for queue in GraderQueue.objects.annotate(now=DatabaseNow())}
    # A queue without a row has the default settings: edx-submissions, still running beside us, sets none up.
    others = {name: _unknown(name) for name in depths.names_of_jobs() if name not in known}
    found = {**known, **others}
    counts, since = depths.counts(list(found)), waiting_since(list(found))
    for name, queue in sorted(found.items()):
        yield _numbers(queue, counts[name], since.get(name))


def numbers_of(queue_name: str) -> QueueNumbers:
    """One queue's numbers; all zero where nobody knows it."""
    rows: Any = GraderQueue.objects.annotate(now=DatabaseNow()).filter(name=queue_name)
    queue = rows.first() or _unknown(queue_name)
    return _numbers(queue, depths.counts([queue_name])[queue_name], waiting_since([queue_name]).get(queue_name))


def _unknown(name: str) -> Any:
    queue: Any = GraderQueue(name=name)
    queue.now = ExternalGraderDetail.objects.order_by().values_list(DatabaseNow(), flat=True).first()
    return queue


def _numbers(queue: Any, count: depths.Depths, since: datetime | None) -> QueueNumbers:
    return QueueNumbers(
        queue_name=queue.name,
        waiting=count.pending,
        being_graded=count.pulled,
        retry=count.retry,
        failed=count.failed,
        oldest_waiting_seconds=None if since is None else round((queue.now - since).total_seconds(), 3),
        last_polled_at=queue.last_polled_at,
        last_polled_by=queue.last_polled_by,
        paused=queue.paused,
        warnings=list(_warnings(queue, count)),
        at_least=count.at_least,
    )


def _warnings(queue: Any, count: depths.Depths) -> Iterator[str]:
    waiting = count.pending + count.retry + count.lapsed
    wait = "1 job waits" if waiting == 1 else f"{waiting} jobs wait"
    if queue.paused and waiting:
        yield f"{wait}, and the queue is paused"
    elif waiting and queue.last_polled_at is None:
        yield f"{wait}, and no grader has ever polled"
    elif waiting and (silent := (queue.now - queue.last_polled_at).total_seconds()) > conf.SILENCE_SECONDS:
        yield f"{wait}, and no grader has polled for {silent:.0f} seconds"
    if failed := count.failed:
        yield f"{'1 job' if failed == 1 else f'{failed} jobs'} failed, for an operator to look at"
