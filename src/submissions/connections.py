"""What a connection to the database is good for: whether it is of use any more, whose it is, and for which views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    connections,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper

View = TypeVar("View", bound=Callable[..., Any])


def outside_transactions(view: View) -> View:
    """`view` without a transaction around it, in whichever databases ATOMIC_REQUESTS asks for one.

    The verbs bring their own. One around the whole request would hold locks while the reply is written, and undo a
    failure that was already told.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(alias)(view)
    return view


def close_after(error: BaseException) -> None:
    """Close this thread's connections after `error`, if it is one that can belong to the connection.

    One that was made while the database took no writes refuses them for as long as it lives: PostgreSQL gives the
    setting to a session at its beginning. Django closes only connections that do not answer at all.
    """
    ours = isinstance(error, DataError | IntegrityError | ProgrammingError)
    if isinstance(error, DatabaseError | InterfaceError) and not ours:
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()


def look_at_idle() -> None:
    """Have this thread's connections looked at before they are used again: a server, or a proxy before it, may have
    ended one that was idle for long. What is in a transaction stays."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


# By connection of the driver's: what `is_pooled` has found, which asks each one once.
_pooled: WeakKeyDictionary[object, bool] = WeakKeyDictionary()


def is_pooled(connection: BaseDatabaseWrapper) -> bool:
    """Whether a pooler (pgbouncer) stands before PostgreSQL: the process that answers is not the one we connected to.

    It may give each transaction another connection, where nothing is left of what the last one prepared or declared.
    """
    if connection.vendor != "postgresql":
        return False
    connection.ensure_connection()
    driver = connection.connection
    if driver not in _pooled:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            row = cursor.fetchone()
        _pooled[driver] = bool(row and row[0] != driver.info.backend_pid)
    return _pooled[driver]
