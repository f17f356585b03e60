"""Django's PostgreSQL, with fewer trips, and without planning the same statements again and again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DataError
from django.db.backends.postgresql import base, psycopg_any
from psycopg.adapt import Buffer
from psycopg.pq import TransactionStatus

from gradequeue.databases.postgresql.quick import PsycopgQuick
from gradequeue.databases.quick import WithoutCursors
from gradequeue.databases.trips import Statement

IDLE, INTRANS = TransactionStatus.IDLE, TransactionStatus.INTRANS
PLAN_SECONDS = 60
"""How long a statement's plan is kept: a table that was small then may have grown."""


class Moments(psycopg_any.BaseTzLoader):  # type: ignore[misc]  # unknown to the stubs
    """Moments as Django wants them, read by Python's own C. Its loader takes each of them apart by hand, which was a
    tenth of a grader's request."""

    timezone = UTC

    def load(self, data: Buffer) -> datetime:
        try:
            found = datetime.fromisoformat(str(data, "ascii"))
            return found if found.tzinfo is UTC else found.astimezone(UTC)
        except (ValueError, OverflowError):  # infinity, years before Christ or after 9999
            return super().load(data)  # type: ignore[no-any-return]


class DatabaseWrapper(WithoutCursors, base.DatabaseWrapper):
    begin = "BEGIN"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known: dict[str, tuple[str, float]] = {}
        self.forgotten = True
        """Whether the server may know names that we do not."""
        self.names = map("gradequeue_{}".format, itertools.count())

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        # Of each connection; false for a pooler that gives every transaction another one.
        self.prepares = params.pop("prepare", True) not in (False, "false", "0", "no")
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        if self.timezone is UTC:
            connection.adapters.register_loader("timestamptz", Moments)
        return connection

    def new_quick(self) -> PsycopgQuick:
        return PsycopgQuick(self.connection)

    def shortened(self, sql: str, params: Sequence[Any]) -> Statement:
        """The same statement by the name under which the server knows it, or will when it arrives.

        For statements whose text is the same each time. Planning them was most of the server's work.
        """
        self.close_if_health_check_failed()  # before the name is looked up, not after: a new connection knows none
        if self.connection is None:
            self.ensure_connection()
        if not self.prepares:
            return sql, params
        name, until = self.known.get(sql, ("", 0.0))
        if time.monotonic() >= until:
            if self.forgotten:
                self.held_back.append(("DEALLOCATE ALL", None))
                self.forgotten = False
            elif name:
                self.held_back.append((f"DEALLOCATE {name}", None))
            name = next(self.names)
            self.held_back.append((f"PREPARE {name} AS {_numbered(sql)}", None))
            self.known[sql] = name, time.monotonic() + PLAN_SECONDS
        return (f"EXECUTE {name}({', '.join(['%s'] * len(params))})" if params else f"EXECUTE {name}"), params

    def send_later(self, sql: str, params: Sequence[Any]) -> None:
        if any(isinstance(value, str) and "\0" in value for value in params):
            raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")  # as the driver would, later
        super().send_later(sql, params)

    def was_not_sent(self, error: BaseException, statements: Sequence[Statement]) -> bool:
        # NUL is an error of the database's to this driver. The transaction says what the server heard.
        status = self.connection.info.transaction_status if self.connection is not None else None
        return bool(status == (IDLE if self._begins(statements) else INTRANS))

    def forget(self) -> None:
        """What was to be prepared may not have been. The next PREPARE takes back what was, so that no names pile up."""
        self.known.clear()
        self.forgotten = True

    def _set_autocommit(self, autocommit: bool) -> None:
        if not self.connection.autocommit:  # as the driver opens it
            base.DatabaseWrapper._set_autocommit(self, True)  # type: ignore[attr-defined]
        super()._set_autocommit(autocommit)

    def begin_statement(self) -> str:
        level = getattr(self.connection, "isolation_level", None)
        return self.begin if level is None else f"{self.begin} ISOLATION LEVEL {level.name.replace('_', ' ')}"


def _numbered(sql: str) -> str:
    """With $1, $2 for each %s, as PREPARE wants it."""
    first, *parts = sql.split("%s")
    return (first + "".join(f"${number}{part}" for number, part in enumerate(parts, 1))).replace("%%", "%")
