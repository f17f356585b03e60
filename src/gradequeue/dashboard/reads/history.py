"""What happened lately, by queue and step of time, from the minutes that `submissions.statistics.rollup` counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache

from submissions.models import QueueMinute
from submissions.statistics.histogram import Histogram
from submissions.statistics.rollup import MINUTE, counted, roll_up, watermark

# What is not yet rolled up is counted for each who asks: so much of it at the most.
TAIL = timedelta(minutes=15)
# A reader does so many minutes of the roll-up, where no `serve` runs that does it.
CATCH_UP = 24 * 60
# For so long a page shows the same long history (seconds); the last hour is always fresh.
REMEMBERED = 60


@dataclass
class Step:
    """What happened in one queue from `start` on, for one step of time."""

    start: datetime
    arrived: int = 0
    completed: int = 0
    failed: int = 0
    """Jobs that were given up."""
    waits: Histogram = field(default_factory=Histogram)
    gradings: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True)
class Window:
    """How far a page looks back, and in which steps."""

    key: str
    words: str
    span: timedelta
    step: timedelta


HOUR = Window("hour", "last hour", timedelta(hours=1), timedelta(minutes=1))
WINDOWS = (
    HOUR,
    Window("day", "last day", timedelta(days=1), timedelta(minutes=15)),
    Window("week", "last 7 days", timedelta(days=7), timedelta(hours=2)),
    Window("month", "last 28 days", timedelta(days=28), timedelta(hours=8)),
)
# The small plots of the overview have fewer points.
SMALL_HOUR = Window("hour", "last hour", timedelta(hours=1), timedelta(minutes=5))
SMALL_DAY = Window("day", "last day", timedelta(days=1), timedelta(hours=1))


def window_of(key: str | None) -> Window:
    return next((window for window in WINDOWS if window.key == key), WINDOWS[1])


def history(names: Iterable[str], window: Window) -> dict[str, list[Step]]:
    """The steps of each of these queues, oldest first, also where nothing happened. The last one goes on.

    At most one statement for the minutes that are counted, and four for the newest ones that are not yet; a window
    longer than an hour is remembered for REMEMBERED seconds.
    """
    wanted = sorted(names)

    def ask() -> dict[str, list[Step]]:
        return _history(wanted, window)

    return ask() if window.span <= HOUR.span else _remembered(window, wanted, ask)


def _remembered(window: Window, names: list[str], ask: Callable[[], Any]) -> Any:
    which = hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]
    return cache.get_or_set(f"gradequeue.dashboard.{window.key}.{window.step.seconds}.{which}", ask, REMEMBERED)


def _history(names: list[str], window: Window) -> dict[str, list[Step]]:
    roll_up(CATCH_UP)
    state = watermark()
    if state is None or not names:
        return {name: [] for name in names}
    length = window.span // window.step
    # Whole steps, so that a point does not change while it moves across the plot.
    start = _floor(state.now, window.step) - window.span + window.step
    found = {name: [Step(start + number * window.step) for number in range(length)] for name in names}
    for name, minute, step in _minutes(names, start, state):
        position = (minute - start) // window.step
        if name in found and 0 <= position < length:
            _add(found[name][position], step)
    return found


def _minutes(names: list[str], start: datetime, state: Any) -> Iterable[tuple[str, datetime, Any]]:
    rows = QueueMinute.objects.filter(queue_name__in=names, minute__gte=start, minute__lt=state.until).order_by()
    for row in rows.only("queue_name", "minute", "arrived", "completed", "failed", "waits", "gradings").iterator():
        row.waits, row.gradings = Histogram.parse(row.waits), Histogram.parse(row.gradings)  # type: ignore[assignment]
        yield row.queue_name, row.minute, row
    newest = counted(max(state.until, start), min(state.now + MINUTE, state.until + TAIL))
    for (name, minute), count in newest.items():
        yield name, minute, count


def _add(step: Step, other: Any) -> None:
    step.arrived += other.arrived
    step.completed += other.completed
    step.failed += other.failed
    step.waits.merge(other.waits)
    step.gradings.merge(other.gradings)


def _floor(moment: datetime, step: timedelta) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step


def merged(steps: Iterable[Step]) -> Step | None:
    """All of them as one; None where there are none."""
    total: Step | None = None
    for step in steps:
        if total is None:
            total = Step(step.start)
        _add(total, step)
    return total


def open_jobs(steps: list[Step], now_open: int) -> list[int]:
    """How many jobs were waiting or being graded at the end of each step, counted back from now.

    What was retired without a score or put back by an operator is not in the steps, so older numbers may be off by
    those.
    """
    found: list[int] = []
    for step in reversed(steps):
        found.append(max(now_open, 0))
        now_open += step.completed + step.failed - step.arrived
    return found[::-1]
