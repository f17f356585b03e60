"""Statements by the driver's own parts, without a cursor of the driver's and one of Django's around it for each.

Making those two, and what each does before and after, costs more than sending a statement and reading its rows
(ADR 0094). What psycopg does with values, rows, waiting and errors is done by psycopg here, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, errors, generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus

GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)

Rows = list[tuple[Any, ...]]


class Quick:
    """For one connection in autocommit mode."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.values = Transformer(connection)

    def text(self, sql: str, params: Sequence[Any] | None) -> bytes:
        """The statements with their values. Raises psycopg.Error, ValueError, TypeError for what cannot be sent."""
        return sql.encode() if params is None else sql.encode() % tuple(map(self._literal, params))

    def rows(self, text: bytes) -> list[Rows]:
        """The rows of each of the statements, an empty list for one that has none. Raises psycopg.Error."""
        with self.connection.lock:
            self.connection.pgconn.send_query(text)
            results = self.connection.wait(generators.execute(self.connection.pgconn))
        for result in results:
            if result.status not in GOOD:
                raise errors.error_from_result(result)
        return [self._loaded(result) for result in results]

    def _literal(self, value: Any) -> bytes:
        return b"NULL" if value is None else self.values.as_literal(value)

    def _loaded(self, result: Any) -> Rows:
        if result.status != ExecStatus.TUPLES_OK:
            return []
        self.values.set_pgresult(result)
        try:
            return self.values.load_rows(0, result.ntuples, tuple)
        finally:
            self.values.set_pgresult(None)  # an answer may be megabytes; the next one may be hours away
