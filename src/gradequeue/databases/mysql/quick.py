"""What `gradequeue.databases.quick` needs, of mysqlclient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import MySQLdb
from django.db.backends.mysql.base import CursorWrapper

from gradequeue.databases.quick import Rows


class MySQLQuick:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.done = 0
        self.written = 0, 0
        """By the last statement: how many rows, and the id of the one that it inserted."""

    def text(self, sql: str, params: Sequence[Any] | None) -> bytes:
        return sql.encode() if params is None else sql.encode() % tuple(map(self._literal, params))

    def _literal(self, value: Any) -> bytes:
        """As the driver's own; most values are text and numbers, and need none of its questions."""
        if type(value) is str:
            text: bytes = self.connection.string_literal(value.encode())
            return text
        if type(value) is int:
            return b"%d" % value
        literal: bytes = self.connection.literal(value)
        return literal

    def rows(self, text: bytes, answers: int) -> list[Rows]:
        try:
            return self._rows(text, answers)
        except MySQLdb.OperationalError as error:
            # As Django's own cursor does: some errors come under the wrong name.
            if error.args[0] in CursorWrapper.codes_for_integrityerror:
                raise MySQLdb.IntegrityError(*error.args) from error
            raise
        except MySQLdb.Error:
            raise
        except BaseException:
            self.connection.close()  # with results that nobody has read it would be out of step
            raise

    def _rows(self, text: bytes, answers: int) -> list[Rows]:
        self.done = 0
        self.connection.query(text)
        found: list[Rows] = []
        while True:
            # Not asked in vain: also to store nothing, or to find no further answer, the driver lets go of the
            # interpreter, and waits to have it again.
            found.append(list(self.connection.store_result().fetch_row(0)) if self.connection.field_count() else [])
            self.written = self.connection.affected_rows(), self.connection.insert_id()
            self.done = len(found)
            if self.done == answers or self.connection.next_result() == -1:
                return found
