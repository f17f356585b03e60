"""How each queue stands, the worst first, and what is wrong with it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import IO, Any, cast

from django.core.management.base import CommandParser
from django.utils import timezone
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from submissions.management.base import DataCommand, UsageError, positive
from submissions.management.interrupts import stop_event
from submissions.statistics import lights, standing
from submissions.statistics.standing import Standing
from submissions.text import duration, printable

# The name comes last: however long it is, the columns stay.
COLUMNS = ("light", "waiting", "grading", "failed", "oldest", "last polled", "queue")
LEFT = {"light", "last polled", "queue"}
STYLES = {lights.RED: "bold red", lights.AMBER: "yellow", lights.GREEN: "green"}
WATCH_SECONDS = 5


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--watch",
            type=positive,
            nargs="?",
            const=WATCH_SECONDS,
            metavar="SECONDS",
            help="again and again, until Ctrl-C (every %(const)s seconds)",
        )

    def handle(self, **options: Any) -> None:
        if options["watch"] is None:
            self._show(standing.of_all(), options["as_json"])
        elif options["as_json"]:
            raise UsageError("--watch is for people; it goes without --json.")
        else:
            self._watch(options["watch"], stop_event())

    def _watch(self, seconds: int, stop: threading.Event) -> None:
        while not stop.is_set():
            found = standing.of_all()
            if sys.stdout.isatty():
                self.stdout.write("\x1b[2J\x1b[H", ending="")
            self.stdout.write(f"{timezone.localtime():%Y-%m-%d %H:%M:%S %Z}, every {seconds} s; Ctrl-C ends it.")
            self._show(found, as_json=False)
            self.stdout.write("")
            self.stdout.flush()
            stop.wait(seconds)

    def _show(self, found: list[Standing], as_json: bool) -> None:
        if as_json:
            for one in found:
                self.say(_row(one))
        elif found:
            # Rich sends colours to a terminal only, and none where NO_COLOR is set.
            console = Console(file=cast(IO[str], self.stdout), markup=False, highlight=False, soft_wrap=True)
            for line in _lines(found):
                console.print(line)
        else:
            self.tell("There is no queue yet; the first submission sets one up (gradequeue enqueue).")


def _row(one: Standing) -> dict[str, object]:
    """The fields of --json: scripts depend on them (docs/operating.md)."""
    return {
        "queue_name": one.name,
        "waiting": one.waiting,
        "being_graded": one.being_graded,
        "retry": one.count.retry,
        "failed": one.failed,
        "oldest_waiting_seconds": one.oldest_seconds,
        "last_polled_at": one.queue.last_polled_at,
        "last_polled_by": one.queue.last_polled_by,
        "paused": one.queue.paused,
        "warnings": one.warnings,
        "at_least": one.count.at_least,
        "pending": one.count.pending,
        "lapsed": one.count.lapsed,
        "light": one.light.colour,
    }


def _lines(found: list[Standing]) -> Iterator[Text]:
    """A line for each queue, and one below it for each warning."""
    rows = [_cells(one) for one in found]
    widths = [max(map(cell_len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    yield Text(_line(COLUMNS, widths), "bold")
    for one, row in zip(found, rows, strict=True):
        line = Text(_line(row, widths))
        line.stylize(STYLES[one.light.colour], 0, len(row[0]))
        yield line
        for warning in one.warnings:
            yield Text(f"{'':{widths[0]}}  {printable(warning)}", STYLES[one.light.colour])


def _cells(one: Standing) -> tuple[str, ...]:
    return (
        one.light.colour,
        *map(one.count.shown, (one.waiting, one.being_graded, one.failed)),
        duration(one.oldest),
        "-" if one.silent is None else f"{duration(one.silent)} ago",
        printable(one.name) + (" (paused)" if one.queue.paused else ""),
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (
        cell + " " * (width - cell_len(cell)) if column in LEFT else " " * (width - cell_len(cell)) + cell
        for column, cell, width in zip(COLUMNS, cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()
