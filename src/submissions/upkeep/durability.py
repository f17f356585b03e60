"""Whether what was answered outlives a power cut, or the loss of the database's leader."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage
from django.db.backends.base.base import BaseDatabaseWrapper

from submissions.models import get_storage
from submissions.upkeep.findings import Finding, one

ON_THE_DISK = "What was answered is on the disk."
# SQLite's numbers of the PRAGMA: 2 is FULL, 3 EXTRA.
FULL = 2
# How long a Galera cluster is watched (seconds).
WATCHED = 2


def findings(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    yield _power_cut(DANGERS[connection.vendor](connection))
    if connection.vendor == "postgresql":
        yield _writes(connection, "SHOW transaction_read_only")
        yield from _standbys(connection)
    if connection.vendor == "mysql":
        yield _writes(connection, "SELECT @@global.read_only")
        yield from _replicas(connection)
        yield from _galera(connection)
    yield _permissions(connection)


def _power_cut(dangers: list[str]) -> Finding:
    return Finding("power cut", not dangers, " ".join(dangers) or ON_THE_DISK)


def _sqlite(connection: BaseDatabaseWrapper) -> list[str]:
    if connection.is_in_memory_db() or int(one(connection, "PRAGMA synchronous")) >= FULL:  # type: ignore[attr-defined]
        return []
    return ["A power cut undoes the last answers: set PRAGMA synchronous=FULL in OPTIONS['init_command']."]


def _postgresql(connection: BaseDatabaseWrapper) -> list[str]:
    asked = {name: str(one(connection, f"SHOW {name}")) for name in ("fsync", "full_page_writes", "synchronous_commit")}
    return [f"A power cut loses the last answers: {name} is off." for name, value in asked.items() if value == "off"]


def _mysql(connection: BaseDatabaseWrapper) -> list[str]:
    flushed = int(one(connection, "SELECT @@innodb_flush_log_at_trx_commit"))
    if flushed == 1:
        return []
    when = "the last second's answers" if flushed == 2 else "the last answers, and so does a crash of the server"
    return [f"A power cut loses {when}: innodb_flush_log_at_trx_commit is {flushed}; set it to 1."]


DANGERS: dict[str, Callable[[BaseDatabaseWrapper], list[str]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
}


def _writes(connection: BaseDatabaseWrapper, question: str) -> Finding:
    takes = str(one(connection, question)).lower() in ("off", "0")
    none = "This server takes no writes: it is a replica, or was told to take none. Name the leader in DATABASE_URL."
    return Finding("writes", takes, "The server takes writes." if takes else none)


def _standbys(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """What a failover would lose."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT application_name, sync_state FROM pg_stat_replication")
        standbys = cursor.fetchall()
    if not standbys:
        return
    names = ", ".join(sorted({str(name) for name, _ in standbys}))
    commit = str(one(connection, "SHOW synchronous_commit"))
    waits = _is_synchronous(connection, {state for _, state in standbys}) and commit not in ("local", "off")
    late = (
        f"Standbys {names} are asynchronous: after a failover the last answers are lost. Name a synchronous one "
        "(synchronous_standby_names; Patroni: synchronous_mode), and keep synchronous_commit on."
    )
    yield Finding("standbys", waits, f"An answer waits for a standby ({names})." if waits else late)


def _is_synchronous(connection: BaseDatabaseWrapper, states: set[str | None]) -> bool:
    """An account without pg_monitor sees that there are standbys, and not of what kind."""
    if states == {None}:
        return bool(one(connection, "SHOW synchronous_standby_names"))
    return bool(states & {"sync", "quorum"})


def _status(connection: BaseDatabaseWrapper, names: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE %s", [names])
        return {str(name).lower(): str(value) for name, value in cursor.fetchall()}


def _replicas(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """What a failover would lose. A server shows its replicas to who may see all processes (PROCESS)."""
    question = "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE %s"
    count = int(one(connection, question, "Binlog Dump%"))
    if not count:
        return
    status = _status(connection, "Rpl_semi_sync_%_status")
    waits = any(status.get(f"rpl_semi_sync_{role}_status") == "ON" for role in ("master", "source"))
    which, them = ("1 replica is", "it") if count == 1 else (f"{count} replicas are", "them")
    late = (
        f"{which} asynchronous: after a failover the last answers are lost. Have {them} semi-synchronous "
        "(rpl_semi_sync_master_enabled), or use Galera with one writer."
    )
    yield Finding("standbys", waits, "An answer waits for a replica, if one answers in time." if waits else late)


def _causal_reads(waited_for: int) -> Finding:
    """Bits of wsrep_sync_wait: 1 reads, 2 updates, 4 inserts."""
    fine = waited_for & 7 == 7
    late = (
        f"wsrep_sync_wait is {waited_for}: a node that has just become the writer answers from rows that are out of "
        "date, and tells a grader that its submission does not exist. Set it to 7."
    )
    return Finding("galera reads", fine, "A new writer looks at what the old one wrote." if fine else late)


def _galera(connection: BaseDatabaseWrapper) -> Iterator[Finding]:
    """Several writers give themselves away: what one has done undoes what the other one does, or arrives meanwhile."""
    before = _status(connection, "wsrep_%")
    size = int(before.get("wsrep_cluster_size") or 0)
    if size < 2:
        return
    yield _causal_reads(int(one(connection, "SELECT @@wsrep_sync_wait")))
    time.sleep(WATCHED)
    after = _status(connection, "wsrep_%")
    met = int(after["wsrep_local_bf_aborts"]) + int(after["wsrep_local_cert_failures"])
    others = int(after["wsrep_received"]) - int(before["wsrep_received"])
    one_writer = not met and not others
    said = f"This is one of {size} nodes of a Galera cluster; "
    fine = f"{said}no other one was seen to write. Let a proxy lead all services to the same one."
    several = (
        f"{said}others wrote {others} times within {WATCHED} s, and {met} transactions met others' since it started. "
        "With several writers updates get lost: let a proxy lead all services to the same one."
    )
    yield Finding("galera", one_writer, fine if one_writer else several)


def _permissions(connection: BaseDatabaseWrapper) -> Finding:
    """Answers and files are for the service's own account."""
    storage: Any = get_storage()
    places = [Path(storage.location)] if isinstance(storage, FileSystemStorage) else []
    if connection.vendor == "sqlite":
        places.append(Path(str(connection.settings_dict["NAME"])))
    open_ones = [str(place) for place in places if _is_for_others(place)]
    said = f"Other accounts of this machine can read {', '.join(open_ones)}: chmod -R go= there."
    return Finding("permissions", not open_ones, said if open_ones else "No other account reads answers and files.")


def _is_for_others(place: Path) -> bool:
    """Whether every folder above it lets others in, and it does, too."""
    try:
        reached = all(folder.stat().st_mode & stat.S_IXOTH for folder in place.resolve().parents)
        return reached and bool(place.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IXOTH))
    except OSError:
        return False
