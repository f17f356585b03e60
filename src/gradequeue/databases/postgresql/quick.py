"""What `gradequeue.databases.quick` needs, of psycopg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, errors, generators
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus

from gradequeue.databases.quick import Rows

GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class PsycopgQuick:
    done = 0
    """All of them or none."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.values = Transformer(connection)

    def text(self, sql: str, params: Sequence[Any] | None) -> bytes:
        return sql.encode() if params is None else sql.encode() % tuple(map(self._literal, params))

    def rows(self, text: bytes, answers: int) -> list[Rows]:
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
