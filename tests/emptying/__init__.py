"""An app that empties tables between tests by deleting their rows."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connections, transaction


def empty(tables: Iterable[str], using: str = "default") -> None:
    """Delete all rows of these tables, whichever refers to which."""
    connection = connections[using]
    with connection.constraint_checks_disabled(), transaction.atomic(using), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
