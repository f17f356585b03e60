"""What a web worker sets for itself before it serves (ADR 0096). For a process of its own, that runs no coroutines."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, cast

from django.conf import LazySettings
from django.core.cache import caches
from django.db import connections


def settle() -> None:
    look_up_plainly()
    with contextlib.suppress(AttributeError, OSError):  # Linux alone has it
        # A thread that wakes up does not push aside one that works: that one holds locks, mostly the database's.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def look_up_plainly() -> None:
    """Settings and connections, asked for a hundred times per request, straight from where they are kept.

    Django asks first whether a coroutine runs, and whether a setting is a method of its lazy object: of a grader's
    request a tenth was that.
    """
    for handler in (connections, caches):
        cast(Any, handler)._connections = threading.local()
    cast(Any, LazySettings).__getattribute__ = object.__getattribute__
