"""Plots as SVG: geometry only, in a box of WIDTH x HEIGHT that the page stretches (ADR 0135). No library, no style; the
script that shows values reads them from the table below each plot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext, ngettext, pgettext

from submissions.statistics.history import Bucket
from submissions.statistics.samples import Depth
from submissions.words import duration, number

WIDTH, HEIGHT = 600, 120

Value = float | None


@dataclass(frozen=True)
class Series:
    """One line, area or row of bars. `look` names its colour in the style sheet."""

    name: str
    look: str
    path: str
    kind: str = "line"


@dataclass(frozen=True)
class Panel:
    """One box of a chart, with a scale of its own."""

    series: list[Series]
    top: str
    """What the upper edge stands for, with its unit."""


@dataclass(frozen=True)
class Marker:
    """What an operator did, at its place above the steps."""

    position: int
    """The step."""
    words: str
    at: datetime


@dataclass(frozen=True)
class Table:
    """The values of a chart: for who cannot see it, and for the script that shows them where the reader points."""

    heads: list[str]
    rows: list[tuple[object, list[str]]]
    """What stands on the left of each step, a time or words, and its values."""


@dataclass(frozen=True)
class Chart:
    title: str
    panels: list[Panel]
    summary: str
    """What it shows, in words for screen readers."""
    table: Table
    marks: Sequence[object] = ()
    """Below it, from left to right: times or words."""
    markers: Sequence[Marker] = ()
    empty: bool = False
    bars: bool = False
    """Whether a step is a bar, and not a point of a line."""
    name: str = ""
    """For the script, which remembers by it where the reader points."""

    @property
    def series(self) -> list[Series]:
        return [one for panel in self.panels for one in panel.series]

    @property
    def ticks(self) -> str:
        """A path: one line for each step in which operators did something."""
        length, steps = len(self.table.rows), sorted({one.position for one in self.markers})
        return "".join(f"M{_x(position, length)} 0V{HEIGHT}" for position in steps)


def top_of(*rows: Sequence[Value]) -> float:
    """A round number that none of the values is above."""
    highest = max((value for row in rows for value in row if value is not None), default=0.0)
    step = 1.0
    while highest > step:
        for factor in (2, 2.5, 2):
            step *= factor
            if highest <= step:
                break
    return step


def line(values: Sequence[Value], top: float) -> str:
    """A path through the values, with a gap where a value is missing."""
    parts, pen = [], "M"
    for position, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        parts.append(f"{pen}{_x(position, len(values))} {_y(value, top)}")
        # A single point stays visible.
        if pen == "M":
            parts.append("h0.1")
        pen = "L"
    return "".join(parts)


def area(values: Sequence[Value], top: float) -> str:
    """The line, and all below it; nothing where a value is missing."""
    parts: list[str] = []
    run: list[tuple[str, str]] = []
    for position, value in enumerate([*values, None]):
        if value is not None:
            run.append((_x(position, len(values)), _y(value, top)))
        elif run:
            # A single step stays visible.
            last = run[-1][0] if len(run) > 1 else f"{float(run[0][0]) + 1:.1f}"
            through = "".join(f"L{x} {y}" for x, y in run)
            parts.append(f"M{run[0][0]} {HEIGHT}{through}L{last} {HEIGHT}Z")
            run = []
    return "".join(parts)


def bars(values: Sequence[Value], top: float) -> str:
    """One bar for each value, with a little room between them."""
    slot = WIDTH / max(len(values), 1)
    gap = min(slot * 0.2, 8)
    return "".join(
        f"M{slot * position + gap / 2:.1f} {HEIGHT}V{_y(value, top)}h{slot - gap:.1f}V{HEIGHT}Z"
        for position, value in enumerate(values)
        if value
    )


def _x(position: int, length: int) -> str:
    return f"{WIDTH * position / max(length - 1, 1):.1f}"


def _y(value: float, top: float) -> str:
    return f"{HEIGHT - (HEIGHT - 2) * min(max(value, 0) / (top or 1), 1):.1f}"


# The plots of the pages. ----------------------------------------------------------------------------------------------


def overall(steps: Sequence[Bucket], depths: Sequence[Depth | None], markers: Sequence[Marker]) -> Chart:
    """What came and went, above what was there."""
    starts = [step.start for step in steps]
    arrived, graded = [step.arrived for step in steps], [step.completed for step in steps]
    waiting, failed = _numbers(depths, "waiting"), _numbers(depths, "failed")
    flow, stock = top_of(arrived, graded), top_of(waiting, failed)
    rows = zip(starts, arrived, graded, waiting, failed, strict=True)
    return Chart(
        gettext("All queues"),
        [
            Panel(_flow(arrived, graded, flow), _jobs_in_a_step(flow)),
            Panel(
                [
                    Series(gettext("waiting"), "open", area(waiting, stock), "area"),
                    Series(pgettext("how many", "failed"), "failed", line(failed, stock)),
                ],
                _jobs(stock),
            ),
        ],
        gettext("%(arrived)s arrived, %(graded)s graded; %(waiting)s waiting, %(failed)s failed.")
        % {
            "arrived": number(sum(arrived)),
            "graded": number(sum(graded)),
            "waiting": _told(waiting),
            "failed": _told(failed),
        },
        _table(
            [gettext("Arrived"), gettext("Graded"), gettext("Waiting"), pgettext("how many", "Failed")],
            [(at, list(values)) for at, *values in rows],
            markers,
        ),
        _marks(starts),
        markers,
        empty=not any([*arrived, *graded, *waiting, *failed]),
        name="overall",
    )


def throughput(starts: Sequence[datetime], arrived: Sequence[int], completed: Sequence[int]) -> Chart:
    top = top_of(arrived, completed)
    rows = [(at, [come, done]) for at, come, done in zip(starts, arrived, completed, strict=True)]
    return Chart(
        gettext("Arrived and graded"),
        [Panel(_flow(arrived, completed, top), _jobs_in_a_step(top))],
        gettext("%(arrived)s arrived, %(graded)s graded.")
        % {"arrived": number(sum(arrived)), "graded": number(sum(completed))},
        _table([gettext("Arrived"), gettext("Graded")], rows),
        _marks(starts),
        empty=not any(arrived) and not any(completed),
        name="throughput",
    )


def _flow(arrived: Sequence[int], graded: Sequence[int], top: float) -> list[Series]:
    return [
        Series(gettext("arrived"), "arrived", area(arrived, top), "area"),
        Series(pgettext("how many", "graded"), "graded", line(graded, top)),
    ]


def depth(starts: Sequence[datetime], depths: Sequence[Depth | None], markers: Sequence[Marker]) -> Chart:
    there, failed = _numbers(depths, "open"), _numbers(depths, "failed")
    top = top_of(there, failed)
    rows = [(at, [here, lost]) for at, here, lost in zip(starts, there, failed, strict=True)]
    return Chart(
        gettext("Waiting or being graded, and failed"),
        [
            Panel(
                [
                    Series(gettext("waiting or being graded"), "open", area(there, top), "area"),
                    Series(pgettext("how many", "failed"), "failed", line(failed, top)),
                ],
                _jobs(top),
            )
        ],
        gettext("Waiting or being graded: %(there)s. Failed: %(failed)s.")
        % {"there": _told(there), "failed": _told(failed)},
        _table([gettext("Waiting or being graded"), pgettext("how many", "Failed")], rows, markers),
        _marks(starts),
        markers,
        empty=not any(there) and not any(failed),
        name="depth",
    )


def _numbers(depths: Sequence[Depth | None], name: str) -> list[int | None]:
    return [None if one is None else int(getattr(one, name)) for one in depths]


def _told(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return gettext("not counted")
    return gettext("%(now)s now, at most %(most)s") % {"now": number(known[-1]), "most": number(max(known))}


def _jobs(top: float) -> str:
    return ngettext("%(count)s job", "%(count)s jobs", round(top)) % {"count": number(top)}


def _jobs_in_a_step(top: float) -> str:
    return ngettext("%(count)s job in a step", "%(count)s jobs in a step", round(top)) % {"count": number(top)}


def waits(starts: Sequence[datetime], half: Sequence[Value], most: Sequence[Value]) -> Chart:
    top = top_of(half, most)
    known = [value for value in most if value is not None]
    rows = zip(starts, half, most, strict=True)
    return Chart(
        gettext("Waiting times"),
        [
            Panel(
                [
                    Series(gettext("95th percentile"), "p95", line(most, top)),
                    Series(gettext("median"), "p50", line(half, top)),
                ],
                duration(top),
            )
        ],
        gettext("95th percentile: at most %(time)s.") % {"time": duration(max(known))}
        if known
        else gettext("No jobs were graded."),
        Table(
            [gettext("Median"), gettext("95th percentile")],
            [(at, [duration(one), duration(other)]) for at, one, other in rows],
        ),
        _marks(starts),
        empty=not known,
        name="waits",
    )


def wait_distribution(rows: Sequence[tuple[float | None, int]]) -> Chart:
    numbers = [jobs for _, jobs in rows]
    top = top_of(numbers)
    words = [
        gettext("up to %(time)s") % {"time": duration(bound)} if bound is not None else gettext("longer")
        for bound, _ in rows
    ]
    return Chart(
        gettext("Distribution of waiting times"),
        [Panel([Series(gettext("jobs"), "graded", bars(numbers, top), "area")], _jobs(top))],
        _shares(words, numbers),
        _table([gettext("Jobs")], [(word, [jobs]) for word, jobs in zip(words, numbers, strict=True)]),
        [*(gettext("%(seconds)s s") % {"seconds": bound} for bound in (0, 5)), duration(120), duration(14400)],
        empty=not any(numbers),
        bars=True,
        name="wait-distribution",
    )


def score_distribution(tenths: Sequence[int]) -> Chart:
    top = top_of(tenths)
    words = [gettext("from %(low)s to %(high)s %%") % {"low": 10 * n, "high": 10 * n + 10} for n in range(len(tenths))]
    return Chart(
        gettext("Scores"),
        [Panel([Series(gettext("jobs"), "graded", bars(tenths, top), "area")], _jobs(top))],
        _shares(words, tenths),
        _table([gettext("Jobs")], [(word, [jobs]) for word, jobs in zip(words, tenths, strict=True)]),
        ["0 %", "50 %", "100 %"],
        empty=not any(tenths),
        bars=True,
        name="scores",
    )


def _shares(words: Sequence[str], numbers: Sequence[int]) -> str:
    """ "3 up to 5 s, 1 longer"."""
    told = gettext("%(count)s %(range)s")
    return ", ".join(
        told % {"count": number(jobs), "range": word} for word, jobs in zip(words, numbers, strict=True) if jobs
    )


def _table(
    heads: list[str], rows: Sequence[tuple[object, Sequence[int | None]]], markers: Sequence[Marker] = ()
) -> Table:
    """With a column for what operators did, where they did anything."""
    shown = [(left, ["-" if value is None else number(value) for value in values]) for left, values in rows]
    if not markers:
        return Table(heads, shown)
    by_step: dict[int, list[str]] = defaultdict(list)
    for one in markers:
        by_step[one.position].append(one.words)
    told = [(left, [*values, "; ".join(by_step[position])]) for position, (left, values) in enumerate(shown)]
    return Table([*heads, gettext("Operators")], told)


def _marks(starts: Sequence[datetime]) -> list[datetime]:
    return [starts[0], starts[len(starts) // 2], starts[-1]] if starts else []


@dataclass(frozen=True)
class Spark:
    """A small plot for a row of the overview: bars of graded jobs above lines of waiting times."""

    graded: str
    half: str
    most: str
    summary: str
    words: str


def spark(completed: Sequence[int], half: Sequence[Value], most: Sequence[Value], whole: tuple[Value, Value]) -> Spark:
    """`whole`: median and 95th percentile of the waiting times over the whole time (seconds)."""
    top, wait_top = top_of(completed), top_of(half, most)
    graded = {"graded": number(sum(completed))}
    words = ngettext("%(graded)s graded", "%(graded)s graded", sum(completed)) % graded
    waited = gettext("%(graded)s graded, median wait %(median)s, 95th percentile %(most)s")
    waits = {"median": duration(whole[0]), "most": duration(whole[1])}
    return Spark(
        bars(completed, top),
        line(half, wait_top),
        line(most, wait_top),
        words if whole[0] is None else waited % (graded | waits),
        words,
    )
