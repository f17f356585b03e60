"""What a web worker sets for itself before it serves."""

from __future__ import annotations

import contextlib
import os

from django.conf import settings


def settle(threads: int) -> None:
    """Let a thread that wakes up not push aside one that works: that one holds locks, mostly the database's. And half
    of the threads may wait for a job to come, and half of them reckon at passwords."""
    from gradequeue.accounts import hashers  # what it imports needs Django to be set up

    hashers.leave_threads_free(threads)
    settings.SUBMISSIONS_MAX_WAITING = threads // 2
    with contextlib.suppress(AttributeError, OSError):  # Linux alone has it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
