"""The web server's workers, which end when they are told to."""

from __future__ import annotations

import threading
from typing import Any

from granian import _signals
from granian._granian import WorkerSignal

# When a worker is told again, after which it has surely heard the first time (seconds).
AGAIN_SECONDS = 0.5


def end_when_told() -> None:
    """Call it in a worker before granian listens for signals there.

    A worker that is told while it accepts a connection can miss it: it goes on taking requests, and is killed with
    those under way when its time is up (granian 2.8.7; seen once in about 70 ends under a stream of new connections).
    So it is told twice, and never more: a third time it would stand still, with all its threads, until it is killed.
    """
    _signals.set_sync_signals = _set_sync_signals


def _set_sync_signals() -> Any:
    event = WorkerSignal()
    heard = threading.Event()

    def handler(*_: object) -> None:
        if heard.is_set():
            return
        heard.set()
        event.set()
        again = threading.Timer(AGAIN_SECONDS, event.set)
        again.daemon = True
        again.start()

    _signals.set_main_signals(handler)  # type: ignore[no-untyped-call]
    return event
