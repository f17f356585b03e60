"""What a person reads at the end, and what a program does: the same facts."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, astuple
from typing import TextIO

from rich.console import Console
from rich.table import Table

from gradequeue.demo import report
from gradequeue.demo.live.day import REST, Day
from gradequeue.demo.processes import Account, example

COLUMNS = ("problem", "attempts", "full", "partial", "zero", "failed", "median s")


def show(found: list[report.Result], summary: report.Summary, out: TextIO) -> None:
    """For people: the table, what it comes to, and what is not as expected."""
    console = Console(file=out, width=None if out.isatty() else 200, markup=False, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "problem" else "right")
    for row in report.rows(found):
        table.add_row(*_cells(row))
    table.add_section()
    table.add_row(*_cells(report.total(found)), style="bold")
    console.print(table)
    console.print(f"\n{in_words(summary)}")
    _show_others(found, console)


def _show_others(found: list[report.Result], console: Console) -> None:
    others = report.differences(found)
    if others:
        console.print(f"\nThe {len(others)} whose verdict is not the expected one:\n")
        table = Table("problem", "program", "id", "verdict", "why", box=None, pad_edge=False, header_style="bold")
        for one in others:
            table.add_row(*map(str, astuple(one)))
        console.print(table)


def _cells(row: report.Row) -> Iterator[str]:
    for value in astuple(row):
        yield "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def in_words(summary: report.Summary) -> str:
    ways = (
        f"{summary.attempts - summary.by_worker} by XQueue, {summary.by_worker} by REST. " if summary.by_worker else ""
    )
    return (
        f"{summary.with_one_score} of {summary.attempts} ended with exactly one score, in {summary.seconds:.0f} s. "
        f"{ways}Verdicts as expected: {summary.as_expected} of {summary.attempts} ({summary.agreement:.2%})."
    )


def objects(found: list[report.Result], summary: report.Summary) -> Iterator[dict[str, object]]:
    """The same for programs: a line's ``row`` says what it is."""
    for row in report.rows(found):
        yield {"row": "problem", **asdict(row)}
    for difference in report.differences(found):
        yield {"row": "difference", **asdict(difference)}
    yield {"row": "summary", **asdict(summary), "agreement": summary.agreement}


def invitation(day: Day, name: str, password: str) -> str:
    """What people may do while the demonstration lives."""
    first = day.graders[0]
    return f"""
A month of data, {len(day.graders)} graders, and a platform: {day.url}/dashboard/
  name {name}, password {password}

Kill a grader and watch {first.queues[0]} turn red, and heal {REST} s later:
  kill -9 {day.pid(first)}

What breaks by itself is told here. The results go to a platform on this machine and
nowhere else. Ctrl-C ends everything.
"""


def where_to_look(url: str, account: Account, found: list[report.Result]) -> str:
    """What to try while the server is up; no line longer than 80 characters where names are short."""
    me = "gradequeue" if shutil.which("gradequeue") == sys.argv[0] else sys.argv[0]
    given = [name for name in ("DATABASE_URL", "GRADEQUEUE_DATA") if name in os.environ]
    same = f"and with the same {' and '.join(given)}" if given else "in this folder"
    wordy = next((one for one in found if one.verdict == "partial"), found[0])
    return f"""
The server and the graders stay up until Ctrl-C. In another terminal, {same}:

  {me} queues
      every queue: what waits there, and who polls it
  {me} show {wordy.submission_id}
      one submission: its score, and what its grader wrote
  {me} createsuperuser
      an account for {url}/dashboard/ and {url}/admin/
  {me} demo --live
      afterwards: a month of data, graders that go on, incidents that heal

A grader of your own can start from
  {example("grader.py")}

An xqueue-watcher pulls from the queue {account.queue}, as long as this runs,
with this xqueue_servers.json:

{json.dumps(account.servers)}
"""
