"""How far it is: a bar on a terminal, a line now and then elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LINES = 10


@contextmanager
def progress(what: str, total: int, tell: Callable[[str], object]) -> Iterator[Callable[[int], None]]:
    """Gives a function that takes how many are done; `tell` writes a line."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=sys.stderr), expand=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        yield _Lines(what, total, tell)


class _Lines:
    """One line for each tenth."""

    def __init__(self, what: str, total: int, tell: Callable[[str], object]) -> None:
        self.what, self.total, self.tell = what, total, tell
        self.tenth = 0
        self.started = time.monotonic()

    def __call__(self, done: int) -> None:
        tenth = LINES * done // self.total
        if tenth > self.tenth:
            self.tenth = tenth
            self.tell(f"{self.what}: {done} of {self.total}, {time.monotonic() - self.started:.0f} s")
