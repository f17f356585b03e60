"""The tables' events, counted once per queue and minute, so that nobody who asks has to read the events again.

Counting the same minutes again finds the same numbers: what is written is only what was found in addition. So any
number of processes may do it, one may die half-way, and a second round finds what was committed late.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from django.db.models import Min

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

MINUTE = timedelta(minutes=1)
# A transaction that began within a minute may be committed after it.
LAG = timedelta(minutes=2)
# One that stores large files far away may take longer than LAG.
SECOND_LOOK = timedelta(hours=1)
# How far back the very first round goes.
FIRST_ROUND = timedelta(days=30)

NUMBERS = ("arrived", "completed", "failed", "claims_failed", "claims_lost", "claims_released")
HISTOGRAMS = ("waits", "gradings")
# The columns of RollUp.
Mark = Literal["until", "checked"]


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
        numbers = {name: getattr(row, name) for name in NUMBERS}
        return cls(**numbers, waits=Histogram.parse(row.waits), gradings=Histogram.parse(row.gradings))

    def since(self, earlier: Count) -> Count:
        """What was added to `earlier` to make this one; never less than nothing."""
        grown = {name: max(getattr(self, name) - getattr(earlier, name), 0) for name in NUMBERS}
        return Count(**grown, waits=self.waits.since(earlier.waits), gradings=self.gradings.since(earlier.gradings))

    def add(self, other: Count) -> None:
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.waits.merge(other.waits)
        self.gradings.merge(other.gradings)

    def write_to(self, row: Counted) -> None:
        """Set the columns of `row`, without saving it."""
        for name in NUMBERS:
            setattr(row, name, getattr(self, name))
        row.waits, row.gradings = self.waits.text(), self.gradings.text()

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in NUMBERS)


def roll_up(limit: int = 60, *, most: int | None = None) -> int:
    """Count up to `limit` minutes that are over and not yet counted; how many there were, 0 at the end.

    Stretches without any event are passed over at once, and count as one. `most`: no more than so many arrivals and so
    many results, but for a minute that has more by itself; None: all there are.
    """
    mark = watermark()
    if mark is None:
        return 0
    done = _count_on("until", mark.until, _floor(mark.now - LAG), limit, most)
    if done:
        mark = watermark() or mark
    return done + _count_on("checked", mark.checked, min(mark.until, _late_enough(mark.now)), limit, most)


@dataclass(frozen=True)
class Watermark:
    """How far the minutes are counted."""

    until: datetime
    checked: datetime
    """Up to here each minute was counted twice."""
    now: datetime
    """The database's time."""


def watermark() -> Watermark | None:
    """How far the minutes are counted; None before the first job."""
    marks = RollUp.objects.values_list("until", "checked", DatabaseNow())
    found = marks.first()
    if found is None:
        jobs = ExternalGraderDetail.objects.order_by("created_at")
        oldest = jobs.values_list("created_at", DatabaseNow()).first()
        if oldest is None:
            return None
        begin = _floor(max(oldest[0], oldest[1] - FIRST_ROUND))
        RollUp.objects.get_or_create(pk=1, defaults={"until": begin, "checked": begin})
        found = marks.get(pk=1)
    if found[0] > found[2]:
        _set_back(_floor(found[2] - LAG))
        found = marks.get(pk=1)
    return Watermark(*found)


def _set_back(time: datetime) -> None:
    """A clock was set back: until the marks' own time had come again nothing would be counted, and later nobody would
    look at what happened meanwhile. Minutes that are counted again do no harm."""
    RollUp.objects.filter(until__gt=time).update(until=time)
    RollUp.objects.filter(checked__gt=time).update(checked=time)


def _count_on(mark: Mark, begin: datetime, goal: datetime, limit: int, most: int | None) -> int:
    """Count up to `limit` minutes from `begin` on, where `mark` stands; how many there were."""
    if begin >= goal:
        return 0
    end = min(begin + limit * MINUTE, goal)
    if most is not None:
        end = _with_few(begin, end, most)
    found = counted(begin, end)
    minutes = (end - begin) // MINUTE if found else 1
    if not found:
        end = max(end, min(_next_event(end) or goal, goal))
    # Where somebody else was faster there may be more to count.
    return minutes if _write(mark, begin, end, found) else 1


def _with_few(begin: datetime, end: datetime, most: int) -> datetime:
    """An end that is early enough for no more than `most` of either, and a minute after `begin` at least."""
    for column in ("created_at", "status_time"):
        jobs = ExternalGraderDetail.objects.filter(**{f"{column}__gte": begin, f"{column}__lt": end}).order_by(column)
        for beyond in jobs.values_list(column, flat=True)[most : most + 1]:
            end = max(_floor(beyond), begin + MINUTE)
    return end


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
def _write(mark: Mark, begin: datetime, end: datetime, found: dict[tuple[str, datetime], Count]) -> bool:
    """Keep what is new in `found`; False where somebody else has gone on from `begin` meanwhile."""
    row = RollUp.objects.select_for_update().annotate(now=DatabaseNow()).get(pk=1)
    if getattr(row, mark) != begin:
        return False
    totals = _totals_of({queue_name for queue_name, _ in found})
    _add_to_totals(totals, _write_minutes(begin, end, _by_total(totals, found)))
    # What was late enough in the first place needs no second look.
    both = mark == "until" and row.checked == begin and end <= _late_enough(row.now)
    for name in ("until", "checked") if both else (mark,):
        setattr(row, name, end)
    row.save()
    return True


def _late_enough(now: datetime) -> datetime:
    return _floor(now - SECOND_LOOK)


def _totals_of(names: Iterable[str]) -> dict[str, QueueTotal]:
    """By name as it stands with the jobs: MySQL's collation takes other cases, accents and blanks at the end for equal,
    and has one row for all of them."""
    found = {row.queue_name: row for row in QueueTotal.objects.filter(queue_name__in=list(names))}
    for name in sorted(set(names) - set(found)):
        row = QueueTotal.objects.get_or_create(queue_name=name)[0]
        found[name] = found.setdefault(row.queue_name, row)
    return found


def _by_total(
    totals: Mapping[str, QueueTotal], found: Mapping[tuple[str, datetime], Count]
) -> dict[tuple[str, datetime], Count]:
    """The same events, by the names of the totals."""
    counts: dict[tuple[str, datetime], Count] = defaultdict(Count)
    for (name, minute), count in found.items():
        counts[totals[name].queue_name, minute].add(count)
    return counts


def _write_minutes(
    begin: datetime, end: datetime, found: dict[tuple[str, datetime], Count]
) -> Iterable[tuple[str, Count]]:
    kept = {(row.queue_name, row.minute): row for row in QueueMinute.objects.filter(minute__gte=begin, minute__lt=end)}
    new, changed, grown = [], [], []
    for (queue_name, minute), count in found.items():
        row = kept.get((queue_name, minute))
        if row is None:
            row = QueueMinute(queue_name=queue_name, minute=minute)
            count.write_to(row)
            new.append(row)
            grown.append((queue_name, count))
        elif more := count.since(before := Count.of(row)):
            before.add(more)
            before.write_to(row)
            changed.append(row)
            grown.append((queue_name, more))
    QueueMinute.objects.bulk_create(new, batch_size=200)
    QueueMinute.objects.bulk_update(changed, [*NUMBERS, *HISTOGRAMS], batch_size=50)
    return grown


def _add_to_totals(totals: Mapping[str, QueueTotal], grown: Iterable[tuple[str, Count]]) -> None:
    sums: dict[str, Count] = defaultdict(Count)
    for queue_name, count in grown:
        sums[queue_name].add(count)
    for queue_name, more in sums.items():
        row = totals[queue_name]
        more.add(Count.of(row))
        more.write_to(row)
        row.save()


def _floor(time: datetime) -> datetime:
    return time.replace(second=0, microsecond=0)
