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
from benchmarks.sides import PASSWORD, SUBMITTER, Instance, Side
from tests import databases

ENDLESS = sys.maxsize
CLIENT = (sys.executable, "-m", "benchmarks.client")
REST = (sys.executable, "-m", "benchmarks.rest")
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
    """The client's process, or another one that takes orders as it does."""

    def __init__(self, command: tuple[str, ...] = CLIENT, **options: Any) -> None:
        pipe = subprocess.PIPE
        options = {"cwd": environment.ROOT} | options
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, **options)

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
        self.idlers: Load | None = None
        """Graders of the empty queue."""
        self.platforms: Load | None = None
        """Accounts that submit over HTTP."""
        self.inside: Load | None = None
        """A process that submits by calling the app."""
        self.rest: Load | None = None
        """Workers of the other dialect; the graders' accounts."""
        self.submitter = ""
        """A token that hands in."""

    def prepare(self) -> None:
        self.instance.prepare([seed.QUEUE, seed.EMPTY], self.graders)
        self.database = Database(self.kind, self.url)
        self.database_pid = measure.database_pid(self.database)

    def start(self, workers: int, more: tuple[str, ...] = ()) -> None:
        self.instance.start(workers=workers, more=more)
        self.load = self._logged_in(self.graders)

    def start_rest(self) -> None:
        accounts = dict.fromkeys(self.graders, "claim") | {SUBMITTER: "submit"}
        *tokens, self.submitter = self.instance.make_tokens(seed.QUEUE, accounts)
        self.rest = Load(REST)
        self.rest.ask("login", port=self.instance.port, queue=seed.QUEUE, tokens=tokens)

    def poll_empty(self, calls: int) -> Round:
        """Of a queue that is empty, whatever waits in the other one."""
        if self.idlers is None:
            self.idlers = self._logged_in(self.graders, seed.EMPTY)
        return self._turn("poll", self.idlers, seconds=3_600, cycles=calls)

    def _logged_in(self, names: list[str], queue: str = seed.QUEUE) -> Load:
        load = Load()
        where = {"port": self.instance.port, "queue": queue, "csrf": not self.side.ours}
        load.ask("login", names=names, password=PASSWORD, **where)
        return load

    def start_inside(self) -> None:
        """The process that enqueues; no server."""
        command = (str(self.side.bin / "python"), "-m", "benchmarks.enqueue")
        log = (self.instance.folder / "enqueue.log").open("w")
        self.inside = Load(command, env=self.instance.environment(), cwd=self.instance.folder, stderr=log)

    @property
    def pid(self) -> int:
        assert self.instance.process is not None
        return self.instance.process.pid

    def fill(self, waiting: int, finished: int = 0, transport: str = "") -> None:
        transport = transport or ("event" if self.side.event else "")
        seed.fill(self.database, waiting=waiting, finished=finished, ours=self.side.ours, transport=transport)
        self.stored = finished
        if self.load is not None:
            self.load.ask("expect", waiting=waiting)

    def cycle(self, seconds: float, cycles: int = ENDLESS) -> Round:
        """Grade for so long, or so many; what is accepted must be stored."""
        return self._stored(self._turn("cycle", seconds=seconds, cycles=cycles))

    def cycle_by_rest(self, seconds: float, cycles: int, batch: int) -> Round:
        """The same in the other dialect, so many jobs in one request."""
        return self._stored(self._turn("cycle", self.rest, seconds=seconds, cycles=cycles, batch=batch))

    def wait_by_rest(self, seconds: float, workers: int) -> Round:
        """Claims that wait for what does not come."""
        return self._turn("wait", self.rest, seconds=seconds, workers=workers)

    def meet(self, cycles: int) -> Round:
        """Submissions, one after the other, for a worker that waits."""
        return self._stored(self._turn("meet", self.rest, cycles=cycles, submitter=self.submitter))

    def _stored(self, round_: Round) -> Round:
        stored = seed.stored_scores(self.database)
        self.outcome.faults["not stored"] += max(0, self.stored + round_.operations - stored)
        self.stored = stored
        return round_

    def poll(self, seconds: float, cycles: int = ENDLESS, path: str = "") -> Round:
        return self._turn("poll", seconds=seconds, cycles=cycles, path=path)

    def take(self, seconds: float, calls: int) -> Round:
        return self._turn("take", seconds=seconds, cycles=calls)

    def give(self, seconds: float, calls: int) -> Round:
        return self._turn("give", seconds=seconds, cycles=calls)

    def enqueue(self, seconds: float, *, threads: int, files: int) -> Round:
        """By calling the app: what the web processes of a platform do, so its CPU time counts as theirs."""
        assert self.inside is not None
        order = {"seconds": seconds, "cycles": ENDLESS, "threads": threads, "files": files}
        return self._turn("enqueue", self.inside, self.inside.process.pid, **order)

    def submit(self, seconds: float, *, files: int) -> Round:
        if self.platforms is None:
            self.platforms = self._logged_in([SUBMITTER] * len(self.graders))
        return self._turn("submit", self.platforms, seconds=seconds, cycles=ENDLESS, files=files)

    def warm_up(self, do: str, seconds: float) -> None:
        """A turn that does not count, for imports, caches and the connection of each of the server's threads."""
        kept, self.outcome = self.outcome, Outcome("warm-up")
        self.cycle(seconds, WARM) if do == "cycle" else self.poll(seconds)
        self.outcome = kept

    def close(self) -> None:
        for load in (self.load, self.idlers, self.platforms, self.inside, self.rest):
            if load is not None:
                load.close()
        self.instance.stop()
        if hasattr(self, "database"):
            self.database.close()
        databases.drop(self.kind, self.server, self.name)
        self.instance.remove()

    def _turn(self, do: str, load: Load | None = None, pid: int = 0, **order: Any) -> Round:
        """One order to `load` (usually the graders'), and what it costs the processes of `pid` (the server's)."""
        load, pid = load or self.load, pid or self.pid
        assert load is not None
        before = measure.Cost.now(pid, self.database_pid)
        found = load.ask(do, **order)
        spent = measure.Cost.now(pid, self.database_pid).since(before)
        count = found["polls"] if do in ("poll", "take", "give") else found["cycles"]
        client = 0.0 if load is self.inside else found["cpu"]
        round_ = Round(count, found["elapsed"], spent.web, spent.database, client)
        self._note(found, round_)
        return round_

    def _note(self, found: dict[str, Any], round_: Round) -> None:
        self.outcome.rounds.append(round_)
        for call, times in found["calls"].items():
            self.outcome.calls.setdefault(call, []).extend(times)
        self.outcome.errors.update(found["errors"])
        self.outcome.faults["duplicates"] += found.get("duplicates", 0)
        self.outcome.faults["false empties"] += found.get("false_empties", 0)
        self.outcome.faults["errors"] += sum(found["errors"].values())
