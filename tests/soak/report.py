"""A soak as a section of a Markdown page."""

from __future__ import annotations

from collections.abc import Sequence

from tests.nemesis.report import machine
from tests.soak.verdict import Line, Record

STEPS = 10


def section(title: str, command: str, record: Record, found: Sequence[Line], note: str) -> str:
    hours = record.samples[-1].seconds / 3600
    head = f"{record.cycles:,} cycles and {record.polls:,} polls of an empty queue in {hours:.1f} hours."
    parts = [
        f"## {title}",
        f"`{command}`",
        " ".join(filter(None, (head, note, machine()))),
        table(found),
        course(record),
    ]
    if record.errors:
        parts.append("\n".join(f"* {count} times: {what}" for what, count in record.errors.most_common(20)))
    return "\n\n".join(parts) + "\n"


def table(found: Sequence[Line]) -> str:
    rows = ["| | first tenth | last tenth | ratio | bound | |", "| --- | ---: | ---: | ---: | --- | --- |"]
    for line in found:
        ratio = f"{line.last / line.first:.2f}" if line.first else ""
        unit = f" {line.unit}" if line.unit else ""
        holds = "" if not line.bound else "holds" if line.fine else "**DOES NOT HOLD**"
        what = f"{line.what}{',' * bool(unit)}{unit}"
        rows.append(f"| {what} | {_number(line.first)} | {_number(line.last)} | {ratio} | {line.bound} | {holds} |")
    return "\n".join(rows)


def course(record: Record) -> str:
    """A row for each tenth of the run, as its last sample was."""
    rows = [
        "| cycles | memory of the largest process (MiB) | descriptors | connections | tables (MiB) | indexes (MiB) |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for step in range(1, STEPS + 1):
        reached = [one for one in record.samples if one.cycles <= record.cycles * step / STEPS]
        if reached:
            one = reached[-1]
            rows.append(
                f"| {one.cycles:,} | {one.largest:.1f} | {one.descriptors} | {one.connections} "
                f"| {one.table / 2**20:,.0f} | {one.index / 2**20:,.0f} |"
            )
    return "\n".join(rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.1f}"
