"""Django's MySQL and MariaDB, with fewer trips, and on MariaDB without parsing the same statements again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.db.backends.mysql import base
from MySQLdb.constants import FIELD_TYPE

from gradequeue.databases.mysql.moments import DatabaseOperations, moment
from gradequeue.databases.mysql.quick import MySQLQuick
from gradequeue.databases.quick import Rows, WithoutCursors
from gradequeue.databases.trips import Statement, joined
from submissions.writes import NewId


def _new_id(*_: Any) -> str:
    return "LAST_INSERT_ID()"


def compound(statements: Sequence[Statement]) -> Statement:
    """The same as one statement of MariaDB's: it is answered once, not after each part (ADR 0094)."""
    sql, params = joined(statements)
    return f"BEGIN NOT ATOMIC {sql}; END", params


class DatabaseWrapper(WithoutCursors, base.DatabaseWrapper):
    begin = "START TRANSACTION"
    ops_class = DatabaseOperations
    knows_new_ids = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names: dict[str, str] = {}
        self.known: set[str] = set()
        """The names that the server knows, as far as we do: it takes the same name for a statement twice."""

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        # Of each connection; false for a pooler that gives every transaction another one.
        self.prepares = params.pop("prepare", True) not in (False, "false", "0", "no")
        params["conv"] = {**params["conv"], FIELD_TYPE.DATETIME: moment, FIELD_TYPE.TIMESTAMP: moment, NewId: _new_id}
        return params

    def new_quick(self) -> MySQLQuick:
        return MySQLQuick(self.connection)

    def forget(self) -> None:
        self.known.clear()

    def shortened(self, sql: str, params: Sequence[Any]) -> Statement:
        """The same statement by the name under which the server knows it, or will when it arrives.

        For statements whose text is the same each time. MySQL's own EXECUTE takes no values, only variables.
        """
        self.close_if_health_check_failed()  # before the name is looked up, not after: a new connection knows none
        if self.connection is None:
            self.ensure_connection()
        # What walks an index is planned anew each time, or it walks all that is finished (ADR 0094).
        if not (self.prepares and self.mysql_is_mariadb) or " ORDER BY " in sql:
            return sql, params
        name = self.names.setdefault(sql, f"gradequeue_{len(self.names)}")
        if name not in self.known:
            self.held_back.append((f"PREPARE {name} FROM %s", [sql.replace("%s", "?").replace("%%", "%")]))
            self.known.add(name)
        slots = ", ".join(["%s"] * len(params))
        return (f"EXECUTE {name} USING {slots}" if params else f"EXECUTE {name}"), params

    def rows_of_transaction(self, *writes: Statement, read: Statement) -> Rows:
        """What `read` finds after these writes, which are a transaction. Not within `atomic`.

        It is read after the COMMIT: its rows would wake the client, only to wait for the COMMIT's answer. What somebody
        else does to them in between is seen.
        """
        try:
            return self.rows_of(*compound([(self.begin, None), *writes, ("COMMIT", None), read]), answers=2)[0]
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        """Nobody else will: what failed in the middle of it leaves the server in a transaction."""
        try:
            self.connection.rollback()
        except Exception:
            self.close()

    def _send_and_commit(self, statements: Sequence[Statement]) -> None:
        if self.mysql_is_mariadb:
            self.rows_of(*compound([*statements, ("COMMIT", None)]), answers=1)
        else:
            super()._send_and_commit(statements)

    def written_by(self, sql: str, params: Sequence[Any] | None) -> tuple[int, int]:
        """How many rows this statement wrote, and the id of the one that it inserted; quicker than by a cursor."""
        if self.is_watched:
            with self.cursor() as cursor:
                cursor.execute(sql, params)
                return cursor.rowcount, cursor.lastrowid
        self.rows_of(sql, params)
        return cast(MySQLQuick, self.quick).written

    def _set_autocommit(self, autocommit: bool) -> None:
        if not self.connection.get_autocommit():  # as the driver opens it
            base.DatabaseWrapper._set_autocommit(self, True)  # type: ignore[attr-defined]
        super()._set_autocommit(autocommit)
