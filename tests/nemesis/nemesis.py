"""The one who makes things go wrong, one fault after the other, as planned."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import psutil

from tests.nemesis.crew import Crew
from tests.nemesis.incoming import Platform
from tests.nemesis.plan import Fault
from tests.nemesis.stores import Store
from tests.server import Server

# Beside its web workers, which keep its own words, `serve` has one process that was spawned: the delivery loop.
LOOP = ("--multiprocessing-fork",)


class Nemesis:
    def __init__(self, plan: list[Fault], seconds: float, server: Server, store: Store, crew: Crew, platform: Platform):
        self.plan, self.seconds = plan, seconds
        self.server, self.store, self.crew, self.platform = server, store, crew, platform
        self.done: Counter[str] = Counter()
        """How often each fault found a victim."""
        self.outages: list[tuple[float, float]] = []
        """From when to when the database was away (seconds of this machine's clock)."""
        self.failures: list[BaseException] = []
        self.thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self.thread.start()

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
        assert self.server.process is not None
        while True:
            if self.server.process.poll() is not None:
                self.done["(the service gave up by itself)"] += 1
                self.server.start()
            self.crew.replace_poisoned()
            left = moment - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.2))

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
        time.sleep(fault.pause)
        self.server.start()
        return True

    def _kill_delivery_loop(self, fault: Fault) -> bool:
        return _hit([child for child in self._children() if _has(child, *LOOP)], fault.who, signal.SIGKILL)

    def _database_away(self, fault: Fault, end: Callable[[], None]) -> bool:
        began = time.time()
        end()
        time.sleep(fault.pause)
        self.store.start()
        self.outages.append((began, time.time()))
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
