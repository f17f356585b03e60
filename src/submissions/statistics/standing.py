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
from submissions.models import DatabaseNow, ExternalGraderDetail, GraderQueue, GraderSighting, ScoreMeaning
from submissions.queue import waiting_since
from submissions.statistics import ahead, depths, lights, undelivered
from submissions.statistics.history import Bucket, Overruns, by_queue, have_completed, overruns

HOUR, STEP, DAY = timedelta(hours=1), timedelta(minutes=5), timedelta(days=1)
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
    late: tuple[lights.Undelivered, ...] = ()
    """Results that are overdue for delivery, by host."""
    hour: tuple[Bucket, ...] = ()
    overran: Overruns = field(default_factory=Overruns)
    """Leases that expired within `lights.LOST_WITHIN`, and late results of the last hour."""
    ahead: int = 0
    """Jobs that a clock which was set back has left in the future."""
    has_completed: bool = True
    """Whether a result was ever accepted; only asked where scores were refused that seem to be points."""

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

    @property
    def sends_points(self) -> bool:
        """Whether graders seem to send points where a share is expected: none of their results was accepted since."""
        seen = self.queue.points_seen_at
        if seen is None or self.queue.score_meaning != ScoreMeaning.RATIO or self.graded_lately:
            return False
        return not self.has_completed or seen >= self.now - HOUR

    @property
    def is_incomplete(self) -> bool:
        """Whether replies lacked, within the last day, what platforms insist on."""
        at = self.queue.incomplete_at
        return at is not None and at >= self.now - DAY

    @cached_property
    def light(self) -> lights.Light:
        return lights.light(self.facts)

    @cached_property
    def facts(self) -> lights.Facts:
        return lights.Facts(
            waiting=self.waiting,
            failed=self.failed,
            oldest=self.oldest,
            paused=self.queue.paused,
            silent=self.silent,
            graded_lately=self.graded_lately,
            failed_lately=sum(step.failed for step in self.hour),
            lost=self.overran.lost,
            undelivered=self.undelivered,
            late=self.late,
            after_lease=self.overran.late,
            takes=self.overran.late_seconds / max(self.overran.late, 1),
            lease=self.queue.lease,
            sends_points=self.sends_points,
            incomplete=self.is_incomplete,
            ahead=self.ahead,
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
    return worst_first(of(rows + [GraderQueue(name=name) for name in depths.names_without_row(known)]))


def of(queues: Sequence[GraderQueue]) -> list[Standing]:
    """These queues, in this order. A fixed number of statements, and three more for each further fifty queues."""
    now = _now() if queues else None
    if now is None:
        return []
    names = [queue.name for queue in queues]
    counts, since, hours = depths.counts(names), waiting_since(names), by_queue(names, span=HOUR, step=STEP)
    seen, overran = _seen(queues), overruns(now - lights.LOST_WITHIN, now - HOUR)
    given_up, late = undelivered.by_queue(names), undelivered.late(names)
    in_future = ahead.count(names)
    completed = have_completed([queue.name for queue in queues if queue.points_seen_at])
    return [
        Standing(
            queue=queue,
            now=now,
            count=counts[queue.name],
            next_since=since.get(queue.name),
            seen=tuple(seen[queue.pk]),
            undelivered=given_up.get(queue.name, ()),
            late=late.get(queue.name, ()),
            hour=tuple(hours[queue.name]),
            overran=overran[queue.name],
            ahead=in_future[queue.name],
            has_completed=queue.name in completed,
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
