"""How far a page looks back, and what it remembers: the numbers are those of `submissions.statistics.history`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.core.cache import cache
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gradequeue.dashboard.plots import Marker
from gradequeue.dashboard.reads.activity import Shown
from submissions.statistics import samples
from submissions.statistics.history import Bucket, by_queue, sums
from submissions.statistics.samples import Depth
from submissions.words import Words

# For so long a page shows the same long history (seconds); the last hour is always fresh.
REMEMBERED = 60

Steps = dict[str, list[Bucket]]


@dataclass(frozen=True)
class Window:
    """How far a page looks back, and in which steps."""

    key: str
    words: Words
    span: timedelta
    step: timedelta


HOUR = Window("hour", _("last hour"), timedelta(hours=1), timedelta(minutes=1))
WINDOWS = (
    HOUR,
    Window("day", _("last day"), timedelta(days=1), timedelta(minutes=15)),
    Window("week", _("last 7 days"), timedelta(days=7), timedelta(hours=2)),
    Window("month", _("last 28 days"), timedelta(days=28), timedelta(hours=8)),
)
# The small plot of the overview has fewer points.
SMALL_DAY = Window("day", _("last day"), timedelta(days=1), timedelta(hours=1))


def window_of(key: str | None) -> Window:
    return next((window for window in WINDOWS if window.key == key), WINDOWS[1])


def _key(kind: str, names: Collection[str], window: Window) -> str:
    which = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:32]
    return f"gradequeue.{kind}.{window.key}.{window.step.seconds}.{which}"


def history(names: Collection[str], window: Window) -> Steps:
    """The steps of each of these queues, oldest first. A window longer than an hour is remembered for REMEMBERED
    seconds."""
    if window.span <= HOUR.span:
        return by_queue(names, span=window.span, step=window.step)
    wanted = sorted(names)
    key = _key("history", wanted, window)
    found: Steps | None = cache.get(key)
    if found is None:
        found = by_queue(wanted, span=window.span, step=window.step)
        cache.set(key, found, REMEMBERED)
    return found


@dataclass(frozen=True)
class Overall:
    """All queues that a viewer sees, together."""

    steps: list[Bucket]
    depths: list[Depth | None]


def overall(names: Collection[str] | None, window: Window) -> Overall:
    """`names` None: all queues. What is longer than an hour is remembered for REMEMBERED seconds."""
    found: Overall | None = None
    key = f"{_key('overall', names or (), window)}.{names is None}"
    if window.span > HOUR.span:
        found = cache.get(key)
    if found is None:
        steps = sums(names, span=window.span, step=window.step)
        found = Overall(steps, _depths(names, steps, window))
        cache.set(key, found, REMEMBERED)
    return found


def _depths(names: Collection[str] | None, steps: list[Bucket], window: Window) -> list[Depth | None]:
    if not steps:
        return []
    place = (steps[0].start, window.step, len(steps))
    return samples.of_all(*place) if names is None else samples.of_some(names, *place)


def depths(name: str, steps: list[Bucket], window: Window, now: Depth) -> list[Depth | None]:
    """The highest of each step of one queue; in the last one also what it is now."""
    if not steps:
        return []
    found = samples.of_queue(name, steps[0].start, window.step, len(steps))
    return with_now(found, now)


def with_now(found: Sequence[Depth | None], now: Depth) -> list[Depth | None]:
    *before, last = found
    return [*before, now if last is None else now.at_most(last)]


def markers(lines: Sequence[Shown], steps: list[Bucket], step: timedelta) -> list[Marker]:
    """What operators did, each in its step, oldest first; `lines` newest first."""
    found = []
    for one in reversed(lines):
        position = (one.row.at - steps[0].start) // step if steps else -1
        if position >= 0:
            found.append(Marker(min(position, len(steps) - 1), _told(one), one.row.at))
    return found


def _told(one: Shown) -> str:
    told = {"who": one.who, "what": one.what, "queue": one.row.queue_name}
    if not one.row.queue_name:
        return gettext("%(who)s %(what)s") % told
    return gettext("%(who)s %(what)s in %(queue)s") % told
