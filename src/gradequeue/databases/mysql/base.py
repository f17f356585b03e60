"""Django's MySQL and MariaDB, with fewer trips, and without cursors for what is asked all the time.

Nothing is known to the server by name here: MariaDB changes the plan of a prepared claim (ADR 0094).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.db.backends.mysql import base

from gradequeue.databases.mysql.quick import MySQLQuick
from gradequeue.databases.quick import WithoutCursors


class DatabaseWrapper(WithoutCursors, base.DatabaseWrapper):
    begin = "START TRANSACTION"

    def new_quick(self) -> MySQLQuick:
        return MySQLQuick(self.connection)

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
