"""The web server and its workers, which end when they are told to, and however often."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from granian import Granian, _signals

from submissions.management.interrupts import aside

# When a worker is told again, after which it has surely heard the first time (seconds).
AGAIN_SECONDS = 0.5


class PatientServer(Granian):  # type: ignore[misc, valid-type]  # a class that granian chooses when it is imported
    """Granian's, but for its end: it cannot stand still for good where a second signal comes upon the first.

    Its handlers set an event, and so take a lock that the thread they interrupt may hold (granian 2.8.7 and 2.8.9;
    seen in about every fortieth end where SIGTERM came twice at once, as an impatient Ctrl-C may).
    """

    def serve(self, *args: Any, **kwargs: Any) -> None:
        told: list[bool] = []

        def handle_aside() -> None:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                end = number != signal.SIGHUP
                signal.signal(number, aside(partial(_handle, signal.getsignal(number), told if end else [])))

        # Granian has set its handlers by then.
        self.on_startup(handle_aside)
        try:
            super().serve(*args, **kwargs)
        except SystemExit:
            # Told together with us, a worker may have ended before we asked it to: no failure, and no exit by 1.
            if not told:
                raise


def _handle(usual: Any, told: list[bool]) -> None:
    told.append(True)
    usual()


def end_when_told() -> None:
    """Call it in a worker before granian listens for signals there.

    A worker that is told while it accepts a connection can miss it: it goes on taking requests, and is killed with
    those under way when its time is up (granian 2.8.7; seen once in about 70 ends under a stream of new connections).
    So it is told twice, and never more: a third time it would stand still, with all its threads, until it is killed.
    """
    _signals.set_sync_signals = partial(_set_sync_signals, _signals.set_sync_signals)


def _answer_who_waits() -> None:
    """A restart must not keep a grader waiting for a job for as long as it had asked for."""
    from submissions.waiting import room

    room.close()


def _set_sync_signals(set_as_usual: Callable[[], threading.Event]) -> threading.Event:
    event = set_as_usual()
    told: list[bool] = []  # no Event: a second signal can come while the handler of the first holds its lock

    def handler(*_: object) -> None:
        if told:
            return
        told.append(True)
        event.set()
        # In a thread of its own: a signal may come while this one holds the lock.
        threading.Thread(target=_answer_who_waits, daemon=True).start()
        again = threading.Timer(AGAIN_SECONDS, event.set)
        again.daemon = True
        again.start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
    return event
