"""What a run costs: CPU time and memory of web processes and of the database's server, seen from outside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from benchmarks.databases import Database


def tree(pid: int) -> Iterator[psutil.Process]:
    """The process and all that came of it."""
    root = psutil.Process(pid)
    yield root
    yield from root.children(recursive=True)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process tree; that of children which ended, and were waited for, is in their parents' times."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def database_pid(database: Database) -> int | None:
    """The process of the database's server; None where it is a file, or runs elsewhere."""
    if database.kind == "postgresql":
        backend = int(database.value("SELECT pg_backend_pid()"))
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(backend)
            return process.ppid() if process.name().startswith("postgres") else None
    if database.kind == "mariadb":
        port = int(database.value("SELECT @@port"))
        for process in psutil.process_iter(["name"]):
            if process.info["name"] in ("mariadbd", "mysqld") and _listens(process, port):
                return int(process.pid)
    return None


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        found = process.net_connections(kind="inet")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in found)


@dataclass(frozen=True)
class Cost:
    """CPU seconds since somewhen; only differences mean anything."""

    web: float
    database: float | None

    @classmethod
    def now(cls, web: int, database: int | None) -> Cost:
        return cls(cpu_seconds(web), None if database is None else cpu_seconds(database))

    def since(self, before: Cost) -> Cost:
        spent = None
        if self.database is not None and before.database is not None:
            spent = self.database - before.database
        return Cost(self.web - before.web, spent)


def resident_megabytes(pid: int) -> list[float]:
    """Resident memory of each process of the tree below `pid`, largest first: its web workers."""
    sizes = [process.memory_info().rss / 2**20 for process in tree(pid) if process.pid != pid]
    return sorted(sizes, reverse=True)
