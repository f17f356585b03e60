"""Plots as SVG: geometry only, in a box of WIDTH x HEIGHT that the page stretches. No library, no script, no style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from submissions.text import duration

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
class Chart:
    title: str
    series: list[Series]
    top: str
    """What the upper edge stands for."""
    summary: str
    """What it shows, in words for screen readers."""
    marks: Sequence[object] = ()
    """Below it, from left to right: times or words."""
    empty: bool = False


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
    """The line, and all below it."""
    if not values:
        return ""
    through = "L".join(f"{_x(position, len(values))} {_y(value or 0, top)}" for position, value in enumerate(values))
    return f"M0 {HEIGHT}L{through}L{WIDTH} {HEIGHT}Z"


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


def throughput(starts: Sequence[datetime], arrived: Sequence[int], completed: Sequence[int]) -> Chart:
    top = top_of(arrived, completed)
    return Chart(
        "Arrived and graded",
        [
            Series("arrived", "arrived", area(arrived, top), "area"),
            Series("graded", "graded", line(completed, top)),
        ],
        f"{top:,.0f}",
        f"{sum(arrived):,} arrived, {sum(completed):,} graded.",
        _marks(starts),
        empty=not any(arrived) and not any(completed),
    )


def depth(starts: Sequence[datetime], values: Sequence[int]) -> Chart:
    top = top_of(values)
    last = values[-1] if values else 0
    return Chart(
        "Waiting or being graded",
        [Series("jobs", "open", area(values, top), "area")],
        f"{top:,.0f}",
        f"{last:,} now, at most {max(values, default=0):,}.",
        _marks(starts),
        empty=not any(values),
    )


def waits(starts: Sequence[datetime], half: Sequence[Value], most: Sequence[Value]) -> Chart:
    top = top_of(half, most)
    known = [value for value in most if value is not None]
    return Chart(
        "Waiting times",
        [
            Series("95th percentile", "p95", line(most, top)),
            Series("median", "p50", line(half, top)),
        ],
        duration(top),
        f"95th percentile: at most {duration(max(known))}." if known else "No jobs were graded.",
        _marks(starts),
        empty=not known,
    )


def wait_distribution(rows: Sequence[tuple[float | None, int]]) -> Chart:
    numbers = [number for _, number in rows]
    top = top_of(numbers)
    return Chart(
        "Distribution of waiting times",
        [Series("jobs", "graded", bars(numbers, top), "area")],
        f"{top:,.0f}",
        ", ".join(
            f"{number:,} up to {duration(bound)}" if bound is not None else f"{number:,} longer"
            for bound, number in rows
            if number
        ),
        ["0 s", "5 s", "2 min", "4 h"],
        empty=not any(numbers),
    )


def score_distribution(tenths: Sequence[int]) -> Chart:
    top = top_of(tenths)
    words = [f"{number:,} from {10 * n} to {10 * n + 10} %" for n, number in enumerate(tenths) if number]
    return Chart(
        "Scores",
        [Series("jobs", "graded", bars(tenths, top), "area")],
        f"{top:,.0f}",
        ", ".join(words),
        ["0 %", "50 %", "100 %"],
        empty=not any(tenths),
    )


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
    words = f"{sum(completed):,} graded"
    waited = f"median wait {duration(whole[0])}, 95th percentile {duration(whole[1])}"
    return Spark(
        bars(completed, top),
        line(half, wait_top),
        line(most, wait_top),
        words if whole[0] is None else f"{words}, {waited}",
        words,
    )
