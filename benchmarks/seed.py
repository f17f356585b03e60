"""Fill a database with millions of rows by SQL: a history of finished jobs, and jobs that wait.

Each job may owe its result to somebody (`transport`), and one of FILES_EVERY has a file.

Learner i has one item. Where there is a history, his first attempt is finished and scored, and his second one waits.
Works on our tables and on edx-submissions', which are a subset of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from benchmarks.databases import Database

QUEUE = "bench"
EMPTY = "bench-empty"
CHUNK = 100_000
"""Rows per statement and commit."""
WORTH_IT = 2_000_000
"""From so many jobs on, indexes are made after the rows."""

JOBS = "submissions_externalgraderdetail"
DELIVERIES = "submissions_delivery"
FILES = "submissions_submissionfile"
MOVES = "submissions_operatormove"
FILES_EVERY = 10
TABLES = (
    FILES,
    "submissions_scoresummary",
    "submissions_score",
    JOBS,
    "submissions_submission",
    "submissions_studentitem",
)

ANSWER = json.dumps("def double(numbers):\n    return [2 * number for number in numbers]\n\n\n" * 4)
REPLY = json.dumps({"correct": True, "score": 0.7, "msg": "<p>7 of 10 tests passed</p>"})
CALLBACK = "https://platform.invalid/back"
PAYLOAD = json.dumps({"grader": "ps1/double/grade.py"})

Columns = dict[str, str]
"""Columns of a table, and the SQL that gives their value for the number `i`."""


@dataclass(frozen=True)
class Made:
    """How rows of one age come about: SQL for their moment and uuid, the id they follow, which attempt they are."""

    moment: str
    uuid: str
    after: int = 0
    attempt: int = 1

    @property
    def id(self) -> str:
        return f"{self.after} + i"


UUID = {
    "postgresql": "gen_random_uuid()",
    # Random as Django's are, which MariaDB's own are not; it takes them only with their version and variant.
    "mariadb": "INSERT(INSERT(MD5(UUID()), 13, 1, '4'), 17, 1, '8')",
    "sqlite": "lower(hex(randomblob(16)))",
}

AGO: dict[str, str] = {
    "postgresql": "(now() - ({}) * interval '1 second')",
    "mariadb": "(UTC_TIMESTAMP(6) - INTERVAL ({}) SECOND)",
    # As Django writes a moment, with six digits.
    "sqlite": "(strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ({}) || ' seconds') || '000')",
}

NUMBERS = {
    "postgresql": "generate_series({}, {}) AS numbers(i)",
    "mariadb": "(SELECT seq AS i FROM seq_{}_to_{}) AS numbers",
    "sqlite": "(WITH RECURSIVE up(i) AS (SELECT {} UNION ALL SELECT i + 1 FROM up WHERE i < {}) SELECT i FROM up)",
}


def fill(database: Database, *, waiting: int, finished: int, ours: bool, transport: str = "") -> None:
    """`finished` scored jobs and `waiting` pending ones in place of whatever there was.

    `transport`: each job has a delivery of it, which was made where the job is finished.
    """
    _prepare_connection(database)
    empty(database, ours=ours)
    with _without_indexes(database, _tables(ours=ours), waiting + finished):
        _fill(database, waiting, finished, ours=ours, transport=transport)
    _settle(database, ours=ours)


def _fill(database: Database, waiting: int, finished: int, *, ours: bool, transport: str) -> None:
    kind = database.kind
    history = Made(_long_ago(kind), UUID[kind])
    queue = Made(_lately(kind), UUID[kind], after=finished, attempt=1 + bool(finished))
    _insert(database, "submissions_studentitem", max(waiting, finished), _items())
    _insert(database, "submissions_submission", finished, _attempts(history))
    _insert(database, "submissions_score", finished, _scores(history))
    _insert(database, "submissions_scoresummary", finished, _summaries())
    _insert(database, JOBS, finished, _jobs(history) | _finished(history, ours=ours))
    _insert(database, "submissions_submission", waiting, _attempts(queue))
    _insert(database, JOBS, waiting, _jobs(queue) | (_waiting_ours(queue) if ours else {}))
    if transport:
        _insert(database, DELIVERIES, finished, _deliveries(history, transport) | _delivered(history))
        _insert(database, DELIVERIES, waiting, _deliveries(queue, transport))
    if finished and ours:
        _insert(database, FILES, finished // FILES_EVERY, _files(history))


def empty(database: Database, *, ours: bool) -> None:
    tables = _tables(ours=ours)
    if database.kind == "postgresql":
        database.run(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
    elif database.kind == "mariadb":
        database.run("SET foreign_key_checks = 0", *(f"TRUNCATE TABLE {table}" for table in tables))
    else:
        database.run(*(f"DELETE FROM {table}" for table in tables))


def _tables(*, ours: bool) -> tuple[str, ...]:
    return (DELIVERIES, *TABLES) if ours else TABLES


@contextmanager
def _without_indexes(database: Database, tables: tuple[str, ...], rows: int) -> Iterator[None]:
    """Where there are millions of rows, an index that is made once is made in half the time. PostgreSQL alone can name
    its indexes by the statements that make them."""
    if database.kind != "postgresql" or rows < WORTH_IT:
        yield
        return
    names = ", ".join(f"'{table}'" for table in tables)
    found = database.rows(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() "
        f"AND tablename IN ({names}) AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    )
    database.run(*(f'DROP INDEX "{name}"' for name, _ in found))
    yield
    database.run("SET maintenance_work_mem = '512MB'", *(statement for _, statement in found))


def add_moves(database: Database, count: int) -> None:
    """What operators did: `count` moves of two people, in two queues, three of a kind that is rare, the oldest ones."""
    kind = database.kind
    _insert(
        database,
        MOVES,
        count,
        {
            "id": "i",
            "at": _long_ago(kind),
            "actor": "CASE WHEN i % 1000 = 0 THEN 'ada' ELSE 'bench' END",
            "door": "'dashboard'",
            "move": "CASE WHEN i < 4 THEN 'pause' ELSE 'retry' END",
            "queue_name": f"CASE WHEN i % 1000 = 0 THEN 'rare' ELSE '{QUEUE}' END",
            "subject": "''",
            "reason": "'the disk was full'",
            "number": "1",
            _named(kind, "group"): UUID[kind],
        },
    )
    database.run(f"{'ANALYZE TABLE' if kind == 'mariadb' else 'ANALYZE'} {MOVES}")


def _named(kind: str, column: str) -> str:
    """A column whose name is a word of SQL."""
    return f"`{column}`" if kind == "mariadb" else f'"{column}"'


def stored_scores(database: Database) -> int:
    """How many jobs are retired with a score, by the database's own count."""
    scored = "SELECT count(*) FROM {} AS job JOIN submissions_score AS score ON score.submission_id = job.submission_id"
    return int(database.value(f"{scored.format(JOBS)} WHERE job.status = 'retired'"))


def _items() -> Columns:
    return {
        "id": "i",
        "student_id": "'learner-' || i",
        "course_id": "'course-v1:Bench+CS1+2026'",
        "item_id": "'block-v1:Bench+problem@' || (i % 50)",
        "item_type": "'problem'",
    }


def _attempts(made: Made) -> Columns:
    return {
        "id": made.id,
        "uuid": made.uuid,
        "attempt_number": str(made.attempt),
        "submitted_at": made.moment,
        "created_at": made.moment,
        "raw_answer": _quoted(ANSWER),
        "student_item_id": "i",
        "status": "'A'",
    }


def _scores(made: Made) -> Columns:
    columns = {"id": "i", "points_earned": "7", "points_possible": "10", "created_at": made.moment}
    return columns | {"reset": "false", "student_item_id": "i", "submission_id": "i"}


def _summaries() -> Columns:
    return {"id": "i", "highest_id": "i", "latest_id": "i", "student_item_id": "i"}


def _jobs(made: Made) -> Columns:
    return {
        "id": made.id,
        "submission_id": made.id,
        "queue_name": f"'{QUEUE}'",
        "queue_key": "'key-' || i",
        "grader_file_name": "'ps1/double/grade.py'",
        "points_possible": "10",
        "status": "'pending'",
        "status_time": made.moment,
        "created_at": made.moment,
        "num_failures": "0",
    }


def _finished(made: Made, *, ours: bool) -> Columns:
    columns = {"status": "'retired'", "pullkey": f"'' || {made.uuid}", "grader_reply": _quoted(REPLY)}
    if not ours:
        return columns
    columns |= {"pulled_at": made.moment, "returned_at": made.moment, "available_at": "NULL"}
    return columns | {"grader": "'grader-1'", "num_pulls": "1", "grader_payload": _quoted(PAYLOAD)}


def _waiting_ours(made: Made) -> Columns:
    return {"available_at": made.moment, "grader_payload": _quoted(PAYLOAD)}


def _deliveries(made: Made, transport: str) -> Columns:
    """As each job of a site has one that must tell somebody: a callback, or Open edX's event."""
    calls = transport == "callback"
    return {
        "id": made.id,
        "job_id": made.id,
        "transport": f"'{transport}'",
        "destination": _quoted(CALLBACK if calls else ""),
        "destination_key": _quoted(sha256((CALLBACK if calls else "").encode()).hexdigest()),
        "host": _quoted(urlsplit(CALLBACK).hostname or "" if calls else transport),
        "header": "'{\"lms_key\": \"' || i || '\"}'" if calls else "NULL",
        "submit_key": f"'key-' || ({made.id})" if calls else "NULL",
        "state": "'waiting'",
        "attempts": "0",
        "result": "''",
    }


def _delivered(made: Made) -> Columns:
    when = {"ready_at": made.moment, "delivered_at": made.moment}
    return when | {"state": "'delivered'", "attempts": "1", "result": "'score'", "points": "7"}


def _files(made: Made) -> Columns:
    """Rows alone: nobody fetches these files."""
    return {
        "id": "i",
        "uuid": made.uuid,
        "external_grader_id": f"i * {FILES_EVERY}",
        "file": f"'{QUEUE}/file-' || i",
        "original_filename": "'notes.txt'",
        "created_at": made.moment,
    }


def _long_ago(kind: str) -> str:
    """Finished jobs: from a month ago on, five per second."""
    return AGO[kind].format("2592000 - i * 0.2")


def _lately(kind: str) -> str:
    """Waiting jobs: from three hours ago on, a thousand per second."""
    return AGO[kind].format("10800 - i * 0.001")


def _quoted(text: str) -> str:
    """For connections on which a backslash in a text means itself."""
    return "'" + text.replace("'", "''") + "'"


def _prepare_connection(database: Database) -> None:
    """What makes bulk inserts fast on a connection of one's own, and one way to say || and a quoted text."""
    if database.kind == "postgresql":
        database.run("SET session_replication_role = replica", "SET synchronous_commit = off")
    elif database.kind == "mariadb":
        database.run("SET sql_mode = 'STRICT_TRANS_TABLES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'")
        database.run("SET foreign_key_checks = 0", "SET unique_checks = 0")
    else:
        database.run("PRAGMA foreign_keys = OFF")


def _insert(database: Database, table: str, count: int, columns: Columns) -> None:
    for first, last in _chunks(count):
        rows = f"SELECT {', '.join(columns.values())} FROM {NUMBERS[database.kind].format(first, last)}"
        database.run(f"INSERT INTO {table} ({', '.join(columns)}) {rows}")


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    for first in range(1, count + 1, CHUNK):
        yield first, min(first + CHUNK - 1, count)


def _settle(database: Database, *, ours: bool) -> None:
    """Counters behind the ids, and what the planner knows, as on a site that has run for a while."""
    for table in _tables(ours=ours):
        if database.kind == "postgresql":
            highest = f"(SELECT coalesce(max(id), 0) + 1 FROM {table})"
            database.run(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {highest}, false)")
            database.run(f"VACUUM ANALYZE {table}")
        elif database.kind == "mariadb":
            database.run(f"ANALYZE TABLE {table}")
    if database.kind == "sqlite":
        database.run("ANALYZE")
