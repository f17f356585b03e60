"""One statement by the driver's own public cursor: the shortest way, for the few that every grader's request needs.

Django sees nothing of it: no health check, no log of queries, no wrapper. So whoever calls this looks first whether
somebody wants to see (`is_watched`), and closes Django's connection after an error (its own cursor would notice).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

try:
    import psycopg
except ImportError:  # another database, or psycopg2
    psycopg = None  # type: ignore[assignment]

# Django turns prepared statements off for poolers' sake. With this number only what asks for it is prepared.
ONLY_WHERE_ASKED = 2**31 - 1

# By connection of psycopg's: whether one server stands at its other end for good.
_is_direct: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def is_watched(connection: Any) -> bool:
    """Whether statements are logged or wrapped, and so must go through Django's cursors."""
    return bool(connection.queries_logged or connection.execute_wrappers)


def is_psycopg(connection: Any) -> bool:
    """Whether the driver below Django's PostgreSQL is psycopg 3."""
    return psycopg is not None and isinstance(connection.connection, psycopg.Connection)


def row(connection: Any, sql: str, values: Mapping[str, Any]) -> Any:
    """The first row of the statement; None where there is none. `sql` has its values as %(name)s.

    Raises the driver's errors, as Django's where the caller has ``connection.wrap_database_errors`` around it.
    """
    if is_psycopg(connection):
        driver = connection.connection
        with psycopg.Cursor(driver) as cursor:
            return cursor.execute(sql, values, prepare=_can_prepare(driver)).fetchone()
    if connection.vendor == "mysql":
        with connection.connection.cursor() as cursor:
            cursor.execute(sql, adapted(connection, values))
            return cursor.fetchone()
    with connection.cursor() as cursor:
        cursor.execute(sql, adapted(connection, values))
        return cursor.fetchone()


def adapted(connection: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with times as MySQL and SQLite keep them: in UTC, without saying so."""
    adapt = connection.ops.adapt_datetimefield_value
    return {name: adapt(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _can_prepare(driver: Any) -> bool:
    """Whether the server at the other end is always the same one: behind a pooler that changes it with each
    transaction, a prepared statement's name may be somebody else's. Asked once for each connection."""
    known = _is_direct.get(driver)
    if known is None:
        asked = driver.execute("SELECT pg_backend_pid()").fetchone()
        known = _is_direct[driver] = asked == (driver.info.backend_pid,)
        if known and driver.prepare_threshold is None:
            driver.prepare_threshold = ONLY_WHERE_ASKED
    return known
