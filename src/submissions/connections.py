"""What a connection to the database is good for: whether it is of use any more, and whose it is."""

from __future__ import annotations

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper


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


def is_pooled(connection: BaseDatabaseWrapper) -> bool:
    """Whether a pooler (pgbouncer) stands before PostgreSQL: the process that answers is not the one we connected to.

    It may give each transaction another connection, where nothing is left of what the last one prepared or declared.
    """
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        row = cursor.fetchone()
        connected: int = connection.connection.info.backend_pid
    return bool(row and row[0] != connected)
