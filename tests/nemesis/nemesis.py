"""The one who makes things go wrong, one fault after the other, as planned."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from tests.nemesis import tables
from tests.nemesis.crew import Crew
from tests.nemesis.incoming import Platform
from tests.nemesis.plan import UPGRADE, Fault
from tests.nemesis.proxy import Proxy
from tests.nemesis.receiver import LATE, SLOW, Receiver
from tests.nemesis.recount import Standstill
from tests.nemesis.stores import Store
from tests.nemesis.wire import AnswerLost, Wire
from tests.server import Server

# How long clients wait that ask while the database stands still (seconds); and what they do.
IMPATIENT = 0.5
IN_VAIN = "polls of clients that have hung up"
# Beside its web workers, which keep its own words, `serve` has one process that was spawned: the delivery loop.
LOOP = ("--multiprocessing-fork",)


class Nemesis:
    def __init__(
        self,
        plan: list[Fault],
        seconds: float,
        *,
        server: Server,
        store: Store,
        crew: Crew,
        platform: Platform,
        proxy: Proxy,
        receiver: Receiver,
    ) -> None:
        self.plan, self.seconds = plan, seconds
        self.server, self.store, self.crew = server, store, crew
        self.platform, self.proxy, self.receiver = platform, proxy, receiver
        self.older: Server | None = None
        self.done: Counter[str] = Counter()
        """How often each fault found a victim."""
        self.outages: list[tuple[float, float]] = []
        """From when to when the database was away (seconds of this machine's clock)."""
        self.standstills: list[Standstill] = []
        self.loop_deaths: list[float] = []
        """When the delivery loop was killed (seconds of this machine's clock)."""
        self.failures: list[BaseException] = []
        self.thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self.thread.start()

    def put_beside(self, older: Server, *, workers: int) -> None:
        """An upgrade: this version migrates and starts while the older one serves, and both go on for a while."""
        self.older = older
        with self._outage():
            self.server.start(workers=workers)
        self.proxy.targets = [older.port, self.server.port]
        self.platform.servers = [older, self.server]

    def _end_older(self) -> None:
        assert self.older is not None
        self.proxy.targets, self.platform.servers = [self.server.port], [self.server]
        self.older.stop()
        self.older = None
        self.done[UPGRADE] += 1

    def wait(self) -> None:
        """Returns when the last fault is over and everything runs again."""
        self.thread.join()
        if self.failures:
            raise self.failures[0]

    def _run(self) -> None:
        began = time.monotonic()
        acts = self._acts()
        try:
            for fault in self.plan:
                self._watch_until(began + fault.at)
                if self.older and time.monotonic() - began > self.seconds / 3:
                    self._end_older()
                if time.monotonic() - began > self.seconds:
                    break
                self.done[fault.what] += acts[fault.what](fault)
            self._watch_until(began + self.seconds)
        except BaseException as failure:
            self.failures.append(failure)

    def _watch_until(self, moment: float) -> None:
        """As a process manager does: a service that ends by itself is started again, and that is counted. Graders too.

        The service does when one of its workers dies twice within seconds: its web server takes that for a crash loop.
        """
        while True:
            self.watch()
            left = moment - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.2))

    def watch(self) -> None:
        assert self.server.process is not None
        if self.server.process.poll() is not None:
            self.done["(the service gave up by itself)"] += 1
            self.loop_deaths.append(time.time())
            self.server.start()
        self.crew.replace_poisoned()

    def _acts(self) -> dict[str, Callable[[Fault], bool]]:
        """Each returns whether there was a victim, and when everything that it hit runs again."""
        return {
            "kill a web worker": self._kill_worker,
            "freeze a web worker": self._freeze_worker,
            "kill the service": self._kill_service,
            "kill the delivery loop": self._kill_delivery_loop,
            "kill a grader": lambda fault: self.crew.kill(fault.who, fault.pause),
            "freeze a grader": lambda fault: self.crew.freeze(fault.who, fault.pause),
            "kill an enqueue": lambda fault: self.platform.kill(fault.who),
            "kill the database": lambda fault: self._database_away(fault, self.store.kill),
            "restart the database": lambda fault: self._database_away(fault, self.store.stop),
            "freeze the database": self._freeze_database,
            "make the database read-only": self._refuse_writes,
            "fill the disk": self._fill_disk,
            "the platform is down": self._platform_is_down,
            "the platform is slow": lambda fault: self._platform_is_slow(SLOW, fault.pause),
            "the platform answers late": lambda fault: self._platform_is_slow(LATE, fault.pause),
        }

    def _kill_worker(self, fault: Fault) -> bool:
        return _hit(self._workers(), fault.who, signal.SIGKILL)

    def _freeze_worker(self, fault: Fault) -> bool:
        """It stands still, perhaps with a row locked, while others go on; then it finishes what it had begun."""
        workers = self._workers()
        frozen = _hit(workers, fault.who, signal.SIGSTOP)
        time.sleep(fault.pause)
        return frozen and _hit(workers, fault.who, signal.SIGCONT)

    def _kill_service(self, fault: Fault) -> bool:
        """`serve` itself; its workers notice, and a new one is started as a process manager would."""
        assert self.server.process is not None
        children = psutil.Process(self.server.process.pid).children(recursive=True)
        self.server.process.kill()
        self.server.process.wait(10)
        psutil.wait_procs(children, timeout=40)
        self.loop_deaths.append(time.time())
        time.sleep(fault.pause)
        self.server.start()
        return True

    def _kill_delivery_loop(self, fault: Fault) -> bool:
        self.loop_deaths.append(time.time())
        return _hit([child for child in self._children() if _has(child, *LOOP)], fault.who, signal.SIGKILL)

    def _database_away(self, fault: Fault, end: Callable[[], None]) -> bool:
        with self._outage():
            end()
            time.sleep(fault.pause)
            self.store.start()
        return True

    def _freeze_database(self, fault: Fault) -> bool:
        """Whoever asked meanwhile is answered when it goes on, if somebody still waits."""
        wire = Wire(self.server.port, *self.crew.accounts[0], IMPATIENT)
        with contextlib.suppress(AnswerLost):
            wire.login()
        with self._outage():
            self.store.freeze()
            self._ask_in_vain(wire, fault.pause)
            self.store.thaw()
            thawed = time.time()
            time.sleep(1)
            held = frozenset(tables.held_keys(self.store))
        self.standstills.append(Standstill(thawed, len(self.crew.processes), held))
        return True

    def _ask_in_vain(self, wire: Wire, seconds: float) -> None:
        """Polls of clients that have hung up when the database goes on; the server has them all."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            twin, asked = wire.twin(), time.monotonic()
            with contextlib.suppress(AnswerLost):
                twin.poll(self.crew.queues[0])
            twin.connection.close()
            self.done[IN_VAIN] += 1
            time.sleep(min(left, max(0.0, IMPATIENT - (time.monotonic() - asked))))

    def _refuse_writes(self, fault: Fault) -> bool:
        with self._outage():
            self.store.refuse_writes()
            time.sleep(fault.pause)
            self.store.take_writes()
        return True

    def _fill_disk(self, fault: Fault) -> bool:
        """Of the database and of submitted files. A server that ends of it is started again when there is room."""
        assert self.store.disk is not None
        with self._outage():
            self.store.disk.fill()
            time.sleep(fault.pause)
            self.store.disk.clear()
            self.store.start()
        return True

    @contextmanager
    def _outage(self) -> Iterator[None]:
        began = time.time()
        yield
        self.outages.append((began, time.time()))

    def _platform_is_down(self, fault: Fault) -> bool:
        self.receiver.go_down(fault.pause)
        return True

    def _platform_is_slow(self, pause: float, seconds: float) -> bool:
        self.receiver.be_slow(pause, seconds)
        return True

    def _workers(self) -> list[psutil.Process]:
        return [child for child in self._children() if _has(child, "serve")]

    def _children(self) -> list[psutil.Process]:
        assert self.server.process is not None
        children = psutil.Process(self.server.process.pid).children()
        return sorted(children, key=lambda child: child.pid)


def _has(process: psutil.Process, *words: str) -> bool:
    """Whether these are among the words of its command."""
    try:
        return set(words) <= set(process.cmdline())
    except psutil.Error:
        return False


def _hit(processes: list[psutil.Process], share: float, with_signal: int) -> bool:
    if not processes:
        return False
    try:
        processes[int(share * len(processes))].send_signal(with_signal)
    except psutil.NoSuchProcess:
        return False
    return True
