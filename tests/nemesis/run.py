"""One run on one database: everything is started, everything is hit, everything is graded, everything is counted."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.nemesis import before, journal, recount, tables
from tests.nemesis.crew import Crew
from tests.nemesis.grader import GAVE_UP, TWO
from tests.nemesis.incoming import LIMITS, POINTS, RATIO, Platform
from tests.nemesis.journal import POISON
from tests.nemesis.ledger import Ledger, drawn_up
from tests.nemesis.nemesis import Nemesis
from tests.nemesis.plan import DATABASE_FAULTS, SERVICE_FAULTS, UPGRADE, plan
from tests.nemesis.proxy import Proxy
from tests.nemesis.receiver import Receiver
from tests.nemesis.recount import Disagreement, Evidence
from tests.nemesis.servers import opened
from tests.nemesis.stores import Store
from tests.server import Server

QUEUES = [RATIO, POINTS]
LOST_SHARE = 0.04  # of the answers on their way to a grader


@dataclass(frozen=True)
class Options:
    kind: str
    seconds: float
    jobs: int
    graders: int
    seed: int
    workers: int = 2
    lease: int = 2
    """How long a claim holds (seconds). Short, so that many run out."""
    before: str = ""
    """A working tree or a commit: the version that is there first, and then beside this one for a third of the run."""


@dataclass(frozen=True)
class Outcome:
    options: Options
    version: str
    """Of the database."""
    mortal: bool
    """Whether the database was among those that were killed."""
    not_run: list[str]
    """The faults that nothing was hit with here."""
    ledger: Ledger
    evidence: Evidence
    logs: str
    """The last lines of the service and of the graders."""


@dataclass
class _Scene:
    """What a run is made of."""

    options: Options
    folder: Path
    receiver: Receiver
    store: Store
    server: Server
    before: Server | None


def run(options: Options) -> Outcome:
    with (
        _folder() as folder,
        Receiver(folder / "receiver.jsonl") as receiver,
        _store(options.kind, folder) as store,
        _servers(store, folder, options, receiver) as (server, before),
    ):
        return _run(_Scene(options, folder, receiver, store, server, before))


def _run(scene: _Scene) -> Outcome:
    options, folder, store, server = scene.options, scene.folder, scene.store, scene.server
    first = (scene.before or server).start(workers=options.workers)
    proxy = Proxy([first.port], options.seed, LOST_SHARE)
    crew = _crew(options, first, proxy, folder)
    platform = Platform([first], options.seed, options.jobs, options.seconds)
    nemesis = _nemesis(scene, crew, platform, proxy)
    try:
        _set_up_queues(store)
        crew.start_all(QUEUES)
        platform.start()
        _wait_for_work(store)
        if scene.before:
            nemesis.put_beside(scene.before, workers=options.workers)
        nemesis.start()
        nemesis.wait()
        platform.finish(patience=options.seconds / 4)
        crew.stop_all()
        proxy.share = 0.0
        put_back = _drain(store, server, crew, nemesis)
        nemesis.loop_deaths.append(time.time())
        _tell_all(store)
    finally:
        platform.finish()
        crew.stop_all()
        proxy.close()
    evidence = Evidence(
        platform.wanted,
        journal.read_all(folder),
        tables.read(store, Path(server.env["GRADEQUEUE_DATA"]) / "files"),
        float(options.lease),
        nemesis.outages,
        nemesis.standstills,
        nemesis.loop_deaths,
    )
    found = recount.disagreements(evidence)
    found += [Disagreement("wrong", surprise) for surprise in [*crew.surprises, *_refused(platform)]]
    found += _audit(server, store)
    ledger = drawn_up(evidence, found, nemesis.done + proxy.faults + _of_graders(evidence), put_back)
    logs = _last_lines(server.log, folder / "before.log", folder / "graders.log")
    return Outcome(options, store.version(), store.mortal, _not_run(nemesis.done), ledger, evidence, logs)


def _nemesis(scene: _Scene, crew: Crew, platform: Platform, proxy: Proxy) -> Nemesis:
    options = scene.options
    return Nemesis(
        plan(options.seed, options.seconds, scene.store.bears),
        options.seconds,
        server=scene.server,
        store=scene.store,
        crew=crew,
        platform=platform,
        proxy=proxy,
        receiver=scene.receiver,
    )


def _of_graders(evidence: Evidence) -> Counter[str]:
    """What the clients do themselves, beside what is done to them."""
    return Counter(noticed.what for noticed in evidence.noticed if noticed.what in (TWO, GAVE_UP))


def _not_run(done: Counter[str]) -> list[str]:
    """What this database cannot be hit with, what was not asked for, and what there was no time for."""
    return [name for name in (*SERVICE_FAULTS, *DATABASE_FAULTS, UPGRADE) if not done[name]]


def _crew(options: Options, server: Server, proxy: Proxy, folder: Path) -> Crew:
    # Two accounts, each with several sessions at once, as courses have them.
    accounts = [(name, server.grader(name)) for name in ("grader-a", "grader-b")]
    return Crew(
        [accounts[number % 2] for number in range(options.graders)],
        ports=[proxy.port_for(str(number)) for number in range(options.graders)],
        journals=folder,
        seed=options.seed,
        lease=options.lease,
    )


def _set_up_queues(store: Store) -> None:
    """As an operator would: a queue of ratios, and one of points that gives up soon; short pauses after failures."""
    for name, meaning in ((RATIO, "ratio"), (POINTS, "points")):
        store.change(
            "INSERT INTO submissions_graderqueue (name, score_meaning, max_failures, backoff_seconds,"
            " supersede, paused, initial_delay_seconds, push_url, last_polled_by)"
            f" VALUES ('{name}', '{meaning}', {LIMITS[name]}, 1, false, false, 0, '', '')"
        )


def _wait_for_work(store: Store) -> None:
    """Until the first jobs are being graded; what is hit before that would be hit in vain."""
    deadline = time.monotonic() + 120
    while not set(tables.states(store)) - {"pending"}:
        assert time.monotonic() < deadline, "nothing was ever claimed"
        time.sleep(0.1)


def _drain(store: Store, server: Server, crew: Crew, nemesis: Nemesis) -> int:
    """Calm: well-behaved graders, and what was given up is put back until all is graded; how many were put back.

    What no grader survives an operator retires.
    """
    put_back = 0
    crew.start_all(QUEUES, well_behaved=True)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        nemesis.watch()
        left = {status for status, count in tables.states(store).items() if count and status != "retired"}
        if not left:
            break
        if left == {"failed"}:
            if poison := tables.failed(store, POISON):
                server.rows("retire", "--json", *poison)
            put_back += len(server.rows("retry", "--all-matching", "--json"))
        time.sleep(0.2)
    crew.stop_all()
    return put_back


def _tell_all(store: Store) -> None:
    """What was on its way when its loop was killed is due again after a minute; nobody waits for that here."""
    store.change("UPDATE submissions_deliveryhost SET held_until = NULL, failures = 0")
    store.change("UPDATE submissions_delivery SET due_at = '2020-01-01 00:00:00' WHERE state = 'due'")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and tables.untold(store):
        time.sleep(0.2)


def _audit(server: Server, store: Store) -> list[Disagreement]:
    """`gradequeue audit` finds nothing, and counts what we count."""
    done = server.rows("audit", "--json", "--files", check=False)
    problems = [row for row in done if "problem" in row]
    found = [Disagreement("wrong", f"audit: submission {row['submission_id']} {row['problem']}") for row in problems]
    if not done or done[-1].get("states") != tables.states(store):
        found.append(Disagreement("wrong", f"audit counts {done[-1:]}, the tables hold {tables.states(store)}"))
    return found


def _last_lines(*logs: Path) -> str:
    return "\n".join(log.read_text(errors="replace")[-4000:] for log in logs if log.exists())


def _refused(platform: Platform) -> list[str]:
    """An `enqueue` may die with its database or its disk; it may not say that a good submission is a bad one."""
    excused = ("database failed", "No space left on device")
    return [error for error in platform.errors if not any(words in error for words in excused)]


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nemesis-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[Store]:
    store = opened(kind, folder)
    try:
        yield store
    finally:
        store.remove()


@contextmanager
def _servers(
    store: Store, folder: Path, options: Options, receiver: Receiver
) -> Iterator[tuple[Server, Server | None]]:
    """This version, and the one before it; neither is started."""
    environment = {
        "GRADEQUEUE_LEASE_SECONDS": str(options.lease),
        "GRADEQUEUE_LOG_LEVEL": "ERROR",
        "GRADEQUEUE_WEBHOOK_URL": receiver.url,
        "GRADEQUEUE_WEBHOOK_SECRETS": receiver.secret,
    }
    if store.disk:
        environment["GRADEQUEUE_DATA"] = str(store.disk.place / "gradequeue")
    with ExitStack() as ends:
        server = _server(ends, store, folder, environment)
        older = None
        if options.before:
            tree = ends.enter_context(before.working_tree(options.before))
            older = _server(ends, store, folder, environment)
            older.program, older.log = before.program(tree), folder / "before.log"
            older.env |= before.environment(tree)
        yield server, older


def _server(ends: ExitStack, store: Store, folder: Path, environment: dict[str, str]) -> Server:
    server = Server(store.url, folder, **environment)
    server.env |= before.environment()
    ends.callback(_stop, server)
    return server


def _stop(server: Server) -> None:
    if server.process is not None and server.process.poll() is None:
        server.stop()
