"""One run on one database: everything is started, everything is hit, everything is graded, everything is counted."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.nemesis import journal, recount, tables
from tests.nemesis.crew import Crew
from tests.nemesis.incoming import LIMITS, POINTS, RATIO, Platform
from tests.nemesis.journal import POISON
from tests.nemesis.ledger import Ledger, drawn_up
from tests.nemesis.nemesis import Nemesis
from tests.nemesis.plan import plan
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


@dataclass(frozen=True)
class Outcome:
    options: Options
    version: str
    """Of the database."""
    mortal: bool
    """Whether the database was among those that were hit."""
    ledger: Ledger
    evidence: Evidence
    logs: str
    """The last lines of the service and of the graders."""


def run(options: Options) -> Outcome:
    with (
        _folder() as folder,
        Receiver(folder / "receiver.jsonl") as receiver,
        _store(options.kind, folder) as store,
        _server(store, folder, options, receiver) as server,
    ):
        return _run(options, folder, store, server)


def _run(options: Options, folder: Path, store: Store, server: Server) -> Outcome:
    proxy = Proxy(server.port, options.seed, LOST_SHARE)
    crew = _crew(options, server, proxy, folder)
    platform = Platform(server.env, options.seed, options.jobs, options.seconds)
    faults = plan(options.seed, options.seconds, database=store.mortal)
    nemesis = Nemesis(faults, options.seconds, server, store, crew, platform)
    try:
        _set_up_queues(store)
        crew.start_all(QUEUES)
        platform.start()
        _wait_for_work(store)
        nemesis.start()
        nemesis.wait()
        platform.finish(patience=options.seconds / 4)
        crew.stop_all()
        proxy.share = 0.0
        put_back = _drain(store, server, crew)
    finally:
        platform.finish()
        crew.stop_all()
        proxy.close()
    evidence = Evidence(
        platform.wanted, journal.read_all(folder), tables.read(store), float(options.lease), nemesis.outages
    )
    found = recount.disagreements(evidence)
    found += [Disagreement("wrong", surprise) for surprise in [*crew.surprises, *_refused(platform)]]
    found += _audit(server, store)
    ledger = drawn_up(evidence, found, nemesis.done + proxy.faults, put_back)
    return Outcome(
        options, store.version(), store.mortal, ledger, evidence, _last_lines(server.log, folder / "graders.log")
    )


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


def _drain(store: Store, server: Server, crew: Crew) -> int:
    """Calm: well-behaved graders, and what was given up is put back until all is graded; how many were put back.

    What no grader survives an operator retires. Then the platform is told what it was not told yet.
    """
    put_back = 0
    crew.start_all(QUEUES, well_behaved=True)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        crew.replace_poisoned()
        left = {status for status, count in tables.states(store).items() if count and status != "retired"}
        if not left:
            break
        if left == {"failed"}:
            if poison := tables.failed(store, POISON):
                server.rows("retire", "--json", *poison)
            put_back += len(server.rows("retry", "--all-matching", "--json"))
        time.sleep(0.2)
    crew.stop_all()
    _tell_all(store)
    return put_back


def _tell_all(store: Store) -> None:
    """What was on its way when its loop was killed is due again after a minute; nobody waits for that here."""
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
    """An `enqueue` may die with its database; it may not say that a good submission is a bad one."""
    return [error for error in platform.errors if "database failed" not in error]


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
def _server(store: Store, folder: Path, options: Options, receiver: Receiver) -> Iterator[Server]:
    environment = {
        "GRADEQUEUE_LEASE_SECONDS": str(options.lease),
        "GRADEQUEUE_LOG_LEVEL": "ERROR",
        "GRADEQUEUE_WEBHOOK_URL": receiver.url,
        "GRADEQUEUE_WEBHOOK_SECRETS": receiver.secret,
    }
    server = Server(store.url, folder, **environment).start(workers=options.workers)
    try:
        yield server
    finally:
        server.stop()
