"""What becomes of this process's connection to the database."""

from __future__ import annotations

from django.db import connection

from tests.settings import KIND


def end_connection() -> None:
    """As an operator, or a failover, does it. Not on SQLite: there is no server."""
    other = connection.copy()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if KIND == "postgresql" else "SELECT CONNECTION_ID()")
        (number,) = cursor.fetchone()
    try:
        with other.cursor() as cursor:
            cursor.execute(f"SELECT pg_terminate_backend({number})" if KIND == "postgresql" else f"KILL {number}")
    finally:
        other.close()
