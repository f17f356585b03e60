"""MySQL 8, which knows no compound statements: the same statements, one after the other, in one short transaction.

Written after MySQL's documentation and run against MariaDB, where these statements mean the same; never yet on MySQL 8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper

from submissions.queue.fast.columns import CLAIMED, HELD, LOOK, ONE, Held, Picked, read_held, read_picked
from submissions.sql import Values, adapted, row

PICK = """SELECT id, available_at FROM submissions_externalgraderdetail
WHERE queue_name = %(queue)s AND available_at <= UTC_TIMESTAMP(6) AND available_at >= %(since)s
ORDER BY available_at, id LIMIT 1 FOR UPDATE SKIP LOCKED"""

IS_THERE = """SELECT s.status <> 'D' FROM submissions_externalgraderdetail j
JOIN submissions_submission s ON s.id = j.submission_id WHERE j.id = %(job)s"""

CHANGE = """UPDATE submissions_externalgraderdetail
SET status = 'pulled', status_time = UTC_TIMESTAMP(6), pulled_at = UTC_TIMESTAMP(6), pullkey = %(key)s,
  available_at = UTC_TIMESTAMP(6) + INTERVAL %(lease)s SECOND, grader = %(grader)s, num_pulls = num_pulls + 1,
  claim_id = %(claim_id)s
WHERE id = %(job)s AND status IN ('pending', 'retry')
  AND NOT (%(others)s AND status = 'retry' AND num_failures > 0 AND grader = %(grader)s)"""

READ_CLAIMED = f"""SELECT {CLAIMED} FROM submissions_externalgraderdetail c
JOIN submissions_submission s ON s.id = c.submission_id
JOIN submissions_studentitem i ON i.id = s.student_item_id WHERE c.id = %(job)s"""

POLL = LOOK.format(now="UTC_TIMESTAMP(6)")
READ = HELD.format(now="UTC_TIMESTAMP(6)", which=ONE)

RETIRE = """UPDATE submissions_externalgraderdetail
SET status = 'retired', status_time = %(now)s, returned_at = %(now)s, available_at = NULL, last_error = NULL,
  grader_reply = %(reply)s, pulls = %(pulls)s, result = %(result)s, result_digest = %(digest)s
WHERE submission_id = %(submission)s AND pullkey = %(key)s AND status = %(status)s"""

SCORE = """INSERT INTO submissions_score
  (student_item_id, submission_id, points_earned, points_possible, created_at, reset)
VALUES (%(item)s, %(submission)s, %(earned)s, %(possible)s, %(now)s, 0)"""

SUMMARY_FIRST = """INSERT IGNORE INTO submissions_scoresummary (student_item_id, highest_id, latest_id)
VALUES (%(item)s, %(score)s, %(score)s)"""

SUMMARY_SEEN = """SELECT id FROM submissions_scoresummary
WHERE student_item_id = %(item)s AND latest_id = %(latest_was)s AND highest_id = %(highest_was)s FOR UPDATE"""

SUMMARY_LATER = """UPDATE submissions_scoresummary
SET latest_id = COALESCE(%(latest)s, %(score)s), highest_id = COALESCE(%(highest)s, %(score)s)
WHERE student_item_id = %(item)s"""

DUE = """UPDATE submissions_delivery
SET state = 'due', due_at = %(now)s, ready_at = %(now)s, result = 'score', points = %(earned)s
WHERE job_id = %(job)s AND state = 'waiting'"""

T = TypeVar("T")


def speaks_to(connection: BaseDatabaseWrapper) -> bool:
    return bool(connection.features.has_select_for_update_skip_locked)


def is_due(connection: BaseDatabaseWrapper, values: Values) -> bool:
    return row(connection, POLL, values) is not None


def claim(connection: BaseDatabaseWrapper, values: Values) -> Picked | None:
    return _in_transaction(connection, values, _claim)


def _claim(cursor: Any, values: Values) -> tuple[bool, Picked | None]:
    cursor.execute(PICK, values)
    picked = cursor.fetchone()
    if picked is None:
        return False, None
    values = {**values, "job": picked[0]}
    cursor.execute(IS_THERE, values)
    # An UPDATE that finds a row changes it: the key is new.
    if not cursor.fetchone()[0] or not cursor.execute(CHANGE, values):
        return False, read_picked(picked[1], (None,))
    cursor.execute(READ_CLAIMED, values)
    return True, read_picked(picked[1], cursor.fetchone())


def held(connection: BaseDatabaseWrapper, submission_id: int) -> Held | None:
    found = row(connection, READ, {"submission": submission_id})
    return None if found is None else read_held(found)


def finish(connection: BaseDatabaseWrapper, values: Values, *, first: bool) -> bool:
    return _in_transaction(connection, values, lambda cursor, given: _finish(cursor, given, first=first))


def _finish(cursor: Any, values: Values, *, first: bool) -> tuple[bool, bool]:
    if not cursor.execute(RETIRE, values):
        return False, False
    cursor.execute(IS_THERE, values)
    if not cursor.fetchone()[0]:
        return False, False
    cursor.execute(SCORE, values)
    values = {**values, "score": cursor.lastrowid}
    if not cursor.execute(SUMMARY_FIRST if first else SUMMARY_SEEN, values):
        return False, False
    if not first:
        cursor.fetchall()
        cursor.execute(SUMMARY_LATER, values)
    cursor.execute(DUE, values)
    return True, True


def _in_transaction(
    connection: BaseDatabaseWrapper, values: Values, work: Callable[[Any, Values], tuple[bool, T]]
) -> T:
    """What `work` returns beside whether to commit. After any error the transaction is rolled back by hand: a lock wait
    that timed out undoes its statement alone, and the next START TRANSACTION would commit half a result."""
    driver = connection.connection
    with driver.cursor() as cursor:
        try:
            cursor.execute("START TRANSACTION")
            commit, result = work(cursor, adapted(connection, values))
            cursor.execute("COMMIT" if commit else "ROLLBACK")
        except BaseException:
            try:
                driver.rollback()
            except Exception:
                connection.close()
            raise
    return result
