"""A plain connection to the database of one side, for what the benchmarks do besides Django."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import unquote, urlsplit


class Database:
    """Statements on the database at `url`, each committed at once."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.url = kind, url
        self.connection = _CONNECT[kind](url)

    def run(self, *statements: str) -> None:
        for statement in statements:
            cursor = self.connection.cursor()
            cursor.execute(statement)
            cursor.close()

    def value(self, statement: str) -> Any:
        """The first column of the first row."""
        cursor = self.connection.cursor()
        cursor.execute(statement)
        row = cursor.fetchone()
        cursor.close()
        return row[0] if row else None

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        cursor = self.connection.cursor()
        cursor.execute(statement)
        found = [tuple(row) for row in cursor.fetchall()]
        cursor.close()
        return found

    def close(self) -> None:
        self.connection.close()


def _postgresql(url: str) -> Any:
    import psycopg

    return psycopg.connect(url.replace("postgres://", "postgresql://", 1), autocommit=True)


def _mariadb(url: str) -> Any:
    import MySQLdb

    parts = urlsplit(url)
    return MySQLdb.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=parts.path.lstrip("/"),
        charset="utf8mb4",
        autocommit=True,
    )


def _sqlite(url: str) -> Any:
    # Outside the library's own transactions; patient, as the service's connections are.
    return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=30)


_CONNECT = {"postgresql": _postgresql, "mariadb": _mariadb, "sqlite": _sqlite}
