"""One statement by the driver's own public cursor: the shortest way, for the few that every grader's request needs.

Django makes no health check for it. Where somebody wants to see statements (`is_watched`) they go by Django's cursor.
Who calls this outside a transaction closes the connection after an error of it; inside one, that is Django's to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from submissions.connections import is_pooled

try:
    import psycopg
except ImportError:  # another database, or psycopg2
    psycopg = None  # type: ignore[assignment]

# By name, as a statement asks for them; and what a driver gives back: each value is of its column's type.
Values: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[Any, ...]

# Django turns prepared statements off for poolers' sake. With this number only what asks for it is prepared.
ONLY_WHERE_ASKED = 2**31 - 1

# By connection of psycopg's: whether one server stands at its other end for good.
_is_direct: WeakKeyDictionary[object, bool] = WeakKeyDictionary()


def is_watched(connection: BaseDatabaseWrapper) -> bool:
    """Whether statements are logged or wrapped, and so must go through Django's cursors."""
    return bool(connection.queries_logged or connection.execute_wrappers)


def is_psycopg(connection: BaseDatabaseWrapper) -> bool:
    """Whether the driver below Django's PostgreSQL is psycopg 3."""
    return psycopg is not None and isinstance(connection.connection, psycopg.Connection)


def row(connection: BaseDatabaseWrapper, sql: str, values: Values) -> Any:
    """The first row of the statement; None where there is none. `sql` has its values as %(name)s.

    Raises Django's database errors.
    """
    with connection.wrap_database_errors:
        if is_psycopg(connection) and not is_watched(connection):
            with psycopg.Cursor(connection.connection) as cursor:
                return cursor.execute(sql, values, prepare=_can_prepare(connection)).fetchone()
        given = values if connection.vendor == "postgresql" else adapted(connection, values)
        by_driver = connection.vendor == "mysql" and not is_watched(connection)
        with (connection.connection if by_driver else connection).cursor() as cursor:
            cursor.execute(sql, given)
            return cursor.fetchone()


def now(connection: BaseDatabaseWrapper) -> datetime:
    """The database's clock, as Django reads times there; SQLite's is this process's own."""
    if connection.vendor == "sqlite":
        return timezone.now()
    clock = "UTC_TIMESTAMP(6)" if connection.vendor == "mysql" else "statement_timestamp()"
    found: datetime = row(connection, f"SELECT {clock}", {})[0]
    if found.tzinfo is not None or connection.timezone is None:
        return found
    return timezone.make_aware(found, connection.timezone)


def adapted(connection: BaseDatabaseWrapper, values: Values) -> dict[str, Any]:
    """`values` with times as MySQL and SQLite keep them: in UTC, without saying so."""
    adapt = connection.ops.adapt_datetimefield_value
    return {name: adapt(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _can_prepare(connection: BaseDatabaseWrapper) -> bool:
    """Whether one server answers for good: behind a pooler that changes it with each transaction, a prepared
    statement's name may be somebody else's. Asked once for each connection."""
    driver = connection.connection
    known = _is_direct.get(driver)
    if known is None:
        known = _is_direct[driver] = not is_pooled(connection)
        if known and driver.prepare_threshold is None:
            driver.prepare_threshold = ONLY_WHERE_ASKED
    return known
