"""Moments between Django and MySQL, by Python's own C: each was taken apart and put together by hand, twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.backends.mysql import operations
from MySQLdb.times import DateTime_or_None


def moment(text: str) -> datetime | None:
    """As mysqlclient reads it; what Python does not know (a zero as the month, say) is left to it."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        found: datetime | None = DateTime_or_None(text)
        return found


class DatabaseOperations(operations.DatabaseOperations):
    def convert_datetimefield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value is not None and self.connection.timezone is UTC:
            return value.replace(tzinfo=UTC)
        return super().convert_datetimefield_value(value, expression, connection)

    def adapt_datetimefield_value(self, value: Any) -> str | None:
        if type(value) is datetime and value.tzinfo is UTC and self.connection.timezone is UTC:
            return str(value.replace(tzinfo=None))
        found: str | None = super().adapt_datetimefield_value(value)
        return found
