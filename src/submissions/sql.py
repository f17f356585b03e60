"""One statement by the driver's own public cursor: the shortest way, for the few that every grader's request needs.

Django makes no health check for it. Where somebody wants to see statements (`is_watched`) they go by Django's cursor.
Who calls this outside a transaction closes the connection after an error of it; inside one, that is Django's to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BinaryField, F, Func, Model, QuerySet
from django.utils import timezone

from submissions.connections import is_pooled

try:
    import psycopg
except ImportError:  # another database, or psycopg2
    psycopg = None  # type: ignore[assignment]

# By name, as a statement asks for them; and what a driver gives back: each value is of its column's type.
Values: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[Any, ...]
M = TypeVar("M", bound=Model)

# Django turns prepared statements off for poolers' sake. With this number only what asks for it is prepared.
ONLY_WHERE_ASKED = 2**31 - 1

# By connection of psycopg's: which statements it has run; None where a pooler stands before the server.
_run_there: WeakKeyDictionary[object, set[str] | None] = WeakKeyDictionary()


def is_watched(connection: BaseDatabaseWrapper) -> bool:
    """Whether statements are logged or wrapped, and so must go through Django's cursors.

    A backend that is not Django's own may do with its cursors what must not be left out: one for several tenants says
    with the first one of a request whose tables it is for.
    """
    is_djangos = type(connection).__module__.startswith("django.")
    return bool(connection.queries_logged or connection.execute_wrappers or not is_djangos)


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
                return cursor.execute(sql, values, prepare=_is_prepared(connection, sql)).fetchone()
        given = values if connection.vendor == "postgresql" else adapted(connection, values)
        by_driver = connection.vendor == "mysql" and not is_watched(connection)
        with (connection.connection if by_driver else connection).cursor() as cursor:
            cursor.execute(sql, given)
            return cursor.fetchone()


def first_row(connection: BaseDatabaseWrapper, sql: str, values: Values) -> Any:
    """`row`, for the first statement of a request, which only reads: tried anew where the connection died meanwhile.

    So nobody needs to ask first whether the connection lives. Raises Django's database errors.
    """
    connection.ensure_connection()
    try:
        return row(connection, sql, values)
    except (DatabaseError, InterfaceError):
        # None: there was no connection to be had, and why is what the log must tell.
        if connection.in_atomic_block or connection.connection is None or connection.is_usable():
            raise
        connection.close()
        connection.ensure_connection()
        return row(connection, sql, values)


def exactly(rows: QuerySet[M], **texts: str) -> QuerySet[M]:
    """``rows.filter(**texts)``, letter by letter; the index is walked all the same.

    MySQL's collation takes other cases, accents and blanks at the end for equal, and would show one learner's work as
    another's.
    """
    found = rows.filter(**texts)
    if connections[rows.db].vendor == "mysql":
        for number, (name, text) in enumerate(texts.items()):
            as_bytes = Func(F(name), template="CAST(%(expressions)s AS BINARY)", output_field=BinaryField())
            given = {f"bytes_{number}": text.encode("utf-8", "replace")}
            found = found.alias(**dict.fromkeys(given, as_bytes)).filter(**given)
    return found


def now(connection: BaseDatabaseWrapper) -> datetime:
    """The database's clock, as Django reads times there; SQLite's is this process's own."""
    if connection.vendor == "sqlite":
        return timezone.now()
    return read_now(connection, row(connection, f"SELECT {CLOCKS[connection.vendor]}", {})[0])


# By vendor: what a statement asks for the time now; see `read_now`.
CLOCKS = {"postgresql": "statement_timestamp()", "mysql": "UTC_TIMESTAMP(6)", "sqlite": "NULL"}


def read_now(connection: BaseDatabaseWrapper, clock: Any) -> datetime:
    """The time now, of what a statement has read by `CLOCKS`; SQLite's is this process's own."""
    if connection.vendor == "sqlite":
        return timezone.now()
    if connection.vendor != "mysql":
        return clock  # type: ignore[no-any-return]
    return as_read(clock.replace(tzinfo=UTC))


def as_read(time: datetime) -> datetime:
    """A time that names its zone, as Django reads times of rows: where USE_TZ is False, the local one and no zone."""
    return time if settings.USE_TZ else timezone.make_naive(time, timezone.get_default_timezone())


def mysql_now(connection: BaseDatabaseWrapper) -> str:
    """MySQL's clock as Django keeps times there: in UTC, or where a host has it so, in a time of its own."""
    # Its own names of zones are in tables that a server need not have.
    offset = datetime.now(connection.timezone or timezone.get_default_timezone()).utcoffset()
    seconds = round(offset.total_seconds()) if offset else 0
    return f"(UTC_TIMESTAMP(6) + INTERVAL {seconds} SECOND)" if seconds else "UTC_TIMESTAMP(6)"


def read_time(connection: BaseDatabaseWrapper, time: Any) -> Any:
    """A time, or None, as Django reads it there: MySQL and SQLite keep times in one zone and do not say so."""
    if time is None or time.tzinfo is not None or connection.timezone is None:
        return time
    return timezone.make_aware(time, connection.timezone)


def adapted(connection: BaseDatabaseWrapper, values: Values) -> dict[str, Any]:
    """`values` with times as MySQL and SQLite keep them: in one zone, without saying so."""
    adapt = connection.ops.adapt_datetimefield_value
    return {name: adapt(value) if isinstance(value, datetime) else value for name, value in values.items()}


def _is_prepared(connection: BaseDatabaseWrapper, sql: str) -> bool:
    """Whether the statement is to be a prepared one: from its second time on, as a connection may serve one request
    only. Never behind a pooler that changes the server with each transaction: its name may be somebody else's there."""
    driver = connection.connection
    if driver not in _run_there:
        direct = not is_pooled(connection)
        if direct and driver.prepare_threshold is None:
            driver.prepare_threshold = ONLY_WHERE_ASKED
        _run_there[driver] = set() if direct else None
    run = _run_there[driver]
    if run is None:
        return False
    again = sql in run
    run.add(sql)
    return again
