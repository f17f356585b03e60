"""The process beside the web workers: it sends results, jobs to graders that are pushed to, and notifications, and does
the chores."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.context import SpawnProcess

from gradequeue.processes import parents
from submissions.management.interrupts import aside

logger = logging.getLogger("submissions.deliveries")

# The first and the longest pause before a loop that died is started again (seconds).
RESTART_SECONDS = (0.5, 30.0)


class Loop:
    """Keeps one such process running, until `stop`."""

    def __init__(self, threads: int, server: str = "") -> None:
        """`server`: where graders that are pushed to fetch files, if it is not configured."""
        self._words = (threads, server)
        self._stopped = threading.Event()
        self._process: SpawnProcess | None = None
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        self._keeper.start()

    def stop(self, seconds: float) -> None:
        """What is on its way is finished, for up to `seconds`."""
        self._stopped.set()
        if self._process is not None and self._process.is_alive():
            self._process.terminate()
        if self._keeper.is_alive():  # else it was never started
            self._keeper.join(seconds)
        if self._process is not None and self._process.is_alive():
            self._process.kill()

    def _keep(self) -> None:
        pause = RESTART_SECONDS[0]
        while not self._stopped.is_set():
            began = time.monotonic()
            ended = self._run_once()
            if not self._stopped.is_set():
                logger.error("the delivery loop ended (%s); it is started again", ended)
                pause = RESTART_SECONDS[0] if time.monotonic() - began > 60 else min(pause * 2, RESTART_SECONDS[1])
                self._stopped.wait(pause)

    def _run_once(self) -> object:
        """Why the process ended: its exit code, or what kept it from beginning (memory, a limit of processes)."""
        # Spawned, not forked: this process has threads.
        process = multiprocessing.get_context("spawn").Process(target=run, args=self._words, daemon=True)
        try:
            process.start()
        except OSError as error:
            return error
        self._process = process
        if self._stopped.is_set():
            process.terminate()
        process.join()
        return process.exitcode


def run(threads: int, server: str) -> None:
    """What the process does."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, aside(stop.set))
    # Ctrl-C reaches the whole group; whoever started this says when it is time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(stop,), daemon=True).start()

    gc.disable()
    import django

    django.setup()
    from gradequeue.notifications import sender
    from gradequeue.processes import chores, connections
    from submissions.deliveries import Worker
    from submissions.xqueue.push import Dispatcher

    # What is loaded by now stays: the collector need not walk it again and again, nor at the end.
    gc.freeze()
    gc.enable()
    connections.bind_to_threads()
    # Not in a web worker: while it counts, each request there would wait for the interpreter again and again.
    threading.Thread(target=chores.run, daemon=True).start()
    threading.Thread(target=sender.run, daemon=True).start()
    dispatching = threading.Thread(target=Dispatcher(base_url=server).run, args=(stop,), daemon=True)
    dispatching.start()
    Worker(threads).run(stop)
    dispatching.join()


def _end_with_parent(stop: threading.Event) -> None:
    """It must not outlive a killed `serve`."""
    parents.outlive()
    stop.set()
    time.sleep(30)
    os._exit(1)
