"""What is looked at every few seconds: processes of the service, connections, tables and indexes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from benchmarks import measure
from benchmarks.databases import Database

MEGABYTE = 2**20
# Of PostgreSQL and MariaDB: table and index bytes of everything that is ours.
SIZES = {
    "postgresql": (
        "SELECT sum(pg_table_size(c.oid)), sum(pg_indexes_size(c.oid)) FROM pg_class c "
        "WHERE c.relkind = 'r' AND c.relname LIKE 'submissions_%'"
    ),
    "mariadb": (
        "SELECT sum(data_length), sum(index_length) FROM information_schema.tables "
        "WHERE table_schema = database() AND table_name LIKE 'submissions_%'"
    ),
}
CONNECTIONS = {
    "postgresql": (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ),
    "mariadb": ("SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"),
}


@dataclass(frozen=True)
class Sample:
    seconds: float
    """Since the run began."""
    cycles: int
    """How many were done."""
    memory: dict[str, float]
    """Resident memory of each process of the service, by what it is and its id (MiB)."""
    descriptors: int
    """Open file descriptors of all of them."""
    connections: int
    """Of the service with its database; 0 where that is a file."""
    table: float
    """Bytes of the tables; with SQLite of the whole file."""
    index: float
    """Bytes of their indexes; 0 where the database does not say."""

    @property
    def largest(self) -> float:
        return max(self.memory.values())


def take(database: Database, pid: int, seconds: float, cycles: int) -> Sample:
    memory, descriptors = {}, 0
    for process in measure.tree(pid):
        try:
            memory[_name(process, pid)] = process.memory_info().rss / MEGABYTE
            descriptors += process.num_fds()
        except psutil.NoSuchProcess:
            continue
    table, index = _sizes(database)
    connected = int(database.value(CONNECTIONS[database.kind])) if database.kind in CONNECTIONS else 0
    return Sample(seconds, cycles, memory, descriptors, connected, table, index)


def _name(process: psutil.Process, first: int) -> str:
    words = " ".join(process.cmdline())
    if process.pid == first:
        return f"serve {first}"
    kinds = {"resource_tracker": "tracker", "multiprocessing-fork": "deliveries"}
    kind = next((kind for word, kind in kinds.items() if word in words), "web worker")
    return f"{kind} {process.pid}"


def _sizes(database: Database) -> tuple[float, float]:
    if database.kind in SIZES:
        ((table, index),) = database.rows(SIZES[database.kind])
        return float(table), float(index)
    pages, size = database.value("PRAGMA page_count"), database.value("PRAGMA page_size")
    return float(pages * size), 0.0


class Sampler:
    """A thread that takes one every `interval` seconds, and tells each to `heard`."""

    def __init__(self, take: Callable[[], Sample], interval: float, heard: Callable[[Sample], None]) -> None:
        self.take, self.interval, self.heard = take, interval, heard
        self.samples: list[Sample] = []
        self.failures: list[BaseException] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> Sampler:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def _run(self) -> None:
        try:
            due = time.monotonic()
            while not self.over.is_set():
                self.samples.append(self.take())
                self.heard(self.samples[-1])
                due += self.interval
                self.over.wait(max(due - time.monotonic(), 0))
            self.samples.append(self.take())
        except BaseException as failure:
            self.failures.append(failure)
