"""Django's MySQL and MariaDB, with fewer trips."""

from __future__ import annotations

from django.db.backends.mysql import base

from gradequeue.databases.trips import FewerTrips


class DatabaseWrapper(FewerTrips, base.DatabaseWrapper):
    begin = "START TRANSACTION"

    def _set_autocommit(self, autocommit: bool) -> None:
        if not self.connection.get_autocommit():  # as the driver opens it
            base.DatabaseWrapper._set_autocommit(self, True)  # type: ignore[attr-defined]
        super()._set_autocommit(autocommit)
