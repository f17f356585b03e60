"""SQLite: the same statements in one IMMEDIATE transaction. The database is in this process, so trips cost nothing."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.timezone import now

from submissions.queue.fast import mysql
from submissions.queue.fast.columns import HELD, ONE, Held, Picked, read_held, read_picked
from submissions.sql import Values, adapted


def _named(sql: str) -> str:
    """With :name for each %(name)s."""
    return re.sub(r"%\((\w+)\)s", r":\1", sql)


# Asked before any lock: one writer at a time, and most polls find nothing.
PICK = """SELECT id, available_at FROM submissions_externalgraderdetail
WHERE queue_name = :queue AND available_at <= :now AND available_at >= :since ORDER BY available_at, id LIMIT 1"""

CHANGE = """UPDATE submissions_externalgraderdetail
SET status = 'pulled', status_time = :now, pulled_at = :now, pullkey = :key, available_at = :until, grader = :grader,
  num_pulls = num_pulls + 1, claim_id = :claim_id
WHERE id = :job AND status IN ('pending', 'retry')
  AND NOT (:others AND status = 'retry' AND num_failures > 0 AND grader = :grader)
  AND EXISTS (SELECT 1 FROM submissions_submission s WHERE s.id = submission_id AND s.status <> 'D')"""

READ_CLAIMED = _named(mysql.READ_CLAIMED)
READ = _named(HELD.format(now=":now", which=ONE))

RETIRE = f"""{_named(mysql.RETIRE)}
  AND EXISTS (SELECT 1 FROM submissions_submission s WHERE s.id = submission_id AND s.status <> 'D')"""
SCORE = _named(mysql.SCORE)
SUMMARY_FIRST = _named(mysql.SUMMARY_FIRST).replace("INSERT IGNORE", "INSERT OR IGNORE")
SUMMARY_LATER = f"""{_named(mysql.SUMMARY_LATER)} AND latest_id = :latest_was AND highest_id = :highest_was"""
DUE = _named(mysql.DUE)


def speaks_to(connection: BaseDatabaseWrapper) -> bool:
    return True


def is_due(connection: BaseDatabaseWrapper, values: Values) -> bool:
    given = adapted(connection, {**values, "now": now()})
    return connection.connection.execute(PICK, given).fetchone() is not None


def claim(connection: BaseDatabaseWrapper, values: Values) -> Picked | None:
    driver = connection.connection
    if not is_due(connection, values):
        return None
    with _immediate(driver):
        time = now()  # after the lock was waited for
        given = adapted(connection, {**values, "now": time, "until": time + timedelta(seconds=values["lease"])})
        picked = driver.execute(PICK, given).fetchone()
        if picked is None:
            return None
        given["job"] = picked[0]
        if not driver.execute(CHANGE, given).rowcount:
            return read_picked(picked[1], (None,))
        return read_picked(picked[1], driver.execute(READ_CLAIMED, given).fetchone())


def held(connection: BaseDatabaseWrapper, submission_id: int) -> Held | None:
    given = adapted(connection, {"submission": submission_id, "now": now()})
    row = connection.connection.execute(READ, given).fetchone()
    return None if row is None else read_held((now(), *row[1:]))


def finish(connection: BaseDatabaseWrapper, values: Values, *, first: bool) -> bool:
    driver, given = connection.connection, adapted(connection, values)
    with suppress(_Undo), _immediate(driver):
        if not driver.execute(RETIRE, given).rowcount:
            raise _Undo
        given["score"] = driver.execute(SCORE, given).lastrowid
        if not driver.execute(SUMMARY_FIRST if first else SUMMARY_LATER, given).rowcount:
            raise _Undo
        driver.execute(DUE, given)
        return True
    return False


class _Undo(Exception):
    """What was written must not stay."""


@contextmanager
def _immediate(driver: sqlite3.Connection) -> Iterator[None]:
    driver.execute("BEGIN IMMEDIATE")
    try:
        yield
        driver.execute("COMMIT")
    except BaseException:
        driver.execute("ROLLBACK")
        raise
