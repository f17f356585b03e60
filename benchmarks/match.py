"""Contestants that take turns: whatever else the machine does meanwhile, it does to all of them."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks import environment, measure, seed
from benchmarks.databases import Database
from benchmarks.sides import PASSWORD, Instance, Side
from tests import databases

ENDLESS = sys.maxsize
WARM = 500
"""Cycles after which a server is warm."""


@dataclass
class Round:
    """One turn of one contestant. CPU in seconds; `operations` are cycles, or polls."""

    operations: int
    elapsed: float
    web: float
    database: float | None
    client: float

    @property
    def rate(self) -> float:
        return self.operations / self.elapsed if self.elapsed else 0.0

    def per_operation(self, spent: float | None) -> float | None:
        """Milliseconds of CPU time for each operation."""
        return None if spent is None or not self.operations else 1000 * spent / self.operations


@dataclass
class Outcome:
    """All turns of one contestant."""

    title: str
    rounds: list[Round] = field(default_factory=list)
    calls: dict[str, list[int]] = field(default_factory=dict)
    """Microseconds of each call, of all rounds."""
    faults: Counter[str] = field(default_factory=Counter)
    """duplicates, false empties, errors, and results that were accepted but are not stored."""
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return median(round_.rate for round_ in self.rounds)

    def cpu(self, *parts: str) -> float | None:
        """The median CPU time per operation of `parts` (web, database, client) together (ms)."""
        sums = [[round_.per_operation(getattr(round_, part)) for part in parts] for round_ in self.rounds]
        known = [sum(part for part in one if part is not None) for one in sums if None not in one]
        return median(known) if known else None

    @property
    def client_share(self) -> float:
        """The part of one processor that the client itself needed."""
        return median(round_.client / round_.elapsed for round_ in self.rounds)


class Load:
    """The client's process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.client"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=environment.ROOT)

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The client ended with {self.process.wait()}.")
        return dict(json.loads(line))

    def close(self) -> None:
        self.process.terminate()  # it may be in the middle of a turn that nobody waits for any more
        self.process.communicate()


class Contestant:
    """A side at work on a database of its own, with the client that drives it."""

    def __init__(self, side: Side, kind: str, server: str, graders: int, title: str = "") -> None:
        self.side, self.kind, self.server = side, kind, server
        self.graders = [f"grader-{number}" for number in range(1, graders + 1)]
        self.outcome = Outcome(title or side.title)
        self.name = f"gqbench_{uuid.uuid4().hex[:12]}"
        self.instance = Instance(side, kind)
        self.instance.url = self.url = databases.create(kind, server, self.name, self.instance.folder)
        self.load: Load | None = None
        self.waiting = 0

    def prepare(self) -> None:
        self.instance.prepare(seed.QUEUE, self.graders)
        self.database = Database(self.kind, self.url)
        self.database_pid = measure.database_pid(self.database)

    def start(self, workers: int) -> None:
        self.instance.start(workers=workers)
        self.load = Load()
        csrf = not self.side.ours
        self.load.ask(
            "login", port=self.instance.port, queue=seed.QUEUE, names=self.graders, password=PASSWORD, csrf=csrf
        )

    @property
    def pid(self) -> int:
        assert self.instance.process is not None
        return self.instance.process.pid

    def fill(self, waiting: int, finished: int = 0) -> None:
        seed.fill(self.database, waiting=waiting, finished=finished, ours=self.side.ours)
        self.stored = finished
        self._ask("expect", waiting=waiting)

    def cycle(self, seconds: float, cycles: int = ENDLESS) -> Round:
        """Grade for so long, or so many; what is accepted must be stored."""
        round_ = self._turn("cycle", seconds=seconds, cycles=cycles)
        stored = seed.stored_scores(self.database)
        self.outcome.faults["not stored"] += max(0, self.stored + round_.operations - stored)
        self.stored = stored
        return round_

    def poll(self, seconds: float) -> Round:
        return self._turn("poll", seconds=seconds)

    def take(self, seconds: float, calls: int) -> Round:
        return self._turn("take", seconds=seconds, cycles=calls)

    def give(self, seconds: float, calls: int) -> Round:
        return self._turn("give", seconds=seconds, cycles=calls)

    def warm_up(self, do: str, seconds: float) -> None:
        """A turn that does not count, for imports, caches and the connection of each of the server's threads."""
        kept, self.outcome = self.outcome, Outcome("warm-up")
        self.cycle(seconds, WARM) if do == "cycle" else self.poll(seconds)
        self.outcome = kept

    def close(self) -> None:
        if self.load is not None:
            self.load.close()
        self.instance.stop()
        if hasattr(self, "database"):
            self.database.close()
        databases.drop(self.kind, self.server, self.name)
        self.instance.remove()

    def _ask(self, do: str, **order: Any) -> dict[str, Any]:
        assert self.load is not None
        return self.load.ask(do, **order)

    def _turn(self, do: str, **order: Any) -> Round:
        before = measure.Cost.now(self.pid, self.database_pid)
        found = self._ask(do, **order)
        spent = measure.Cost.now(self.pid, self.database_pid).since(before)
        count = found["cycles"] if do == "cycle" else found["polls"]
        round_ = Round(count, found["elapsed"], spent.web, spent.database, found["cpu"])
        self._note(found, round_)
        return round_

    def _note(self, found: dict[str, Any], round_: Round) -> None:
        self.outcome.rounds.append(round_)
        for call, times in found["calls"].items():
            self.outcome.calls.setdefault(call, []).extend(times)
        self.outcome.errors.update(found["errors"])
        self.outcome.faults["duplicates"] += found["duplicates"]
        self.outcome.faults["false empties"] += found["false_empties"]
        self.outcome.faults["errors"] += sum(found["errors"].values())
