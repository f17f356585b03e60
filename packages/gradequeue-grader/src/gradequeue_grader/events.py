"""What a worker announces, and who listens: people at a terminal, a log, a program that reads JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, TextIO
from unicodedata import category

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

# Categories of characters: control characters; half surrogates, which nothing can be written with.
OBEYED = ("Cc", "Cs")
# What ends a job, in the order in which it is counted.
ENDS = ("graded", "failed", "given_up", "refused", "lost", "cancelled")


class Listener(Protocol):
    """Is told of each event: from any thread."""

    def hear(self, event: str, **facts: Any) -> None:
        """An event's name, and what belongs to it."""


@dataclass
class Unbroken:
    """Passes events on, one at a time. One that cannot be written costs no job: on a full disk lines are lost, and
    where nobody reads any more, `gone` is called."""

    listener: Listener
    gone: Callable[[], object]
    lock: threading.Lock = field(default_factory=threading.Lock)
    lost: bool = False
    """Whether a line could not be written; a part of it may still be in the stream's buffer."""

    def hear(self, event: str, **facts: Any) -> None:
        """Never raises OSError."""
        try:
            with self.lock:
                self.listener.hear(event, **facts)
        except BrokenPipeError:
            self.gone()
        except OSError:
            self.lost = True  # there is no place left where it could be said


SENTENCES = {
    "started": "asks {url} for jobs of {queues}; {jobs} at once, {sandbox}",
    "claimed": "submission {submission}: taken from {queue}",
    "graded": "submission {submission}: {score}, in {seconds} s",
    "failed": "submission {submission}: no result ({kind}): {message}",
    "refused": "submission {submission}: the queue said no: {message}",
    "lost": "submission {submission}: somebody else has it now: {message}",
    "cancelled": "submission {submission}: the queue took it back",
    "given_up": "submission {submission}: the queue could not be told: {message}",
    "given_back": "submission {submission}: given back",
    "trouble": "{message}",
    "stopping": "ends; {held} to finish",
    "stopped": "ended: {ends}",
}


def sentence(event: str, facts: Mapping[str, Any]) -> str:
    """An event in words. A message may be whatever a grader printed: its further lines stand indented, so that none can
    pass for an event, and nothing of it moves a terminal's cursor."""
    words = SENTENCES[event].format_map({**facts, "ends": counted(facts.get("ends", {}))})
    return "\n    ".join(map(harmless, words.splitlines()))


def harmless(line: str) -> str:
    """The same without characters that a terminal obeys: they are told by their number."""
    return "".join(ascii(char)[1:-1] if category(char) in OBEYED and char != "\t" else char for char in line)


@dataclass
class JsonLines:
    """One object a line."""

    out: TextIO = field(default_factory=lambda: sys.stdout)

    def hear(self, event: str, **facts: Any) -> None:
        """Written at once, whole."""
        told = {"event": event, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())} | facts
        self.out.write(json.dumps(told) + "\n")
        self.out.flush()


@dataclass
class Lines:
    """A line for each event, for a log."""

    out: TextIO = field(default_factory=lambda: sys.stderr)

    def hear(self, event: str, **facts: Any) -> None:
        """With the time, in UTC."""
        self.out.write(f"{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())} {sentence(event, facts)}\n")
        self.out.flush()


class Screen:
    """A bar for each job that runs, against its time limit; above them the lines that matter."""

    def __init__(self, limit_seconds: float) -> None:
        self.limit = limit_seconds
        self.counts: Counter[str] = Counter()
        columns = (TextColumn("{task.description}"), BarColumn(30), TimeElapsedColumn())
        self.progress = Progress(*columns, console=Console(stderr=True, markup=False, highlight=False))
        self.whole = self.progress.add_task("waiting", total=None)
        self.bars: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> Screen:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.progress.stop()

    def hear(self, event: str, **facts: Any) -> None:
        """Redraw; say what is no everyday thing."""
        if event == "claimed":
            bar = self.progress.add_task(facts["submission"][:8], total=self.limit)
            self.bars[facts["claim"]] = (bar, time.monotonic())
        elif event in (*ENDS, "given_back") and facts.get("claim") in self.bars:
            self.progress.remove_task(self.bars.pop(facts["claim"])[0])
        self.counts[event] += 1
        self.draw()
        if event not in ("claimed", "graded"):
            self.progress.console.print(sentence(event, facts))

    def draw(self) -> None:
        """Where everything stands now."""
        for bar, since in list(self.bars.values()):
            self.progress.update(bar, completed=min(time.monotonic() - since, self.limit))
        done = counted(self.counts)
        self.progress.update(self.whole, description=f"{done}; {len(self.bars) or 'none'} running")


def counted(counts: Mapping[str, int]) -> str:
    """How jobs ended, in words."""
    return ", ".join(f"{counts[end]} {end.replace('_', ' ')}" for end in ENDS if counts.get(end)) or "nothing graded"
