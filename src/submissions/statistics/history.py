"""What happened in the queues, by steps of time and in total: the one reader of the minutes that `rollup` counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count as Number
from django.db.models import Q, Sum
from django.utils import timezone

from submissions.models import ClaimEnd, ClaimOutcome, QueueMinute, QueueTotal, RollUp
from submissions.statistics.histogram import Histogram
from submissions.statistics.rollup import MINUTE, Count, Watermark, counted, roll_up, watermark

__all__ = [
    "Bucket",
    "Count",
    "Histogram",
    "by_queue",
    "have_completed",
    "history",
    "losses",
    "overruns",
    "roll_up",
    "sums",
    "together",
    "totals",
]

# So much of what is not yet rolled up is counted for each reader.
TAIL = timedelta(minutes=15)
# Where no `serve` rolls up, or where it has millions of jobs before it, a reader does: so many minutes and jobs.
CATCH_UP, MOST_JOBS = 24 * 60, 2_000
# More points than a screen has.
MOST_BUCKETS = 10_000


@dataclass
class Bucket(Count):
    """What happened from `start` on, for one step of time; `failed` are the jobs that were given up.

    `waits`: from a job's arrival to the claim that brought its score; `gradings`: from that claim to the score. Both
    are counted with the score.
    """

    start: datetime = field(kw_only=True)


def history(queue_name: str | None, *, since: datetime, step: timedelta) -> list[Bucket]:
    """One bucket per `step` (a whole number of minutes) from `since` to now, also where nothing happened.

    `queue_name` None: all queues together. The last bucket goes on. Raises ValueError for a step of no whole minutes,
    or for more than MOST_BUCKETS.
    """
    if step < MINUTE or step % MINUTE:
        raise ValueError("A step is a whole number of minutes.")
    roll_up(CATCH_UP, most=MOST_JOBS)
    state = watermark()
    now = state.now if state is not None else timezone.now()
    start = since.replace(second=0, microsecond=0)
    buckets = _empty(start, step, max(-((start - now) // step), 0))
    names = None if queue_name is None else [queue_name]
    for _, at, count in _minutes(names, start, state):
        _put(buckets, at, count, step)
    return buckets


def by_queue(names: Collection[str], *, span: timedelta, step: timedelta) -> dict[str, list[Bucket]]:
    """The last `span` of each of these queues, oldest bucket first, also where nothing happened.

    The buckets begin at whole steps from midnight (UTC), so that a point does not change while it moves across a plot;
    the last one goes on. No bucket before there is any job. Raises ValueError as `history` does.
    """
    if step < MINUTE or step % MINUTE:
        raise ValueError("A step is a whole number of minutes.")
    roll_up(CATCH_UP, most=MOST_JOBS)
    state = watermark()
    if state is None or not names:
        return {name: [] for name in names}
    start = first_step(state.now, span, step)
    found = {name: _empty(start, step, span // step) for name in names}
    for name, at, count in _minutes(names, start, state):
        _put(found[name], at, count, step)
    return found


def sums(names: Collection[str] | None, *, span: timedelta, step: timedelta) -> list[Bucket]:
    """The same steps of several queues together, without their histograms; `names` None: of all queues.

    The database adds up, whatever their number.
    """
    roll_up(CATCH_UP, most=MOST_JOBS)
    state = watermark()
    if state is None:
        return []
    start = first_step(state.now, span, step)
    found = _empty(start, step, span // step)
    rows = QueueMinute.objects.filter(minute__gte=start, minute__lt=state.until).order_by()
    if names is not None:
        rows = rows.filter(queue_name__in=list(names))
    added = rows.values("minute").annotate(come=Sum("arrived"), done=Sum("completed"), lost=Sum("failed"))
    for at, arrived, completed, failed in added.values_list("minute", "come", "done", "lost"):
        _put(found, at, Count(arrived=arrived, completed=completed, failed=failed), step)
    for (name, at), count in _tail(state).items():
        if names is None or name in names:
            _put(found, at, count, step)
    return found


def first_step(now: datetime, span: timedelta, step: timedelta) -> datetime:
    """Where the steps of the last `span` begin: whole ones from midnight (UTC), the last one goes on.

    So a point does not change while it moves across a plot.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (now - midnight) // step * step - span + step


def together(buckets: Iterable[Count]) -> Count:
    """All of them as one."""
    total = Count()
    for bucket in buckets:
        total.add(bucket)
    return total


def _empty(start: datetime, step: timedelta, length: int) -> list[Bucket]:
    if length > MOST_BUCKETS:
        raise ValueError(f"These are more than {MOST_BUCKETS} steps.")
    return [Bucket(start=start + number * step) for number in range(length)]


def _put(buckets: list[Bucket], at: datetime, count: Count, step: timedelta) -> None:
    position = (at - buckets[0].start) // step if buckets else -1
    if 0 <= position < len(buckets):
        buckets[position].add(count)


def _minutes(
    names: Collection[str] | None, start: datetime, state: Watermark | None
) -> Iterator[tuple[str, datetime, Count]]:
    """What was counted from `start` on, by queue and minute; `names` None: of all queues."""
    if state is None:
        return
    rows = QueueMinute.objects.filter(minute__gte=start, minute__lt=state.until).order_by()
    if names is not None:
        rows = rows.filter(queue_name__in=names)
    for row in rows.iterator():
        # MariaDB also finds names in other cases.
        if names is None or row.queue_name in names:
            yield row.queue_name, row.minute, Count.of(row)
    for (name, at), count in _tail(state).items():
        if names is None or name in names:
            yield name, at, count


def _tail(state: Watermark) -> dict[tuple[str, datetime], Count]:
    """From where the roll-up stands, not up to now: what a second call finds is never less."""
    return counted(state.until, min(state.now + MINUTE, state.until + TAIL))


def totals() -> dict[str, Count]:
    """All events by queue, until now; none of these numbers falls."""
    roll_up(CATCH_UP, most=MOST_JOBS)
    for _ in range(5):
        state = watermark()
        sums = {row.queue_name: Count.of(row) for row in QueueTotal.objects.all()}
        if state is None:
            return sums
        # Minutes that were counted before a clock was set back are in the totals.
        rows = QueueMinute.objects.filter(minute__gte=state.until, minute__lt=state.until + TAIL)
        known = {(row.queue_name, row.minute): Count.of(row) for row in rows}
        tail = _tail(state)
        # Counted on meanwhile: a part would be in both.
        if RollUp.objects.filter(until=state.until).exists():
            break
    for (queue_name, at), count in tail.items():
        sums.setdefault(queue_name, Count()).add(count.since(known.get((queue_name, at), Count())))
    return sums


@dataclass
class Overruns:
    """What happened in a queue after the end of leases."""

    lost: dict[str, int] = field(default_factory=dict)
    """Leases that ran out, by grader."""
    late: int = 0
    """Results that came after their lease, accepted or not."""
    late_seconds: float = 0.0
    """How long those took, from the claim on, all together."""


def overruns(lost_since: datetime, late_since: datetime) -> dict[str, Overruns]:
    """By queue: lost leases since the one time, late results since the other, earlier one. One statement."""
    lost, late = Q(outcome=ClaimOutcome.LOST, at__gte=lost_since), Q(outcome=ClaimOutcome.LATE)
    rows = ClaimEnd.objects.filter(lost | late, at__gte=late_since).order_by().values("queue_name", "grader")
    counts = rows.annotate(
        lost=Number("pk", filter=lost), late=Number("pk", filter=late), took=Sum("seconds", filter=late)
    )
    found: dict[str, Overruns] = defaultdict(Overruns)
    for queue_name, grader, number_lost, number_late, seconds in counts.values_list(
        "queue_name", "grader", "lost", "late", "took"
    ):
        queue = found[queue_name]
        if number_lost:
            queue.lost[grader] = number_lost
        queue.late += number_late
        queue.late_seconds += seconds or 0
    return found


def have_completed(names: Collection[str]) -> set[str]:
    """Which of these queues have ever had a result that was accepted, as far as the minutes are counted."""
    rows = QueueTotal.objects.filter(queue_name__in=list(names), completed__gt=0) if names else ()
    return {row.queue_name for row in rows}


def losses(since: datetime) -> dict[tuple[str, str], dict[str, int]]:
    """How many claims ended without a score since then: ``{(queue, grader): {"failed": 2, "lost": 1}}``."""
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    ends = ClaimEnd.objects.filter(at__gte=since).values_list("queue_name", "grader", "outcome")
    for queue_name, grader, outcome, number in ends.annotate(number=Number("pk")).order_by():
        found[queue_name, grader][outcome] = number
    return dict(found)
