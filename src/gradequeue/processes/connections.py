"""How many connections to the database the processes of `serve` hold.

Django keeps a connection for each thread, and the web server ends threads that are idle. Without this a connection
outlives its thread: it hangs in a cycle of references that an idle process never collects.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress

from django.core.signals import got_request_exception
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from submissions.connections import close_after

# After so long without a request a web worker's thread ends, all but one, and with each its connection (seconds).
IDLE_SECONDS = 10
# Beside the senders: the loop that looks for deliveries, the one that looks for queues that are pushed, the chores.
BESIDE_SENDERS = 3

_of_thread = threading.local()


def most(*, workers: int, threads: int, delivery_threads: int, pushed: int = 0) -> int:
    """How many connections a `serve` with these options can hold at once. `pushed`: queues with a push_url.

    Each worker has one more than its threads, for /readyz.
    """
    beside = delivery_threads + BESIDE_SENDERS + pushed if delivery_threads else workers
    return workers * (threads + 1) + beside


def bind_to_threads() -> None:
    """From now on a thread's connections end with it, or with an error of theirs. For a process of our own."""
    connection_created.connect(_note)
    got_request_exception.connect(_close_after)


class _Kept:
    """Closes a connection when the last reference to this goes: that of its thread's own data."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    def __del__(self) -> None:
        with suppress(Exception):  # nobody is there to be told, and the server ends what is broken
            self.connection.close()


def _note(connection: BaseDatabaseWrapper, **_: object) -> None:
    kept = _of_thread.__dict__.setdefault("kept", {})
    if connection.alias not in kept:
        kept[connection.alias] = _Kept(connection)


def _close_after(**_: object) -> None:
    """After what a page could not handle; the dialects handle all errors themselves, this one too."""
    if error := sys.exc_info()[1]:
        close_after(error)
