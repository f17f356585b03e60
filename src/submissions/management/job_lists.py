"""jobs and find: the list of jobs, on a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from rich.cells import cell_len

from submissions.management.base import DataCommand, Options, UsageError, positive, shown
from submissions.statistics import jobs_list
from submissions.statistics.jobs_list import Filters, Listed
from submissions.text import counted, duration

COLUMNS = ("submission", "state", "changed", "queue", "learner", "item", "grader", "error")
# Of an error, and of a usage key its last part: the rest is the same for a whole course.
LONGEST_ERROR = 60
# So many jobs stand below one head: a million of them are printed while they are read, in bounded memory.
BLOCK = 1000


class JobListCommand(DataCommand):
    """Prints jobs, the latest change first."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        many = parser.add_mutually_exclusive_group()
        many.add_argument("--limit", type=positive, default=50, help="how many at the most (default: %(default)s)")
        many.add_argument("--all", action="store_true", dest="every", help="all that match")

    def show(self, filters: Filters, options: Options) -> int:
        """How many were printed."""
        limit = None if options["every"] else options["limit"]
        if options["as_json"]:
            count = more = 0
            for row in _rows(filters, limit):
                count, more = count + 1, row is None
                if row is not None:
                    self.say(asdict(row))
            return count - more
        count, more, rows = 0, False, _rows(filters, limit)
        while block := list(islice(rows, BLOCK)):
            listed = [row for row in block if row is not None]
            self._print([tuple(map(shown, _cells(row))) for row in listed])
            count, more = count + len(listed), len(listed) < len(block)
        if more:
            self.tell(f"The latest {counted(count, 'job')}; there are more (--limit, --all).")
        return count

    def _print(self, cells: Sequence[Sequence[str]]) -> None:
        if cells and sys.stdout.isatty() and _width(cells) > shutil.get_terminal_size().columns:
            for line in narrow(cells):
                self.stdout.write(line)
        elif cells:
            self.table(COLUMNS, cells)


def _rows(filters: Filters, limit: int | None) -> Iterator[Listed | None]:
    """Page by page, however many jobs have to be looked at; None at the end where there are more."""
    left, after = limit, None
    while True:
        size = jobs_list.PAGE if left is None else min(left, jobs_list.PAGE)
        page = jobs_list.page(filters, size=size, after=after)
        yield from jobs_list.rows(page.jobs)
        after = page.after
        left = None if left is None else left - len(page.jobs)
        if after is None:
            return
        if left == 0:
            yield None
            return


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]


def _width(cells: Sequence[Sequence[str]]) -> int:
    return sum(_widths([COLUMNS, *cells])) + 2 * (len(COLUMNS) - 1)


def narrow(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """For a terminal that the table does not fit: learner and item, whole, on a second line, an error on a third."""
    rows = [COLUMNS, *cells]
    firsts = [(*row[:3], row[6], row[3]) for row in rows]  # grader and queue last: a queue's name may be long
    widths = _widths(firsts)
    indent = " " * (widths[0] + 2)
    for first, (*_, learner, item, _, error) in zip(firsts, rows, strict=True):
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(first, widths, strict=True))
        yield "  ".join(padded).rstrip()
        yield f"{indent}{learner}  {item}"
        if error != "-":
            yield f"{indent}{error}"


def _cells(row: Listed) -> tuple[object, ...]:
    return (
        row.submission,
        jobs_list.STATES[row.state],
        f"{duration(timezone.now() - row.changed_at)} ago",
        row.queue,
        row.learner,
        row.item.rpartition("@")[2] or row.item,
        row.grader,
        " ".join(row.error.split())[:LONGEST_ERROR],
    )


def read(given: dict[str, Any]) -> Filters:
    """From the words of a command line. Raises UsageError."""
    try:
        return jobs_list.read(given)
    except jobs_list.BadFilter as wrong:
        raise UsageError(f"--{wrong.field}: {wrong}") from None
