"""The commands of docs/backup.md for a point in time, and what `doctor` says of standbys, on servers of our own."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from gradequeue.env import database_at
from submissions.upkeep import durability
from tests.nemesis.servers import OwnMariaDB, OwnPostgreSQL, OwnServer
from tests.server import free_port

pytestmark = pytest.mark.walk

LIMIT = 120  # seconds
# Of a whole server: some packages bring less.
PROGRAMS = max((place.parent for place in Path("/usr/lib/postgresql").glob("*/bin/pg_basebackup")), default=Path())


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def note(own: OwnServer, what: str) -> None:
    own.change(f"INSERT INTO noted (what) VALUES ('{what}')")


def noted(own: OwnServer) -> list[str]:
    return [row[0] for row in own.rows("SELECT what FROM noted ORDER BY what")]


@pytest.fixture
def findings(django_db_blocker: DjangoDbBlocker) -> Iterator[Callable[[str], dict[str, tuple[bool, str]]]]:
    """What `doctor` says of a server, by the check: whether it is fine, and its sentence."""

    def look(url: str) -> dict[str, tuple[bool, str]]:
        connection = ConnectionHandler({"default": database_at(url)})["default"]
        try:
            return {found.check: (found.fine, found.sentence) for found in durability.findings(connection)}
        finally:
            connection.close()

    with django_db_blocker.unblock():
        yield look


Look = Callable[[str], dict[str, tuple[bool, str]]]


class Archived(OwnPostgreSQL):
    """Its WAL is archived, as docs/backup.md says."""

    recovering: tuple[str, ...] = ()

    def _install(self) -> None:
        super()._install()
        self.archive = self.folder / "archive"
        self._run("mkdir", str(self.archive))
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host replication all 127.0.0.1/32 trust\n")

    def _command(self) -> list[str]:
        copy = f"test ! -f {self.archive}/%f && cp %p {self.archive}/%f"
        return [*super()._command(), "-c", "archive_mode=on", "-c", f"archive_command={copy}", *self.recovering]

    def copy_to(self, place: Path, *more: str) -> None:
        source = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "--checkpoint=fast")
        self._run(str(self.programs / "pg_basebackup"), *source, "-D", str(place), *more)


@pytest.fixture
def postgresql(kind: str) -> Iterator[Archived]:
    own = Archived(PROGRAMS)
    yield own
    own.remove()


@pytest.mark.databases("postgresql")
@pytest.mark.skipif(Path() == PROGRAMS, reason="needs all of PostgreSQL's own programs")
def test_postgresql_at_a_point_in_time(postgresql: Archived) -> None:
    postgresql.change("CREATE TABLE noted (what TEXT)")
    note(postgresql, "before the base backup")
    base = postgresql.folder / "base"
    postgresql.copy_to(base)
    note(postgresql, "after it")
    ((moment,),) = postgresql.rows("SELECT now()::text")
    note(postgresql, "too late")
    ((last,),) = postgresql.rows("SELECT pg_walfile_name(pg_current_wal_lsn())")
    postgresql.rows("SELECT pg_switch_wal()")
    wait_for((postgresql.archive / last).exists)

    postgresql.kill()
    shutil.rmtree(postgresql.data)
    base.rename(postgresql.data)
    (postgresql.data / "recovery.signal").touch()
    settings = {
        "restore_command": f"cp {postgresql.archive}/%f %p",
        "recovery_target_time": moment,
        "recovery_target_action": "promote",
    }
    postgresql.recovering = tuple(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    postgresql.start()
    wait_for(lambda: postgresql.rows("SELECT pg_is_in_recovery()") == [(False,)])
    assert noted(postgresql) == ["after it", "before the base backup"]
    note(postgresql, "it goes on")


@contextmanager
def standby_of(own: Archived) -> Iterator[int]:
    """A streaming one; its port."""
    data, port = own.folder / "standby", free_port()
    own.copy_to(data, "--write-recovery-conf")
    words = (f"port={port}", "archive_mode=off", "listen_addresses=127.0.0.1", f"unix_socket_directories={own.folder}")
    command = [str(own.programs / "postgres"), "-D", str(data), *(part for word in words for part in ("-c", word))]
    with (own.folder / "standby.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=own.folder, stdout=log, stderr=log, **own._as_user())
    try:
        wait_for(lambda: own.rows("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == [(1,)])
        yield port
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.databases("postgresql")
@pytest.mark.skipif(Path() == PROGRAMS, reason="needs all of PostgreSQL's own programs")
def test_doctor_says_what_postgresqls_standbys_are(postgresql: Archived, findings: Look) -> None:
    postgresql.change("CREATE ROLE plain LOGIN")
    plain = postgresql.url.replace("postgres@", "plain@")
    late = "Standbys walreceiver are asynchronous: after a failover the last answers are lost."
    with standby_of(postgresql) as port:
        for url in (postgresql.url, plain):
            fine, sentence = findings(url)["standbys"]
            assert (fine, sentence.startswith(late)) == (False, True)
        autocommitted(postgresql, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        autocommitted(postgresql, "SELECT pg_reload_conf()")
        wait_for(lambda: postgresql.rows("SELECT sync_state FROM pg_stat_replication") == [("sync",)])
        for url in (postgresql.url, plain):
            assert findings(url)["standbys"] == (True, "An answer waits for a standby (walreceiver).")
        assert findings(postgresql.url)["writes"] == (True, "The server takes writes.")
        fine, sentence = findings(postgresql.url.replace(f":{postgresql.port}/", f":{port}/"))["writes"]
        assert (fine, sentence.startswith("This server takes no writes")) == (False, True)


def autocommitted(own: OwnServer, statement: str) -> None:
    connection: Any = own.connect()
    connection.autocommit = True
    connection.execute(statement)
    connection.close()


class WithBinaryLog(OwnMariaDB):
    def _command(self) -> list[str]:
        return [*super()._command(), f"--log-bin={self.folder}/binlog", "--server-id=1", "--binlog-format=ROW"]

    @property
    def client(self) -> tuple[str, ...]:
        return "-h127.0.0.1", f"-P{self.port}", "-uroot"


@pytest.fixture
def mariadb(kind: str) -> Iterator[WithBinaryLog]:
    own = WithBinaryLog()
    yield own
    own.remove()


def shell(line: str) -> None:
    subprocess.run(["bash", "-o", "pipefail", "-c", line], check=True, capture_output=True)


@pytest.mark.databases("mariadb")
@pytest.mark.skipif(shutil.which("mariadb-install-db") is None, reason="needs MariaDB's own programs")
def test_mariadb_at_a_point_in_time(mariadb: WithBinaryLog, tmp_path: Path) -> None:
    mariadb.change("CREATE TABLE noted (what VARCHAR(99))")
    note(mariadb, "before the dump")
    client, dump = " ".join(mariadb.client), tmp_path / "base.sql"
    shell(f"mariadb-dump {client} --single-transaction --master-data=2 --databases nemesis > {dump}")
    note(mariadb, "after it")
    time.sleep(1.1)  # the log counts whole seconds
    ((moment,),) = mariadb.rows("SELECT CAST(NOW() AS CHAR)")
    note(mariadb, "too late")

    found = re.search(r"MASTER_LOG_FILE='(.+)', MASTER_LOG_POS=(\d+)", dump.read_text())
    assert found is not None
    log, position = found.groups()
    mariadb.change("DROP DATABASE nemesis")
    shell(f"mariadb {client} < {dump}")
    shell(
        f"mariadb-binlog --start-position={position} --stop-datetime='{moment}' --database=nemesis"
        f" {mariadb.folder / log} | mariadb {client}"
    )
    assert noted(mariadb) == ["after it", "before the dump"]


@pytest.mark.databases("mariadb")
@pytest.mark.skipif(shutil.which("mariadb-install-db") is None, reason="needs MariaDB's own programs")
def test_doctor_names_an_asynchronous_replica_and_what_a_power_cut_loses(
    mariadb: WithBinaryLog, findings: Look, tmp_path: Path
) -> None:
    assert "standbys" not in findings(mariadb.url)
    reads = ("--read-from-remote-server", "--raw", "--stop-never", f"--result-file={tmp_path}/", "binlog.000001")
    with subprocess.Popen(["mariadb-binlog", *mariadb.client, *reads], stderr=subprocess.DEVNULL) as replica:
        count = "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"
        wait_for(lambda: mariadb.rows(count) == [(1,)])
        mariadb.change("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        found = findings(mariadb.url)
        replica.terminate()
    assert found["standbys"] == (
        False,
        (
            "1 replica is asynchronous: after a failover the last answers are lost. Have it semi-synchronous "
            "(rpl_semi_sync_master_enabled), or use Galera with one writer."
        ),
    )
    assert found["power cut"] == (
        False,
        "A power cut loses the last second's answers: innodb_flush_log_at_trx_commit is 2; set it to 1.",
    )
