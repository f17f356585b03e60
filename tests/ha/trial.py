"""One scenario: hosts are up, work goes on, faults come one by one, all is drained, and the ledger is drawn up."""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.ha.clients import Grader, Platform
from tests.ha.machines import FRONT, Machine
from tests.ha.proxy import Line, Proxy
from tests.ha.web import WebHost
from tests.nemesis import journal, recount, tables
from tests.nemesis.incoming import RATIO
from tests.nemesis.journal import Told
from tests.nemesis.ledger import Ledger, drawn_up
from tests.nemesis.receiver import Receiver
from tests.nemesis.recount import Disagreement, Evidence
from tests.nemesis.stores import Store

LEASE = 20
# After a fault each path must bring acknowledgements again, by itself, within this time (seconds).
HEALED = 90
BACKLOG = 40  # submissions that wait at the beginning, so that graders are not idle


@dataclass(frozen=True)
class Fault:
    what: str
    began: float
    ended: float
    """When every path had acknowledged a result again (seconds of this machine's clock)."""
    gaps: dict[str, float]
    """By path, the longest time without an acknowledgement (seconds)."""


@dataclass
class Stage:
    """What a scenario has set up. It is the scenario's own to take down."""

    name: str
    folder: Path
    proxy: Proxy
    receiver: Receiver
    environment: dict[str, str]
    machines: list[Machine] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def machine(self, name: str, number: int) -> Machine:
        self.machines.append(Machine(name, number, self.folder))
        return self.machines[-1]


@contextmanager
def stage(name: str, seed: int) -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix=f"ha-{name}-"))
    folder.chmod(0o755)  # the databases' accounts must get to their folders
    proxy, fine = Proxy(seed), False
    with Receiver(folder / "receiver.jsonl") as receiver:
        hook = proxy.line(FRONT, ("127.0.0.1", receiver.http.server_port))
        environment = {
            "GRADEQUEUE_LEASE_SECONDS": str(LEASE),
            "GRADEQUEUE_WEBHOOK_URL": f"http://{FRONT}:{hook.port}/results",
            "GRADEQUEUE_WEBHOOK_SECRETS": receiver.secret,
        }
        set_up = Stage(name, folder, proxy, receiver, environment)
        try:
            yield set_up
            fine = True
        finally:
            for machine in set_up.machines:
                machine.remove()
            proxy.close()
            if fine:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                print(f"What the hosts wrote stays in {folder}", file=sys.stderr)


class Trial:
    """The work on `webs` while faults happen. `paths`: by name, the web nodes that its graders use."""

    def __init__(
        self,
        stage: Stage,
        store: Store,
        webs: Sequence[WebHost],
        paths: dict[str, Sequence[WebHost]],
        *,
        files: int = 0,
        heard: Callable[[], list[Told]] = list,
    ) -> None:
        """`files`: how many come with each submission. `heard`: what a platform was told other than by webhook."""
        self.stage, self.store, self.webs, self.heard = stage, store, webs, heard
        self.faults = stage.faults
        self.found: list[Disagreement] = []
        account = ("grader", self._accounts())
        self.graders = {
            path: [
                Grader(f"{path}-{number}", [web.place for web in hosts], account, stage.folder) for number in (1, 2, 3)
            ]
            for path, hosts in paths.items()
        }
        token = webs[0].rows("token", "create", "lms", "--scope", "submit", "--queue", "*")[0]["token"]
        self.platform = Platform([web.place for web in webs], token, rate=6, files=files)

    def _accounts(self) -> str:
        """The password of the graders' account."""
        self.store.change(
            "INSERT INTO submissions_graderqueue (name, score_meaning, max_failures, backoff_seconds,"
            " supersede, paused, initial_delay_seconds, push_url, last_polled_by)"
            f" VALUES ('{RATIO}', 'ratio', 50, 1, false, false, 0, '', '')"
        )
        self.webs[0].rows("submitter", "create", "lms")
        return str(self.webs[0].rows("grader", "create", "grader")[0]["password"])

    def all_graders(self) -> list[Grader]:
        return [grader for graders in self.graders.values() for grader in graders]

    def begin(self) -> None:
        for _ in range(BACKLOG):
            self.platform.hand_in()
        self.platform.start()
        for grader in self.all_graders():
            grader.start()
        self._wait_healed("the start", time.time())

    def fault(self, what: str, act: Callable[[], None]) -> None:
        """`act` does it, and undoes it where somebody has to. Then everything must go on by itself."""
        print(f"  {what} ...", flush=True)
        began = time.time()
        act()
        ended = self._wait_healed(what, time.time())
        gaps = {path: self._gap(path, began, ended) for path in self.graders}
        self.faults.append(Fault(what, began, ended, gaps))
        print(f"    longest gap: {', '.join(f'{path} {gap:.1f} s' for path, gap in gaps.items())}", flush=True)
        self._wait(lambda: False, 3)  # what was under way comes to its end

    def expect_of_doctor(self, web: WebHost, check: str, *, fine: bool) -> None:
        found = {row["check"]: row for row in web.rows("doctor", check=False)}
        if check not in found or found[check]["fine"] is not fine:
            self.found.append(Disagreement("wrong", f"doctor says of {check}: {found.get(check)}"))

    def partition(self, what: str, path: str, line: Line) -> None:
        """Silence between a web node and its database, from the middle of one statement on, for 20 seconds.

        The database has got the statement, and carries it out; nobody hears of it until the line is back.
        """

        def act() -> None:
            if what == "a claim":
                line.trigger = RATIO.encode()
            else:
                mark = f"mark{len(self.faults)}"
                line.trigger = mark.encode()
                for grader in self.all_graders():  # whoever comes by this line first
                    grader.mark = mark
            assert self._wait(lambda: line.dead, 60), f"no statement of {what} came by"
            time.sleep(20)
            self.stage.proxy.revive(line)

        self.fault(f"{path}: a partition begins during {what} and lasts 20 s", act)

    def _wait_healed(self, what: str, since: float) -> float:
        for path in self.graders:
            if not self._wait(lambda path=path: bool(self._times(path, since)), HEALED):  # type: ignore[misc]
                self.found.append(
                    Disagreement("wrong", f"{path}: nothing was acknowledged for {HEALED} s after {what}")
                )
        return time.time()

    def _times(self, path: str, since: float) -> list[float]:
        return sorted(at for grader in self.graders[path] for at in list(grader.acknowledged) if at >= since)

    def _gap(self, path: str, began: float, ended: float) -> float:
        times = [began, *(at for at in self._times(path, began) if at <= ended), ended]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def end(self) -> Ledger:
        """Calm; all is graded and told; then everything is counted."""
        self.platform.stop()
        for grader in self.all_graders():
            grader.pace = 0.02
        if not self._wait(self._is_graded, 240):
            self.found.append(Disagreement("wrong", f"after the faults there are still {tables.states(self.store)}"))
        for grader in self.all_graders():
            grader.stop()
        # What a loop had on its way when it died is due again after a minute.
        self._wait(lambda: not tables.untold(self.store), 180)
        return self._ledger()

    def _is_graded(self) -> bool:
        return not {state for state, count in tables.states(self.store).items() if count and state != "retired"}

    def _ledger(self) -> Ledger:
        ids = {_uuid(name): id_ for id_, name in self.store.rows("SELECT id, uuid FROM submissions_submission")}
        for answer, named in self.platform.uuids.items():
            if named and named not in ids:
                self.found.append(Disagreement("lost", f"{answer!r} was acknowledged as {named} and is not there"))
        outages = [(fault.began, fault.ended) for fault in self.faults]
        evidence = Evidence(
            self.platform.acknowledged(ids),
            [*journal.read_all(self.stage.folder), *self.heard()],
            tables.read(self.store),
            float(LEASE),
            outages,
        )
        found = [*self.found, *recount.disagreements(evidence)]
        found += [Disagreement("wrong", trouble) for trouble in self.platform.troubles]
        found += self._audited()
        return drawn_up(evidence, found, {fault.what: 1 for fault in self.faults}, 0)

    def _audited(self) -> Iterator[Disagreement]:
        for row in self.webs[0].rows("audit", "--files", check=False):
            if row.get("problem"):
                yield Disagreement("wrong", f"audit: submission {row['submission_id']} {row['problem']}")
        for web in self.webs:
            if not web.still_the_same:
                yield Disagreement("wrong", f"serve on {web.machine.name} ended by itself")


def _uuid(found: object) -> str:
    """MariaDB keeps a UUID as text without its hyphens, or has a type for it."""
    text = str(found).replace("-", "")
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
