"""What is measured. Each scenario takes a lab and returns the sections of the report that it found."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from benchmarks import measure, profiling, report, seed
from benchmarks.client import Grader
from benchmarks.databases import Database
from benchmarks.match import ENDLESS, WARM, Contestant, Outcome
from benchmarks.roundtrips import Counter
from benchmarks.sides import PASSWORD, SIDES, Side


@dataclass(frozen=True)
class Options:
    """Sizes of a run, as the command line gives them."""

    sides: tuple[str, ...] = tuple(SIDES)
    graders: int = 8
    workers: int = 2
    rounds: int = 5
    seconds: float = 10.0
    """How long a turn is where nothing else ends it."""
    cycles: int = 1_000
    """How many jobs wait in a shallow queue; a turn grades them all."""
    waiting: int = 1_000_000
    finished: int = 1_000_000
    claims: int = 200_000
    requests: int = 100_000
    warm_up: float = 10.0


class Lab:
    """One kind of database, and the contestants on it."""

    def __init__(self, kind: str, server: str, options: Options) -> None:
        self.kind, self.server, self.options = kind, server, options

    @property
    def sides(self) -> list[Side]:
        """On SQLite ours alone: edx-submissions answers about half of the calls there with an error."""
        sides = [SIDES[name] for name in self.options.sides]
        return [side for side in sides if side.ours or self.kind != "sqlite"]

    @contextmanager
    def contestants(self, sides: list[Side], titles: dict[int, str] | None = None) -> Iterator[list[Contestant]]:
        """Each on a fresh database, serving, with its graders logged in."""
        with ExitStack() as stack:
            made = []
            for number, side in enumerate(sides):
                one = Contestant(side, self.kind, self.server, self.options.graders, (titles or {}).get(number, ""))
                stack.callback(one.close)
                one.prepare()
                one.start(self.options.workers)
                made.append(one)
            yield made

    def take_turns(self, turns: list[Callable[[], object]]) -> None:
        for number in range(self.options.rounds):
            # There and back: nobody is always the one who comes after the same other one.
            for turn in turns if number % 2 == 0 else reversed(turns):
                turn()


def shallow(lab: Lab) -> report.Section:
    """A fresh queue of a thousand jobs, graded to its end, again and again."""
    options = lab.options
    with lab.contestants(lab.sides) as contestants:
        for one in contestants:
            one.fill(WARM)
            one.warm_up("cycle", options.warm_up)
        lab.take_turns([_drain(one, options) for one in contestants])
        outcomes = [one.outcome for one in contestants]
    return report.match(f"{options.cycles:,} waiting, no history", outcomes, "cycle", _against("shallow", contestants))


def deep(lab: Lab) -> report.Section:
    """Millions of rows; and ours with a shallow queue in the same run, to see what depth costs."""
    options = lab.options
    sides = [SIDES["ours"], *lab.sides]
    titles = {0: f"{SIDES['ours'].title}; {options.cycles:,} waiting, no history"}
    with _room_for_locks(lab), lab.contestants(sides, titles) as contestants:
        small, *large = contestants
        for one in large:
            _fill(one, options)
            one.warm_up("cycle", options.warm_up)
        small.fill(WARM)
        small.warm_up("cycle", options.warm_up)
        lab.take_turns([_drain(small, options), *(_grade(one, options) for one in large)])
        outcomes = [one.outcome for one in large] + [small.outcome]
    facts = _against("deep", large) | {"deep against shallow": large[0].outcome.rate / small.outcome.rate}
    return report.match(f"{options.waiting:,} waiting, {options.finished:,} finished", outcomes, "cycle", facts)


@contextmanager
def _room_for_locks(lab: Lab) -> Iterator[None]:
    """MariaDB comes with 128 MB for rows and locks. Each claim of edx-submissions locks half a million rows there, and
    with eight graders the server ends itself ("Over 95 percent of the buffer pool is occupied by lock heaps")."""
    if lab.kind != "mariadb":
        yield
        return
    database = Database(lab.kind, lab.server)
    usual = int(database.value("SELECT @@GLOBAL.innodb_buffer_pool_size"))
    try:
        database.run(f"SET GLOBAL innodb_buffer_pool_size = {max(usual, 2 * 1024**3)}")
        yield
    finally:
        database.run(f"SET GLOBAL innodb_buffer_pool_size = {usual}")
        database.close()


def worn(lab: Lab) -> report.Section:
    """Ours after very many claims in a row on one table, whose index is full of entries that point nowhere."""
    options = lab.options
    ours = SIDES["ours"]
    titles = {
        0: f"{ours.title}; {options.cycles:,} waiting, fresh",
        1: f"{ours.title}; after {options.claims:,} claims",
    }
    with lab.contestants([ours, ours], titles) as (fresh, old):
        # What is claimed while it is measured comes on top.
        old.fill(options.claims + options.rounds * int(options.seconds * 5_000))
        if lab.kind == "postgresql":
            # The worst case: nobody tidies up meanwhile.
            old.database.run(f"ALTER TABLE {seed.JOBS} SET (autovacuum_enabled = false)")
        old.take(3_600, options.claims)
        old.outcome = Outcome(old.outcome.title)
        resident = measure.resident_megabytes(old.pid)
        fresh.fill(WARM)
        fresh.warm_up("cycle", options.warm_up)
        lab.take_turns([_drain(fresh, options), _grade(old, options)])
        outcomes = [old.outcome, fresh.outcome]
    facts = {"worn against fresh": old.outcome.rate / fresh.outcome.rate, "memory": max(resident)}
    section = report.match(f"After {options.claims:,} claims in a row", outcomes, "cycle", facts)
    sizes = ", ".join(f"{size:.0f}" for size in resident)
    return replace(section, body=f"{section.body}\n\nProcesses after these claims: {sizes} MB resident.")


def idle(lab: Lab) -> report.Section:
    """Graders that ask and find nothing."""
    options = lab.options
    with lab.contestants(lab.sides) as contestants:
        for one in contestants:
            one.warm_up("poll", options.warm_up)
        lab.take_turns([partial(one.poll, options.seconds) for one in contestants])
        outcomes = [one.outcome for one in contestants]
    return report.match("Polls of an empty queue", outcomes, "poll", _against("idle", contestants))


def memory(lab: Lab) -> report.Section:
    """What a web worker of ours occupies, before and after very many requests."""
    options = lab.options
    with lab.contestants([SIDES["ours"]]) as (one,):
        one.fill(options.requests // 4)
        one.warm_up("cycle", options.warm_up)
        before = measure.resident_megabytes(one.pid)
        one.cycle(3_600)
        while sum(len(times) for times in one.outcome.calls.values()) < options.requests:
            one.poll(5)
        after = measure.resident_megabytes(one.pid)
        requests = sum(len(times) for times in one.outcome.calls.values())
    return report.memory(requests, before, after)


def profile(lab: Lab) -> report.Section:
    """Where the time of a web worker of ours goes, call by call."""
    options = lab.options
    with lab.contestants([SIDES["ours"]]) as (one,):
        one.fill(WARM)
        one.warm_up("cycle", options.warm_up)
        one.fill(200_000)
        seconds = options.seconds
        found = {
            "get_submission": profiling.during(one, lambda: one.take(seconds, ENDLESS)),
            "put_result": profiling.during(one, lambda: one.give(seconds, ENDLESS)),
        }
        one.fill(0)
        found["get_submission, empty queue"] = profiling.during(one, lambda: one.poll(seconds))
    return report.profile(found)


def statements(lab: Lab) -> report.Section:
    """What one call asks the database, transaction commands included: counted between the two."""
    counts = {}
    for side in lab.sides if lab.kind != "sqlite" else []:
        one = Contestant(side, lab.kind, lab.server, 1)
        try:
            counts[side.title] = _counted(one)
        finally:
            one.close()
    return report.statements(counts)


def _counted(one: Contestant) -> dict[str, list[str]]:
    """Per call the statements of the shortest one of a few."""
    one.prepare()
    database = Database(one.kind, one.url)
    seed.fill(database, waiting=5, finished=5, ours=one.side.ours)
    database.close()
    counter = Counter(one.kind, one.url)
    one.instance.start(workers=1, url=counter.url)
    try:
        return _few_calls(one, counter)
    finally:
        one.instance.stop()
        counter.close()


def _few_calls(one: Contestant, counter: Counter) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    grader = Grader(one.instance.port, seed.QUEUE)
    grader.login(one.graders[0], PASSWORD, csrf=not one.side.ours)
    for _ in range(5):
        header = _call(grader, counter, found, "get_submission", grader.get_submission)
        _call(grader, counter, found, "put_result", partial(grader.put_result, header))
    for _ in range(3):
        _call(grader, counter, found, "get_submission, empty queue", grader.get_submission)
    return found


def _call(grader: Grader, counter: Counter, found: dict[str, list[str]], name: str, send: Callable[[], None]) -> str:
    """One call; its statements go into `found`. The header of what came, if something came."""
    counter.taken()
    send()
    while (answer := grader.connection.receive()) is None:
        continue
    time.sleep(0.05)  # a server may tidy up after its answer
    heard = counter.taken()
    # The fewest of a few: the loop beside the web workers asks now and then, by the same way.
    found[name] = min(found.get(name, heard), heard, key=len)
    if answer.status != 200:
        raise http.client.HTTPException(f"{name}: {answer.status} {answer.body!r}")
    code, content = answer.envelope()
    return report.header_of(content) if code == 0 and content else ""


def _against(scenario: str, contestants: list[Contestant]) -> dict[str, float]:
    """Rates as multiples of the others', CPU time as a part of theirs."""
    ours, *others = contestants
    facts = {}
    for other in others:
        if other.outcome.rate:
            facts[f"{scenario} against {other.side.name}"] = ours.outcome.rate / other.outcome.rate
        mine, theirs = ours.outcome.cpu("web", "database"), other.outcome.cpu("web", "database")
        if mine and theirs:
            facts[f"{scenario} CPU against {other.side.name}"] = mine / theirs
    return facts


def _drain(one: Contestant, options: Options) -> Callable[[], object]:
    def turn() -> None:
        one.fill(options.cycles)
        one.cycle(60 + options.cycles, ENDLESS)

    return turn


def _grade(one: Contestant, options: Options) -> Callable[[], object]:
    return lambda: one.cycle(options.seconds)


def _fill(one: Contestant, options: Options) -> None:
    began = time.monotonic()
    one.fill(options.waiting, options.finished)
    report.tell(f"{one.outcome.title}: filled in {time.monotonic() - began:.0f} s")


SCENARIOS: dict[str, Callable[[Lab], report.Section]] = {
    "shallow": shallow,
    "deep": deep,
    "worn": worn,
    "idle": idle,
    "statements": statements,
    "memory": memory,
    "profile": profile,
}
