"""Requests that wait for a job to come: they hold a thread, and neither a connection to the database nor a lock.

One thread for each process watches the queues that have waiters: it is told by PostgreSQL (LISTEN, on a direct
connection), and asks the database for the rest of what comes due, and everywhere else. It wakes one waiter for a queue
that has something; whoever gets a job wakes the next one.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, TypeVar

from django.db import connections, router

from submissions import signals
from submissions.conf import conf
from submissions.connections import is_pooled
from submissions.models import ExternalGraderDetail
from submissions.queue import waiting_since
from submissions.sql import is_psycopg

logger = logging.getLogger("submissions.queue")

T = TypeVar("T")

CHANNEL = "gradequeue_jobs"
# How often the database is asked: where it tells nothing, and where it tells what is new (seconds).
ASK_SECONDS, ASK_BESIDE_SECONDS = 0.25, 1.0
# For how long the watcher stays without waiters (seconds); its connection is one of theirs.
LINGER_SECONDS = 1.0
# For how long an account counts that has waited (seconds).
LATELY = 60.0


class Outcome(Enum):
    """Why the waiting ended."""

    CAME = "came"
    TIMED_OUT = "timed out"
    FULL = "full"
    """Too many wait already."""
    CLOSED = "closed"
    """This process ends."""


class _Waiter:
    def __init__(self, account: str, names: Sequence[str]) -> None:
        self.account, self.names = account, frozenset(names)
        self.woken = threading.Event()


class Room:
    """The waiters of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: list[_Waiter] = []
        self._seen: dict[str, float] = {}
        self._is_closed = False
        self._kick: socket.socket | None = None

    def wait(
        self, names: Sequence[str], account: str, seconds: float, attempt: Callable[[], list[T]]
    ) -> tuple[list[T], Outcome]:
        """What `attempt` finds within `seconds`, tried each time that one of these queues may have something."""
        until = time.monotonic() + seconds
        waiter = self._enter(account, names)
        if isinstance(waiter, Outcome):
            return [], waiter
        try:
            while (left := until - time.monotonic()) > 0:
                _let_go_of_database()
                waiter.woken.wait(left)
                if self._is_closed:
                    return [], Outcome.CLOSED
                if not waiter.woken.is_set():
                    break
                waiter.woken.clear()
                if found := attempt():
                    waiter.woken.set()  # where one came, there may be more
                    return found, Outcome.CAME
            return [], Outcome.TIMED_OUT
        finally:
            self._leave(waiter)

    def wake(self, names: Sequence[str]) -> None:
        """One waiter for each of these queues."""
        with self._lock:
            for name in names:
                for place, waiter in enumerate(self._waiters):
                    if name in waiter.names and not waiter.woken.is_set():
                        waiter.woken.set()
                        # To the end: who was woken last is the last to be woken again.
                        self._waiters.append(self._waiters.pop(place))
                        break

    def close(self) -> None:
        """Everybody is answered at once, and nobody may wait any more."""
        with self._lock:
            self._is_closed = True
            for waiter in self._waiters:
                waiter.woken.set()

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def queues(self) -> list[str]:
        """Those that somebody waits for."""
        with self._lock:
            return sorted(self._watched())

    def _watched(self) -> set[str]:
        return {name for waiter in self._waiters for name in waiter.names}

    def _enter(self, account: str, names: Sequence[str]) -> _Waiter | Outcome:
        with self._lock:
            if self._is_closed:
                return Outcome.CLOSED
            if not self._has_room(account):
                return Outcome.FULL
            waiter = _Waiter(account, names)
            if self._kick is None:
                self._kick = self._start_watching()
            elif not waiter.names <= self._watched():
                with contextlib.suppress(OSError):  # it is kicked already
                    self._kick.send(b"!")
            self._waiters.append(waiter)
        return waiter

    def _start_watching(self) -> socket.socket:
        """By what the watcher is kicked. Raises OSError, RuntimeError: there is no further file, or thread."""
        kick, kicked = socket.socketpair()
        kick.setblocking(False)
        kicked.setblocking(False)
        try:
            threading.Thread(target=self._watch, args=(kicked,), name="gradequeue-watcher", daemon=True).start()
        except RuntimeError:
            kick.close()
            kicked.close()
            raise
        return kick

    def _has_room(self, account: str) -> bool:
        """Half of the process's threads may wait; each account that has waited lately has its share of them."""
        now, most = time.monotonic(), int(conf.MAX_WAITING)
        self._seen = {name: seen for name, seen in self._seen.items() if seen > now - LATELY} | {account: now}
        mine = sum(waiter.account == account for waiter in self._waiters)
        return len(self._waiters) < most and mine < max(most // len(self._seen), 1)

    def _leave(self, waiter: _Waiter) -> None:
        with self._lock:
            self._waiters.remove(waiter)
        if waiter.woken.is_set():
            # It got one, or was woken for a job that it did not look for any more: the next one looks.
            self.wake(sorted(waiter.names))

    # The watcher. ----------------------------------------------------------------------------------------------------

    def _watch(self, kicked: socket.socket) -> None:
        with kicked:
            while not self._may_end(kicked):
                self._watch_once(kicked)
        connections.close_all()

    def _may_end(self, kicked: socket.socket) -> bool:
        if not self.queues():
            _wait_for([kicked], LINGER_SECONDS)
        with self._lock:
            if self._waiters:
                return False
            if self._kick is not None:
                self._kick.close()
                self._kick = None
            return True

    def _watch_once(self, kicked: socket.socket) -> None:
        try:
            with _listening() as listener:
                while names := self.queues():
                    self.wake(list(waiting_since(names)))
                    self.wake(_hear(kicked, listener))
        except Exception as error:  # the database has gone; whoever waits asks it again in the end
            logger.info("the watcher of waiting graders begins anew: %s", type(error).__name__)
            connections.close_all()
            time.sleep(ASK_SECONDS)


def _hear(kicked: socket.socket, listener: Any) -> list[str]:
    """Wait until there is news, or it is time to ask; the queues that PostgreSQL told of."""
    sources = [kicked] if listener is None else [kicked, listener]
    _wait_for(sources, ASK_SECONDS if listener is None else ASK_BESIDE_SECONDS)
    with contextlib.suppress(BlockingIOError):
        kicked.recv(4096)
    return [] if listener is None else [note.payload for note in listener.notifies(timeout=0)]


def _wait_for(sources: Sequence[Any], seconds: float) -> None:
    """Until one of them has something to read. Not by `select`, which knows no file beyond the 1024th of a process: one
    with so many idle connections is nothing unusual."""
    with selectors.DefaultSelector() as selector:
        for source in sources:
            selector.register(source, selectors.EVENT_READ)
        selector.select(seconds)


@contextlib.contextmanager
def _listening() -> Iterator[Any]:
    """psycopg's connection, which hears of new jobs; None where the database tells nobody."""
    connection = connections[router.db_for_write(ExternalGraderDetail)]
    connection.ensure_connection()
    if not is_psycopg(connection) or is_pooled(connection):
        yield None
        return
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    yield connection.connection
    with connection.cursor() as cursor:
        # Django may keep it in a pool: what is told to a connection that nobody listens on would pile up there.
        cursor.execute(f"UNLISTEN {CHANNEL}")
    connection.close()


def _let_go_of_database() -> None:
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


room = Room()


def connect() -> None:
    """Called once, when the app is ready: what makes a job due is told to whoever waits."""
    for signal in (signals.job_enqueued, signals.job_retried, signals.job_released):
        signal.connect(_tell, dispatch_uid="submissions.waiting")


def _tell(job: ExternalGraderDetail, **_: object) -> None:
    """After the commit, so that nobody's transaction waits for PostgreSQL's one line of notifications."""
    room.wake([job.queue_name])
    connection = connections[router.db_for_write(ExternalGraderDetail)]
    if is_psycopg(connection) and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, job.queue_name])
