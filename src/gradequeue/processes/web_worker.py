"""What a web worker sets for itself before it serves."""

from __future__ import annotations

import contextlib
import os


def settle() -> None:
    """Let a thread that wakes up not push aside one that works: that one holds locks, mostly the database's."""
    with contextlib.suppress(AttributeError, OSError):  # Linux alone has it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
