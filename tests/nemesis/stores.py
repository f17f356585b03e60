"""Where a run keeps its submissions, and how it looks at them without any code of the service.

SQLite is a file that nobody can kill; its writers are killed instead. Where the programs of PostgreSQL or MariaDB are
not installed, the run uses a database on the server that the tests use, and leaves that alive (`servers.opened`).
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import databases
from tests.nemesis.disk import Disk, mounted


class Store:
    """A database with an address; `connect` opens it without any of our own code."""

    kind: str
    url: str
    bears: tuple[str, ...] = ()
    """Which of the plan's faults it can be hit with."""
    disk: Disk | None = None
    """Where it lies, if that is one of its own."""

    def connect(self) -> Any:
        return CONNECT[self.kind](self.url)

    def version(self) -> str:
        (found,) = self.rows("SELECT sqlite_version()" if self.kind == "sqlite" else "SELECT version()")[0]
        return str(found).split(" (")[0]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        connection = self.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())
        finally:
            connection.close()

    def change(self, statement: str) -> None:
        connection = self.connect()
        try:
            connection.cursor().execute(statement)
            connection.commit()
        finally:
            connection.close()

    @property
    def mortal(self) -> bool:
        """Whether `kill` and `stop` may be called."""
        return "kill the database" in self.bears

    def start(self) -> None:
        """Returns when it answers; where it runs and answers, there is nothing to do."""

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def freeze(self) -> None:
        """From now on nobody gets an answer from it, or nobody can write."""

    def thaw(self) -> None: ...

    def refuse_writes(self) -> None: ...

    def take_writes(self) -> None: ...

    def remove(self) -> None: ...


class SQLiteFile(Store):
    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        place = folder / "disk"
        place.mkdir()
        self.disk = mounted(place)
        self.bears = ("freeze the database", *("fill the disk",) * bool(self.disk))
        self.path = place / "nemesis.sqlite3"
        self.url = f"sqlite:///{self.path}"
        self.writer: sqlite3.Connection | None = None

    def freeze(self) -> None:
        """Somebody begins to write, and does not end."""
        self.writer = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        self.writer.execute("BEGIN IMMEDIATE")

    def thaw(self) -> None:
        assert self.writer is not None
        self.writer.close()

    def remove(self) -> None:
        if self.disk:
            self.disk.remove()


class OnSharedServer(Store):
    """A database of our own on a server that is not ours."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.server = databases.server_url(kind) or ""
        self.name = f"gq_{uuid.uuid4().hex[:12]}"
        self.url = databases.create(kind, self.server, self.name, folder)

    def remove(self) -> None:
        databases.drop(self.kind, self.server, self.name)


def _connect_sqlite(url: str) -> Any:
    return sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)


def _connect_postgresql(url: str) -> Any:
    import psycopg

    return psycopg.connect(url.replace("postgres://", "postgresql://", 1), connect_timeout=5)


def _connect_mariadb(url: str) -> Any:
    from urllib.parse import urlsplit

    import MySQLdb

    parts = urlsplit(url)
    return MySQLdb.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=parts.username or "root",
        password=parts.password or "",
        database=parts.path.removeprefix("/"),
        charset="utf8mb4",
    )


CONNECT: dict[str, Callable[[str], Any]] = {
    "sqlite": _connect_sqlite,
    "postgresql": _connect_postgresql,
    "mariadb": _connect_mariadb,
}
