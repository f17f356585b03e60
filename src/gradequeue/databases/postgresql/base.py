"""Django's PostgreSQL, with fewer trips."""

from __future__ import annotations

from django.db.backends.postgresql import base

from gradequeue.databases.trips import FewerTrips


class DatabaseWrapper(FewerTrips, base.DatabaseWrapper):
    begin = "BEGIN"

    def _set_autocommit(self, autocommit: bool) -> None:
        if not self.connection.autocommit:  # as the driver opens it
            base.DatabaseWrapper._set_autocommit(self, True)
        super()._set_autocommit(autocommit)

    def begin_statement(self) -> str:
        level = getattr(self.connection, "isolation_level", None)
        return self.begin if level is None else f"{self.begin} ISOLATION LEVEL {level.name.replace('_', ' ')}"
