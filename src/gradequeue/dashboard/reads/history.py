"""How far a page looks back, and what it remembers: the numbers are those of `submissions.statistics.history`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache

from submissions.statistics.history import Bucket, by_queue

# For so long a page shows the same long history (seconds); the last hour is always fresh.
REMEMBERED = 60

Steps = dict[str, list[Bucket]]


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
# The small plot of the overview has fewer points.
SMALL_DAY = Window("day", "last day", timedelta(days=1), timedelta(hours=1))


def window_of(key: str | None) -> Window:
    return next((window for window in WINDOWS if window.key == key), WINDOWS[1])


def history(names: Collection[str], window: Window) -> Steps:
    """The steps of each of these queues, oldest first. A window longer than an hour is remembered for REMEMBERED
    seconds."""
    if window.span <= HOUR.span:
        return by_queue(names, span=window.span, step=window.step)
    wanted = sorted(names)
    which = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:32]
    key = f"gradequeue.history.{window.key}.{window.step.seconds}.{which}"
    found: Steps | None = cache.get(key)
    if found is None:
        found = by_queue(wanted, span=window.span, step=window.step)
        cache.set(key, found, REMEMBERED)
    return found


def open_jobs(steps: list[Bucket], now_open: int) -> list[int]:
    """How many jobs were waiting or being graded at the end of each step, counted back from now.

    What was ended without score or retried by an operator is not in the steps, so older numbers may be off by those.
    """
    found: list[int] = []
    for step in reversed(steps):
        found.append(max(now_open, 0))
        now_open += step.completed + step.failed - step.arrived
    return found[::-1]
