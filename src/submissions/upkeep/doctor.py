"""Checks of the database, the storage and the deliveries in use, for problems that a queue would have with them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from submissions import sql
from submissions.conf import conf
from submissions.connections import is_pooled
from submissions.files import find_damage, is_near, kept_for_a_moment
from submissions.models import ExternalGraderDetail, GraderQueue, SubmissionFile, get_storage
from submissions.statistics import ahead
from submissions.text import counted
from submissions.upkeep import durability, file_systems, outgoing
from submissions.upkeep.findings import Finding, one

CLAIM_INDEX = ["queue_name", "available_at", "id"]
# How many of the newest files are looked at, and up to which size they are read (bytes); of larger ones the size alone.
FILES_LOOKED_AT = 1000
SMALL_FILE = 1024 * 1024
# Clocks further apart than this make timestamps in logs and tables disagree visibly (seconds).
SKEW = 2
# A table of jobs that changes all day is vacuumed many times a day (seconds).
VACUUM_OVERDUE = 24 * 3600
MANY_DEAD_ROWS = 50_000
# A transaction open for so long keeps dead rows from being removed (seconds).
LONG_TRANSACTION = 300
# Escaped as ASCII, text that is not Latin takes up to three times its bytes.
ESCAPING = 3
# What one `gradequeue serve` as it comes can hold: 2 workers of 32 threads, each with two spare ones and one for
# /readyz, 16 senders, and four loops beside them.
ONE_SERVICE = 90
LATER = "Nobody is offered them before: set the clock right, or wait."


def findings(needed: int = ONE_SERVICE) -> Iterator[Finding]:
    """Everything that was looked at, the fine and the not so fine. `needed`: how many connections all services together
    can hold, besides those for graders that are pushed to."""
    connection = connections[router.db_for_write(ExternalGraderDetail)]
    yield _claim_index(connection)
    yield _skip_locked(connection)
    yield _clock(connection)
    yield from OF_VENDOR[connection.vendor](connection)
    if (limit := connection_limit(connection)) is not None:
        yield _connections(limit, needed + GraderQueue.objects.exclude(push_url="").count())
    yield from durability.findings(connection)
    yield _storage()
    yield _files()
    yield from outgoing.findings()


def connection_limit(connection: BaseDatabaseWrapper) -> int | None:
    """How many connections the server takes from this account; None where there is no such limit, as for a file."""
    if connection.vendor == "sqlite":
        return None
    with connection.cursor() as cursor:
        cursor.execute(_LIMITS[connection.vendor])
        return min(int(limit) for limit in cursor.fetchone() if int(limit) > 0)


# 0 and less: no limit of this kind. What is reserved for administrators is not ours.
_LIMITS = {
    "postgresql": "SELECT current_setting('max_connections')::int "
    "- current_setting('superuser_reserved_connections')::int "
    "- coalesce(current_setting('reserved_connections', true)::int, 0), "
    "rolconnlimit, datconnlimit FROM pg_roles, pg_database "
    "WHERE rolname = current_user AND datname = current_database()",
    "mysql": "SELECT @@max_connections, @@max_user_connections",
}


def _connections(limit: int, needed: int) -> Finding:
    fine = needed <= limit
    few = (
        f"The server takes {limit} connections, and the services can hold {needed}: then requests fail. Raise its "
        "limit, or lower --workers and --threads and tell the sum with --connections."
    )
    return Finding(
        "connections", fine, f"The server takes {limit} connections, {needed} can be needed." if fine else few
    )


def _claim_index(connection: BaseDatabaseWrapper) -> Finding:
    table = ExternalGraderDetail._meta.db_table
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table).values()
    there = any(one["index"] and one["columns"] == CLAIM_INDEX for one in found)
    lost = (
        f"The index of {table} on {', '.join(CLAIM_INDEX)} is missing: every claim reads the whole queue. Run migrate."
    )
    return Finding("claim index", there, "Claims walk their index." if there else lost)


def _skip_locked(connection: BaseDatabaseWrapper) -> Finding:
    if connection.vendor == "sqlite":
        return Finding("skip locked", True, "SQLite has none and needs none: one writes at a time.")
    able = bool(connection.features.has_select_for_update_skip_locked)
    unable = (
        "This server has no SKIP LOCKED: graders wait for one another. MariaDB has it from 10.6 on, MySQL from 8.0.1."
    )
    return Finding("skip locked", able, "Graders pass over each other's rows." if able else unable)


def _clock(connection: BaseDatabaseWrapper) -> Finding:
    skew = abs((sql.now(connection) - timezone.now()).total_seconds())
    apart = f"The database's clock and this machine's are {skew:.1f} seconds apart; leases go by the database's."
    if found := ahead.count().total():
        jobs = counted(found, "job has a time", "jobs have a time")
        return Finding("clock", False, f"{jobs} still to come: a clock was set back. {LATER}")
    return Finding("clock", skew <= SKEW, apart if skew > SKEW else "The clocks agree.")


def _storage() -> Finding:
    storage, content = get_storage(), b"looked at by gradequeue doctor"
    try:
        with kept_for_a_moment(storage, f"doctor/{uuid.uuid4()}", content) as kept, storage.open(kept) as file:
            intact = file.read() == content
    except Exception as error:  # each storage has exceptions of its own
        return Finding("storage", False, f"Files cannot be stored and read back: {error}")
    return Finding(
        "storage", intact, "Files are stored and read back." if intact else "A stored file came back changed."
    )


def _files() -> Finding:
    """The newest, those of jobs that wait among them; `audit` looks at all."""
    if not is_near(get_storage()):
        return Finding("files", True, "Not looked at: that takes a request for each. See 'audit --files'.")
    newest = list(SubmissionFile.objects.select_related("external_grader").order_by("-pk")[:FILES_LOOKED_AT])
    # Of edx-submissions' rows no size is known: a file may be of any.
    found = [
        (row, damage)
        for row in newest
        if (damage := find_damage(row, whole=row.size is not None and row.size <= SMALL_FILE))
    ]
    if not found:
        return Finding("files", True, f"{counted(len(newest), 'file')} looked at: as handed in.")
    row, damage = found[0]
    job = row.external_grader
    first = f"submission {job.submission_id if job else None} {damage}"
    return Finding("files", False, f"{counted(len(found), 'file')} of {len(newest):,} damaged: {first}. See 'audit'.")


# Per database. ------------------------------------------------------------------------------------------------------


def _sqlite(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    mode = str(one(connection, "PRAGMA journal_mode")).lower()
    wal = mode in ("wal", "memory")
    yield Finding(
        "journal",
        wal,
        "The journal is a WAL." if wal else f"The journal mode is {mode}: readers stop writers; use WAL.",
    )
    immediate = str(getattr(connection, "transaction_mode", "")).upper() == "IMMEDIATE"
    lost = "Transactions begin DEFERRED: claims hinder each other; set OPTIONS['transaction_mode'] to 'IMMEDIATE'."
    yield Finding("transactions", immediate, "Transactions begin IMMEDIATE." if immediate else lost)
    wait = int(one(connection, "PRAGMA busy_timeout") or 0)
    short = f"A writer waits only {wait} ms for another one; set OPTIONS['timeout'] to 5 seconds or more."
    yield Finding("busy timeout", wait >= 5000, "Writers wait for one another." if wait >= 5000 else short)
    yield one_machine(file_systems.networked(Path(str(connection.settings_dict["NAME"]))))


def one_machine(kind: str) -> Finding:
    """`kind`: the file system, where it is one over a network."""
    shared = (
        f"The database is a file on {kind}: locks are not reliable there, and two machines that write damage it. Keep "
        "it on a disk of this machine; for several machines use PostgreSQL, MySQL or MariaDB."
    )
    return Finding("one machine", not kind, shared if kind else "The database is on a disk of this machine.")


def _isolation(level: str) -> Finding:
    calm = level.replace("-", " ").lower() == "read committed"
    other = f"The isolation level is {level}: claims meet conflicts and are tried again; use READ COMMITTED."
    return Finding("isolation", calm, "The isolation level is READ COMMITTED." if calm else other)


def _postgresql(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    yield _isolation(str(one(connection, "SHOW transaction_isolation")))
    yield _pooler(connection)
    yield _vacuum(connection)
    oldest = one(
        connection,
        "SELECT COALESCE(MAX(EXTRACT(EPOCH FROM now() - xact_start)), 0) FROM pg_stat_activity "
        "WHERE datname = current_database()",
    )
    short = float(oldest or 0) < LONG_TRANSACTION
    old = f"A transaction is open for {float(oldest or 0):.0f} seconds: dead rows pile up behind it (pg_stat_activity)."
    yield Finding("long transactions", short, "No transaction is open for long." if short else old)


def _pooler(connection: BaseDatabaseWrapper) -> Finding:
    if not is_pooled(connection):
        return Finding("pooler", True, "There is no pooler before the server.")
    ready = bool(connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"])
    fine = "A pooler stands before the server: nothing is prepared, no cursor is kept there, and its limits count, too."
    lacks = (
        "A pooler stands before the server: set DISABLE_SERVER_SIDE_CURSORS to True, or cursors get lost between its "
        "connections."
    )
    return Finding("pooler", ready, fine if ready else lacks)


def _vacuum(connection: BaseDatabaseWrapper) -> Finding:
    table = ExternalGraderDetail._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n_dead_tup, EXTRACT(EPOCH FROM now() - GREATEST(last_vacuum, last_autovacuum))::float, "
            "current_setting('autovacuum') = 'on' FROM pg_stat_user_tables WHERE relname = %s",
            [table],
        )
        return of_vacuum(*(cursor.fetchone() or (0, None, True)))


def of_vacuum(dead: int | None, age: float | None, runs: bool) -> Finding:
    """Of the jobs' `dead` rows, which were last removed `age` seconds ago; `runs`: whether the server removes any."""
    if not runs:
        words = "autovacuum is off: dead rows stay, and the planner does not know how large tables are. Turn it on."
        return Finding("vacuum", False, words)
    if (dead or 0) < MANY_DEAD_ROWS or (age is not None and age < VACUUM_OVERDUE):
        return Finding("vacuum", True, "Dead rows are removed.")
    since = "never" if age is None else f"{age / 3600:.0f} hours ago"
    words = f"The jobs have {dead} dead rows and were last vacuumed {since}; see that autovacuum runs."
    return Finding("vacuum", False, words)


def _mysql(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    variable = "tx_isolation" if getattr(connection, "mysql_is_mariadb", False) else "transaction_isolation"
    yield _isolation(str(one(connection, f"SELECT @@{variable}")))
    packet = int(one(connection, "SELECT @@max_allowed_packet") or 0)
    # Of a body that came over HTTP each sign can be escaped once, of an answer each byte as JSON and once more.
    largest = max(int(conf.ANSWER_MAX_BYTES) * ESCAPING, int(conf.REQUEST_MAX_BYTES) * 2)
    small = f"max_allowed_packet is {packet} bytes; the largest submissions can take {largest}."
    yield Finding(
        "packet", packet >= largest, "The largest submissions fit into a packet." if packet >= largest else small
    )
    question = (
        "SELECT character_set_name FROM information_schema.columns "
        "WHERE table_schema = DATABASE() AND table_name = %s AND column_name = 'grader_reply'"
    )
    charset = str(one(connection, question, ExternalGraderDetail._meta.db_table))
    wide = charset == "utf8mb4"
    narrow = f"Replies are stored as {charset}, which cannot hold every character; convert the tables to utf8mb4."
    yield Finding("charset", wide, "Every character can be stored." if wide else narrow)


OF_VENDOR: dict[str, Callable[[BaseDatabaseWrapper], Iterator[Finding]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
}
