"""PostgreSQL: each verb is one statement, and so a transaction without BEGIN and COMMIT."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from submissions.queue.fast.columns import CLAIMED, HELD, LOOK, ONE, Held, Picked, read_held, read_picked
from submissions.sql import Values, is_psycopg, row

# The first due job is picked whatever its state, so that a lost lease stands in line like any other; it is not changed
# here, and the general verb deals with it. `=`, never IN: for that PostgreSQL may run a subquery that locks twice.
CLAIM = f"""WITH picked AS (
  SELECT id, available_at FROM submissions_externalgraderdetail
  WHERE queue_name = %(queue)s AND available_at <= statement_timestamp() AND available_at >= %(since)s
  ORDER BY available_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE submissions_externalgraderdetail j
  SET status = 'pulled', status_time = statement_timestamp(), pulled_at = statement_timestamp(), pullkey = %(key)s,
    available_at = statement_timestamp() + make_interval(secs => %(lease)s), grader = %(grader)s,
    num_pulls = num_pulls + 1, claim_id = %(claim_id)s
  FROM picked
  WHERE j.id = picked.id AND j.status IN ('pending', 'retry')
    AND NOT (%(others)s AND j.status = 'retry' AND j.num_failures > 0 AND j.grader = %(grader)s)
    AND EXISTS (SELECT 1 FROM submissions_submission s WHERE s.id = j.submission_id AND s.status <> 'D')
  RETURNING j.*
)
SELECT picked.available_at, {CLAIMED}
FROM picked LEFT JOIN claimed c ON c.id = picked.id
LEFT JOIN submissions_submission s ON s.id = c.submission_id
LEFT JOIN submissions_studentitem i ON i.id = s.student_item_id"""

POLL = LOOK.format(now="statement_timestamp()")
READ = HELD.format(now="statement_timestamp()", which=ONE)

# Each part runs only if the one before gave a row. The lock is what makes two results of one claim wait for each other.
_HEAD = """WITH held AS (
  SELECT id FROM submissions_externalgraderdetail
  WHERE submission_id = %(submission)s AND pullkey = %(key)s AND status = %(status)s
    AND EXISTS (SELECT 1 FROM submissions_submission s WHERE s.id = submission_id AND s.status <> 'D')
  FOR UPDATE
), drawn AS (
  SELECT nextval(pg_get_serial_sequence('submissions_score', 'id')) AS id FROM held
), summary AS (
"""
_FIRST = """  INSERT INTO submissions_scoresummary (student_item_id, highest_id, latest_id)
  SELECT %(item)s, drawn.id, drawn.id FROM drawn ON CONFLICT DO NOTHING RETURNING 1
"""
_LATER = """  UPDATE submissions_scoresummary
  SET latest_id = COALESCE(%(latest)s, drawn.id), highest_id = COALESCE(%(highest)s, drawn.id)
  FROM drawn WHERE student_item_id = %(item)s AND latest_id = %(latest_was)s AND highest_id = %(highest_was)s
  RETURNING 1
"""
_TAIL = """), score AS (
  INSERT INTO submissions_score (id, student_item_id, submission_id, points_earned, points_possible, created_at, reset)
  SELECT drawn.id, %(item)s, %(submission)s, %(earned)s, %(possible)s, %(now)s, false FROM drawn, summary RETURNING id
), due AS (
  UPDATE submissions_delivery
  SET state = 'due', due_at = %(now)s, ready_at = %(now)s, result = 'score', points = %(earned)s
  FROM held, score WHERE job_id = held.id AND state = 'waiting' RETURNING 1
)
UPDATE submissions_externalgraderdetail j
SET status = 'retired', status_time = %(now)s, returned_at = %(now)s, available_at = NULL, last_error = NULL,
  grader_reply = %(reply)s, pulls = %(pulls)s, result = %(result)s, result_digest = %(digest)s
FROM held, score WHERE j.id = held.id RETURNING score.id"""
FINISH_FIRST = _HEAD + _FIRST + _TAIL
FINISH_LATER = _HEAD + _LATER + _TAIL


def speaks_to(connection: BaseDatabaseWrapper) -> bool:
    return is_psycopg(connection)


def is_due(connection: BaseDatabaseWrapper, values: Values) -> bool:
    return row(connection, POLL, values) is not None


def claim(connection: BaseDatabaseWrapper, values: Values) -> Picked | None:
    found = row(connection, CLAIM, values)
    return None if found is None else read_picked(found[0], found[1:])


def held(connection: BaseDatabaseWrapper, submission_id: int) -> Held | None:
    found = row(connection, READ, {"submission": submission_id})
    return None if found is None else read_held(found)


def finish(connection: BaseDatabaseWrapper, values: Values, *, first: bool) -> bool:
    return row(connection, FINISH_FIRST if first else FINISH_LATER, values) is not None
