"""Connections to the database that are of no use any more."""

from __future__ import annotations

from django.db import DatabaseError, DataError, IntegrityError, ProgrammingError, connections


def close_after(error: BaseException) -> None:
    """Close this thread's connections after `error`, if it is one that can belong to the connection.

    One that was made while the database took no writes refuses them for as long as it lives: PostgreSQL gives the
    setting to a session at its beginning. Django closes only connections that do not answer at all.
    """
    if isinstance(error, DatabaseError) and not isinstance(error, DataError | IntegrityError | ProgrammingError):
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()
