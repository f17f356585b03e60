"""The web server, which ends when it is told to."""

from __future__ import annotations

import threading

# Not granian.server.Server, which mypy takes for a variable: the same class, for a Python with a GIL.
from granian.server.mp import MPServer

# How often a worker that is still there is told again (seconds).
REMIND_SECONDS = 0.5


class PatientServer(MPServer):
    """Granian, which tells its workers more than once to end.

    A worker that is told while it accepts a connection can miss it: it goes on taking requests, and is killed with
    those under way when its time is up (granian 2.8.7; seen once in about 70 ends under a stream of new connections).
    """

    def _stop_workers(self) -> None:
        ended = threading.Event()
        threading.Thread(target=self._remind, args=(ended,), daemon=True).start()
        try:
            super()._stop_workers()  # type: ignore[no-untyped-call]
        finally:
            ended.set()

    def _remind(self, ended: threading.Event) -> None:
        while not ended.wait(REMIND_SECONDS):
            for worker in list(self.wrks):
                worker.terminate()  # type: ignore[no-untyped-call]
