"""How queues stand now: one set of numbers and one light, for dashboard, admin, commands and metrics.

Computed from the tables when somebody asks; however deep a queue is, asking costs the same. *Waiting* has one meaning
(docs/glossary.md): jobs that a grader can get, now or later, without anybody else acting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from submissions.conf import conf
from submissions.models import DatabaseNow, ExternalGraderDetail, GraderQueue, GraderSighting
from submissions.queue import waiting_since
from submissions.statistics import depths, lights, undelivered
from submissions.statistics.history import Bucket, by_queue, losses

HOUR, STEP = timedelta(hours=1), timedelta(minutes=5)
"""What "in the last hour" looks at: whole steps, the last one going on."""


@dataclass(frozen=True)
class Numbers:
    """How many jobs of a queue are in which state, and since when the next one could have been claimed."""

    queue: GraderQueue
    """Its row, unsaved where the queue has none."""
    now: datetime
    count: depths.Depths = field(default_factory=depths.Depths)
    next_since: datetime | None = None
    """Since when the job has been available that a claim would find first; None where it would find none."""

    @property
    def name(self) -> str:
        return self.queue.name

    @property
    def waiting(self) -> int:
        return self.count.waiting

    @property
    def being_graded(self) -> int:
        return self.count.being_graded

    @property
    def failed(self) -> int:
        return self.count.failed

    @property
    def oldest(self) -> timedelta | None:
        """How long the next job in line has been available."""
        return None if self.next_since is None else max(self.now - self.next_since, timedelta())

    @property
    def oldest_seconds(self) -> float | None:
        return None if self.oldest is None else round(self.oldest.total_seconds(), 3)


@dataclass(frozen=True)
class Standing(Numbers):
    """A queue's numbers with what its light goes by."""

    seen: tuple[tuple[str, datetime], ...] = ()
    """Graders and when each last polled, newest first."""
    undelivered: tuple[lights.Undelivered, ...] = ()
    late: int = 0
    """Results that are overdue for delivery."""
    hour: tuple[Bucket, ...] = ()
    lost: dict[str, int] = field(default_factory=dict)
    """Leases that expired within `lights.LOST_WITHIN`, by grader."""

    @property
    def silent(self) -> timedelta | None:
        """Since the last poll; None: nobody has ever polled."""
        polled = self.queue.last_polled_at
        return None if polled is None else max(self.now - polled, timedelta())

    @property
    def active(self) -> list[str]:
        """The graders that polled within SILENCE_SECONDS."""
        since = self.now - timedelta(seconds=int(conf.SILENCE_SECONDS))
        return [grader for grader, seen_at in self.seen if seen_at >= since]

    @property
    def graded_lately(self) -> int:
        return sum(step.completed for step in self.hour)

    @cached_property
    def light(self) -> lights.Light:
        return lights.light(
            lights.Facts(
                waiting=self.waiting,
                failed=self.failed,
                oldest=self.oldest,
                paused=self.queue.paused,
                silent=self.silent,
                graded_lately=self.graded_lately,
                failed_lately=sum(step.failed for step in self.hour),
                lost=self.lost,
                undelivered=self.undelivered,
                late=self.late,
            )
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """The causes of a light that is not green, worst first."""
        return () if self.light.colour == lights.GREEN else self.light.causes


def of_all() -> list[Standing]:
    """Every queue, the worst first; also those that have jobs and no row."""
    rows = list(GraderQueue.objects.order_by("name"))
    known = {row.name for row in rows}
    # A queue without a row has the default settings: edx-submissions, still running beside us, sets none up.
    return worst_first(of(rows + [GraderQueue(name=name) for name in depths.names_of_jobs() if name not in known]))


def of(queues: Sequence[GraderQueue]) -> list[Standing]:
    """These queues, in this order. A fixed number of statements, and three more for each further fifty queues."""
    now = _now() if queues else None
    if now is None:
        return []
    names = [queue.name for queue in queues]
    counts, since, hours = depths.counts(names), waiting_since(names), by_queue(names, span=HOUR, step=STEP)
    seen, lost = _seen(queues), _lost(now)
    given_up, late = undelivered.by_queue(names), undelivered.late(names)
    return [
        Standing(
            queue=queue,
            now=now,
            count=counts[queue.name],
            next_since=since.get(queue.name),
            seen=tuple(seen[queue.pk]),
            undelivered=given_up.get(queue.name, ()),
            late=late[queue.name],
            hour=tuple(hours[queue.name]),
            lost=lost[queue.name],
        )
        for queue in queues
    ]


def numbers_of(queue_name: str) -> Numbers | None:
    """One queue's numbers; None where there is neither a row nor a job of this name."""
    row = GraderQueue.objects.filter(name=queue_name).first()
    now = _now() if row is not None or queue_name in depths.names_of_jobs() else None
    if now is None:
        return None
    count = depths.counts([queue_name])[queue_name]
    return Numbers(row or GraderQueue(name=queue_name), now, count, waiting_since([queue_name]).get(queue_name))


def worst_first(found: Iterable[Standing]) -> list[Standing]:
    """By light; of one colour, first those where more jobs wait."""
    return sorted(found, key=lambda one: (lights.ORDER.index(one.light.colour), -one.waiting, one.name))


def _now() -> datetime | None:
    """The database's time; None where there is neither a queue nor a job."""
    for rows in (GraderQueue.objects, ExternalGraderDetail.objects):
        now: datetime | None = rows.order_by().values_list(DatabaseNow(), flat=True).first()
        if now is not None:
            return now
    return None


def _seen(queues: Sequence[GraderQueue]) -> dict[int | None, list[tuple[str, datetime]]]:
    found: dict[int | None, list[tuple[str, datetime]]] = defaultdict(list)
    rows = GraderSighting.objects.filter(queue__in=[queue.pk for queue in queues if queue.pk]).order_by("-seen_at")
    for queue_id, grader, seen_at in rows.values_list("queue_id", "grader", "seen_at"):
        found[queue_id].append((grader, seen_at))
    return found


def _lost(now: datetime) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (name, grader), outcomes in losses(now - lights.LOST_WITHIN).items():
        if number := outcomes.get("lost"):
            found[name][grader] = number
    return found
