"""How many connections to the database the processes of `serve` hold.

Django keeps a connection for each thread, and the web server ends threads that are idle. Without this a connection
outlives its thread: it hangs in a cycle of references that an idle process never collects.
"""

from __future__ import annotations

import queue
import sys
import threading
from contextlib import suppress

from django.core.signals import got_request_exception
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from gradequeue.processes.admission import SPARE_THREADS
from submissions.connections import close_after, is_pooled

# After so long without a request a web worker's thread ends, all but one, and with each its connection (seconds).
IDLE_SECONDS = 10
# Beside the senders: the loop that looks for deliveries, the one that looks for queues that are pushed, the chores, and
# whoever tells people of trouble.
BESIDE_SENDERS = 4

_of_thread = threading.local()
# Connections whose thread has ended.
_left: queue.SimpleQueue[BaseDatabaseWrapper] = queue.SimpleQueue()


def most_connections(*, workers: int, threads: int, delivery_threads: int) -> int:
    """How many a `serve` with these options can hold at once, but for one for each queue that is pushed.

    Each worker has more than its threads: the spare ones, and one for /readyz. Without delivery threads it does the
    chores, and tells people, too.
    """
    return workers * (threads + SPARE_THREADS + 1) + (
        delivery_threads + BESIDE_SENDERS if delivery_threads else 2 * workers
    )


def bind_to_threads() -> None:
    """From now on a thread's connections end with it, or with an error of theirs. For a process of our own."""
    threading.Thread(target=_close_what_is_left, daemon=True).start()
    connection_created.connect(_note)
    got_request_exception.connect(_close_after)


def watch_for_pooler() -> None:
    """From now on a pooler before PostgreSQL is noticed, so that nobody has to tell of it."""
    connection_created.connect(_note_pooler)


class _Kept:
    """Has a connection closed when the last reference to this goes: that of its thread's own data.

    By another thread. SQLite's module asks for the interpreter's lock while it closes. In a thread that the web server
    has made, and that is just being taken apart, Python before 3.12.4 takes it apart twice then, and the process dies.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    def __del__(self) -> None:
        _left.put(self.connection)


def _close_what_is_left() -> None:
    """Never returns; for a thread of its own."""
    while True:
        connection = _left.get()
        with suppress(Exception):  # nobody is there to be told, and the server ends what is broken
            connection.inc_thread_sharing()
            connection.close()
        del connection


def _note(connection: BaseDatabaseWrapper, **_: object) -> None:
    kept = _of_thread.__dict__.setdefault("kept", {})
    if connection.alias not in kept:
        kept[connection.alias] = _Kept(connection)


def _close_after(**_: object) -> None:
    """After what a page could not handle; the dialects handle all errors themselves, this one too."""
    if error := sys.exc_info()[1]:
        close_after(error)


def _note_pooler(connection: BaseDatabaseWrapper, **_: object) -> None:
    """A cursor on the server would be declared on one of the pooler's connections and read on another one, where
    another process may have one of the same name."""
    options = connection.settings_dict
    if not options.get("DISABLE_SERVER_SIDE_CURSORS"):
        options["DISABLE_SERVER_SIDE_CURSORS"] = is_pooled(connection)
