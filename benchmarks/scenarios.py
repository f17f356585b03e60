"""What is measured. Each scenario takes a lab and returns the sections of the report that it found."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from statistics import median

from benchmarks import admin, dialects, environment, measure, profiling, report, seed
from benchmarks.client import Grader
from benchmarks.databases import Database
from benchmarks.match import ENDLESS, WARM, Contestant, Outcome
from benchmarks.roundtrips import Counter
from benchmarks.sides import PASSWORD, SIDES, USUAL, Side


@dataclass(frozen=True)
class Options:
    """Sizes of a run, as the command line gives them."""

    sides: tuple[Side, ...] = tuple(SIDES[name] for name in USUAL)
    graders: int = 8
    workers: int = 2
    rounds: int = 5
    seconds: float = 10.0
    """How long a turn is where nothing else ends it."""
    cycles: int = 1_000
    """How many jobs wait in a shallow queue; a turn grades them all."""
    waiting: int = 1_000_000
    finished: int = 1_000_000
    rows: int = 10_000_000
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
        return [side for side in self.options.sides if side.ours or self.kind != "sqlite"]

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
        pairs, facts = _pairs(contestants), _against("shallow", contestants)
    return report.match(f"{options.cycles:,} waiting, no history", outcomes, "cycle", facts, pairs)


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
        pairs = [*_pairs(large), (large[0].outcome, small.outcome)]
        facts = _against("deep", large) | {"deep against shallow": large[0].outcome.rate / small.outcome.rate}
    return report.match(f"{options.waiting:,} waiting, {options.finished:,} finished", outcomes, "cycle", facts, pairs)


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
        pairs, facts = _pairs(contestants), _against("idle", contestants)
    return report.match("Polls of an empty queue", outcomes, "poll", facts, pairs)


def enqueue(lab: Lab) -> report.Section:
    """Submissions by calling the app in a platform's process, and over HTTP; each beside a queue that is deep."""
    options = lab.options
    # The two servers of edx-submissions run the same function.
    apps = list({(side.checkout, side.host, side.event): side for side in reversed(lab.sides)}.values())[::-1]
    titles = {number: f"{side.title}; {options.waiting:,} waiting" for number, side in enumerate(apps)}
    with lab.contestants([*apps, *apps], titles) as contestants:
        deep, shallow = contestants[: len(apps)], contestants[len(apps) :]
        for one in deep:
            _fill(one, options)
        for one in contestants:
            one.start_inside()
        sections = [_enqueued(lab, name, shallow, deep) for name in ENQUEUED]
    body = "\n\n".join(f"**{section.title}**\n\n{section.body}" for section in sections)
    facts = {name: value for section in sections for name, value in section.facts.items()}
    return report.Section(f"Submissions, an answer of 2 kB, beside a queue of {options.waiting:,}", body, facts)


THREADS = 4
ENQUEUED: dict[str, Callable[[Contestant, float], object]] = {
    "enqueue": lambda one, seconds: one.enqueue(seconds, threads=THREADS, files=0),
    "enqueue with a file": lambda one, seconds: one.enqueue(seconds, threads=THREADS, files=1),
    "submit": lambda one, seconds: one.submit(seconds, files=0),
}


def _enqueued(lab: Lab, name: str, shallow: list[Contestant], deep: list[Contestant]) -> report.Section:
    """One way in. edx-submissions has none over HTTP: its function stands beside ours."""

    def turn(one: Contestant, seconds: float) -> None:
        ENQUEUED[name if one.side.ours else theirs](one, seconds)

    theirs = "enqueue" if name == "submit" else name
    if name == "submit":  # what is embedded is called
        shallow, deep = (
            [one for one in ones if one.side.host == "service" or not one.side.ours] for ones in (shallow, deep)
        )
    everyone = [*shallow, *deep]
    for one in everyone:
        turn(one, min(lab.options.warm_up, 2))
        one.outcome = Outcome(one.outcome.title)
    lab.take_turns([partial(turn, one, lab.options.seconds) for one in everyone])
    outcomes, depth = [one.outcome for one in everyone], (deep[0].outcome, shallow[0].outcome)
    facts = _against(name, shallow) | {f"{name}, deep against shallow": depth[0].rate / depth[1].rate}
    title = "/xqueue/submit/" if name == "submit" else f"create_external_grader_detail, {THREADS} threads: {name}"
    return report.match(title, outcomes, "job", facts, [*_pairs(shallow), *_pairs(deep), depth])


def host(lab: Lab) -> report.Section:
    """What a platform's own session and user cost: addresses of the host that do less and less, asked by turns."""
    options = lab.options
    sides = [SIDES["embedded"], *(side for side in lab.sides if side.name == "gunicorn")]
    titles = {0: "nothing: server and middlewares", 1: "the session and the user, no more"}
    polls = {2 + number: f"{side.title}: poll of an empty queue" for number, side in enumerate(sides)}
    with lab.contestants([sides[0], sides[0], *sides], titles | polls) as contestants:
        paths = dict(zip(contestants, ("nothing/", "whoami/", "", ""), strict=False))
        for one, path in paths.items():
            one.poll(min(options.warm_up, 2), path=path)
            one.outcome = Outcome(one.outcome.title)
        lab.take_turns([partial(one.poll, options.seconds, path=path) for one, path in paths.items()])
        nothing, whoami, *others = [one.outcome for one in contestants]
    pairs = [(one, other) for one in others for other in (whoami, nothing)] + [(others[0], one) for one in others[1:]]
    return report.match("What the host itself costs", [nothing, whoami, *others], "request", None, pairs)


SMALL = 10_000
CALLS = 100
"""Of each kind in each turn."""
PAGES = {"the list of the admin": "list", "the dashboard": "dashboard: overview", "/metrics": "metrics"}


def growth(lab: Lab) -> report.Section:
    """A very large table beside a small one: nine of ten jobs finished, one grader, one call after the other."""
    rows = lab.options.rows
    alone = Lab(lab.kind, lab.server, replace(lab.options, graders=1, workers=1))
    with alone.contestants([SIDES["ours"]] * 2) as contestants:
        for one, size in zip(contestants, (SMALL, rows), strict=True):
            began = time.monotonic()
            one.fill(size // 10, size - size // 10, transport="callback")
            admin.add_incidents(one.database, min(size, 1_000_000))
            report.tell(f"{size:,} jobs: filled in {time.monotonic() - began:.0f} s")
            _pages(one)  # until the history of minutes is made
        taken: list[dict[str, list[float]]] = [{}, {}]
        turns = [partial(_one_at_a_time, one, found) for one, found in zip(contestants, taken, strict=True)]
        for turn in turns:
            turn()
        for found in taken:
            found.clear()
        lab.take_turns([*turns])
        few, many = (_pages(one, ()) for one in contestants)
    small, large = taken
    medians = {what: (median(small[what]), median(large[what])) for what in small}
    return report.growth(rows, SMALL, medians, {page: (few[page], many[page]) for page in few})


def _one_at_a_time(one: Contestant, found: dict[str, list[float]]) -> None:
    """Adds the milliseconds of each thing that is done to `found`."""
    for what, call, act in (
        ("claim", "get_submission", lambda: one.take(3_600, CALLS)),
        ("complete", "put_result", lambda: one.give(3_600, CALLS)),
        ("poll of an empty queue", "get_submission", lambda: one.poll_empty(CALLS)),
    ):
        one.outcome = Outcome(one.outcome.title)
        act()
        if one.outcome.errors:
            raise RuntimeError(f"{what}: {dict(one.outcome.errors)}")
        found.setdefault(what, []).extend(micro / 1000 for micro in one.outcome.calls[call])
    pages = _pages(one)
    for what, page in PAGES.items():
        found.setdefault(what, []).append(pages[page])


def _pages(one: Contestant, names: Collection[str] = PAGES.values()) -> dict[str, float]:
    """Milliseconds of these pages, of all pages where none is named, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.admin", "--inside", *(["--pages", *names] if names else [])]
    ours = {name: value for name, value in one.instance.environment().items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=ours, cwd=environment.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


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
    seed.fill(database, waiting=5, finished=5, ours=one.side.ours, transport="event" if one.side.event else "")
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


def _met(contestants: list[Contestant]) -> list[tuple[Contestant, Contestant]]:
    """Who is held against whom: the first one against all others, and what is ours against what is not."""
    met = combinations(contestants, 2)
    return [(a, b) for a, b in met if a is contestants[0] or (a.side.ours and not b.side.ours)]


def _pairs(contestants: list[Contestant]) -> report.Pairs:
    return [(a.outcome, b.outcome) for a, b in _met(contestants)]


def _against(scenario: str, contestants: list[Contestant]) -> dict[str, float]:
    """Rates as multiples of the others', CPU time as a part of theirs."""
    facts = {}
    for one, other in _met(contestants):
        names = f"{one.side.name} against {other.side.name}"
        if other.outcome.rate:
            facts[f"{scenario}: {names}"] = one.outcome.rate / other.outcome.rate
        for title, parts in (("CPU", ("web", "database")), ("web CPU", ("web",)), ("database CPU", ("database",))):
            mine, theirs = one.outcome.cpu(*parts), other.outcome.cpu(*parts)
            if mine and theirs:
                facts[f"{scenario}, {title}: {names}"] = mine / theirs
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
    "enqueue": enqueue,
    "host": host,
    "growth": growth,
    "statements": statements,
    "memory": memory,
    "profile": profile,
    "rest": dialects.rest,
    "waiting": dialects.waiting,
}
