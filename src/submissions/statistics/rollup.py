"""The tables' events, counted once per queue and minute, so that no reader has to count the events again.

Counting the same minutes again finds the same numbers: what is written is only what was found in addition. So any
number of processes may do it, one may die half-way, and a second round finds what was committed late.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Min, QuerySet

from submissions.models import (
    ClaimEnd,
    ClaimOutcome,
    DatabaseNow,
    ExternalGraderDetail,
    QueueMinute,
    QueueTotal,
    RollUp,
    Status,
)
from submissions.models.statistics import Counted
from submissions.queue.transactions import in_transaction
from submissions.statistics.histogram import Histogram

Row = TypeVar("Row", QueueMinute, QueueTotal)

MINUTE = timedelta(minutes=1)
# A transaction that began within a minute may be committed after it.
LAG = timedelta(minutes=2)
# One that stores large files far away may take longer than LAG.
SECOND_LOOK = timedelta(hours=1)
# How far back the very first round goes.
FIRST_ROUND = timedelta(days=30)

NUMBERS = ("arrived", "completed", "failed", "claims_failed", "claims_lost", "claims_released")
HISTOGRAMS = ("waits", "gradings")


@dataclass
class Count:
    """What happened in one queue; `failed` are the jobs that were given up."""

    arrived: int = 0
    completed: int = 0
    failed: int = 0
    claims_failed: int = 0
    claims_lost: int = 0
    claims_released: int = 0
    waits: Histogram = field(default_factory=Histogram)
    gradings: Histogram = field(default_factory=Histogram)

    @classmethod
    def of(cls, row: Counted) -> Count:
        kept: dict[str, Any] = {name: getattr(row, name) for name in NUMBERS}
        kept |= {name: Histogram.parse(getattr(row, name)) for name in HISTOGRAMS}
        return cls(**kept)

    def since(self, earlier: Count) -> Count:
        grown: dict[str, Any] = {name: max(getattr(self, name) - getattr(earlier, name), 0) for name in NUMBERS}
        longer = {name: getattr(self, name).since(getattr(earlier, name)) for name in HISTOGRAMS}
        return Count(**grown, **longer)

    def add(self, other: Count) -> None:
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.waits.merge(other.waits)
        self.gradings.merge(other.gradings)

    def columns(self) -> dict[str, int | str]:
        return {name: getattr(self, name) for name in NUMBERS} | {
            name: getattr(self, name).text() for name in HISTOGRAMS
        }

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in NUMBERS)


def roll_up(limit: int = 60) -> int:
    """Count up to `limit` minutes that are over and not yet counted; how many there were, 0 at the end.

    Stretches without any event are passed over at once, and count as one.
    """
    state = watermark()
    done = 0
    if state is not None:
        done = _go_on(state, "until", _floor(state.now - LAG), limit)
        done += _go_on(state, "checked", min(state.until, _late_enough(state)), limit)
    return done


def watermark() -> RollUp | None:
    """How far the minutes are counted, with the database's time as ``now``; None before the first job."""
    state = _marks().first()
    if state is None:
        jobs = ExternalGraderDetail.objects.order_by("created_at")
        oldest = jobs.values_list("created_at", DatabaseNow()).first()
        if oldest is None:
            return None
        begin = _floor(max(oldest[0], oldest[1] - FIRST_ROUND))
        RollUp.objects.get_or_create(pk=1, defaults={"until": begin, "checked": begin})
        state = _marks().get(pk=1)
    return state


def _marks() -> QuerySet[RollUp]:
    return RollUp.objects.annotate(now=DatabaseNow())  # type: ignore[no-redef]  # declared for its readers


def _go_on(state: RollUp, mark: str, goal: datetime, limit: int) -> int:
    begin: datetime = getattr(state, mark)
    if begin >= goal:
        return 0
    end = min(begin + limit * MINUTE, goal)
    found = counted(begin, end)
    minutes = (end - begin) // MINUTE if found else 1
    if not found:
        end = max(end, min(_next_event(end) or goal, goal))
    if not _write(mark, begin, end, found):
        return 0
    state.refresh_from_db()
    return minutes


def counted(begin: datetime, end: datetime) -> dict[tuple[str, datetime], Count]:
    """The events from `begin` to before `end`, by queue and minute. Each query is one range of one index of times."""
    counts: dict[tuple[str, datetime], Count] = defaultdict(Count)
    jobs = ExternalGraderDetail.objects.order_by()
    arrived = jobs.filter(created_at__gte=begin, created_at__lt=end).values_list("queue_name", "created_at")
    for queue_name, at in arrived.iterator():
        counts[queue_name, _floor(at)].arrived += 1
    # A job that was retired without a score has no key any more.
    ended = jobs.filter(status_time__gte=begin, status_time__lt=end, status=Status.RETIRED, pullkey__isnull=False)
    times = ended.values_list("queue_name", "status_time", "created_at", "pulled_at", "returned_at")
    for queue_name, at, created, pulled, returned in times.iterator():
        _count_completed(counts[queue_name, _floor(at)], created, pulled, returned)
    claims = ClaimEnd.objects.filter(at__gte=begin, at__lt=end).order_by()
    for queue_name, at, outcome, gave_up in claims.values_list("queue_name", "at", "outcome", "gave_up").iterator():
        count = counts[queue_name, _floor(at)]
        count.failed += gave_up
        count.claims_failed += outcome == ClaimOutcome.FAILED
        count.claims_lost += outcome == ClaimOutcome.LOST
        count.claims_released += outcome == ClaimOutcome.RELEASED
    return counts


def _count_completed(count: Count, created: datetime, pulled: datetime | None, returned: datetime | None) -> None:
    count.completed += 1
    if pulled is not None:  # edx-submissions, running beside us, does not write it
        count.waits.add((pulled - created).total_seconds())
        if returned is not None:
            count.gradings.add((returned - pulled).total_seconds())


def _next_event(after: datetime) -> datetime | None:
    jobs = ExternalGraderDetail.objects
    firsts = (
        jobs.filter(created_at__gte=after).aggregate(at=Min("created_at"))["at"],
        jobs.filter(status_time__gte=after).aggregate(at=Min("status_time"))["at"],
        ClaimEnd.objects.filter(at__gte=after).aggregate(at=Min("at"))["at"],
    )
    return min((_floor(first) for first in firsts if first is not None), default=None)


@in_transaction
def _write(mark: str, begin: datetime, end: datetime, found: dict[tuple[str, datetime], Count]) -> bool:
    """Keep what is new in `found`; False where somebody else has gone on from `begin` meanwhile."""
    state = _marks().select_for_update().get(pk=1)
    if getattr(state, mark) != begin:
        return False
    grown = _write_minutes(begin, end, found)
    _add_to_totals(grown)
    # What was late enough in the first place needs no second look.
    both = mark == "until" and state.checked == begin and end <= _late_enough(state)
    for name in ("until", "checked") if both else (mark,):
        setattr(state, name, end)
    state.save()
    return True


def _late_enough(state: RollUp) -> datetime:
    return _floor(state.now - SECOND_LOOK)


def _write_minutes(
    begin: datetime, end: datetime, found: dict[tuple[str, datetime], Count]
) -> Iterable[tuple[str, Count]]:
    kept = {(row.queue_name, row.minute): row for row in QueueMinute.objects.filter(minute__gte=begin, minute__lt=end)}
    new, changed, grown = [], [], []
    for (queue_name, minute), count in found.items():
        row = kept.get((queue_name, minute))
        if row is None:
            new.append(QueueMinute(queue_name=queue_name, minute=minute, **count.columns()))
            grown.append((queue_name, count))
        elif more := count.since(before := Count.of(row)):
            before.add(more)
            changed.append(_set(row, before))
            grown.append((queue_name, more))
    QueueMinute.objects.bulk_create(new, batch_size=200)
    QueueMinute.objects.bulk_update(changed, [*NUMBERS, *HISTOGRAMS], batch_size=50)
    return grown


def _add_to_totals(grown: Iterable[tuple[str, Count]]) -> None:
    sums: dict[str, Count] = defaultdict(Count)
    for queue_name, count in grown:
        sums[queue_name].add(count)
    totals = {row.queue_name: row for row in QueueTotal.objects.filter(queue_name__in=list(sums))}
    for queue_name, more in sums.items():
        row = totals.get(queue_name) or QueueTotal(queue_name=queue_name)
        more.add(Count.of(row))
        _set(row, more).save()


def _set(row: Row, count: Count) -> Row:
    for name, value in count.columns().items():
        setattr(row, name, value)
    return row


def _floor(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
