"""In a platform that embeds the app: results are sent by the process that took them, right after the commit.

On threads of their own, so that no grader waits for it; they end where nothing is due for a while. Where the process
dies, `deliver` finds what is due.
"""

from __future__ import annotations

import logging
import threading

from django.db import connections

from submissions.conf import conf
from submissions.deliveries.worker import Worker

logger = logging.getLogger("submissions.deliveries")

THREADS = 4

_lock = threading.Lock()
_wanted = threading.Event()
_running: threading.Thread | None = None


def begin(**_: object) -> None:
    """Receiver of ``deliveries_due``: at most one such worker per process."""
    global _running
    if not conf.DELIVER_AT_ONCE:
        return
    with _lock:
        _wanted.set()
        # A thread of the parent's is not alive in a forked child.
        if _running is None or not _running.is_alive():
            _running = threading.Thread(target=_deliver, name="deliveries", daemon=True)
            _running.start()


def _deliver() -> None:
    global _running
    try:
        while True:
            Worker(THREADS).run(threading.Event(), wanted=_wanted)
            with _lock:
                if not _wanted.is_set():
                    _running = None
                    return
    finally:
        connections.close_all()
