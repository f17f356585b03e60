"""MariaDB: each verb is one compound statement, which is answered once, and rolls back by itself where it fails.

The claim is never prepared by a name: from some execution on it would walk, and lock, all that is finished.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from submissions.queue.fast.columns import CLAIMED, HELD, LOOK, ONE, Held, Picked, read_held, read_picked
from submissions.sql import Values, row

_BEGIN = """BEGIN NOT ATOMIC
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  START TRANSACTION;
"""

# The locking read asks for nothing but what stands in the index, or it would lock finished jobs, too. Whether the
# submission is there is read into a variable: EXISTS in the UPDATE would wait for one that somebody has locked.
# The job is read after the COMMIT: its row would wake the client only to wait for the COMMIT's answer.
CLAIM = f"""{_BEGIN}
  SET @gq_id = NULL, @gq_due = NULL, @gq_there = NULL;
  SELECT id, available_at INTO @gq_id, @gq_due FROM submissions_externalgraderdetail
  WHERE queue_name = %(queue)s AND available_at <= UTC_TIMESTAMP(6) AND available_at >= %(since)s
  ORDER BY available_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF @gq_id IS NOT NULL THEN
    SELECT s.status <> 'D' INTO @gq_there FROM submissions_externalgraderdetail j
    JOIN submissions_submission s ON s.id = j.submission_id WHERE j.id = @gq_id;
    UPDATE submissions_externalgraderdetail
    SET status = 'pulled', status_time = UTC_TIMESTAMP(6), pulled_at = UTC_TIMESTAMP(6), pullkey = %(key)s,
      available_at = UTC_TIMESTAMP(6) + INTERVAL %(lease)s SECOND, grader = %(grader)s, num_pulls = num_pulls + 1,
      claim_id = %(claim_id)s
    WHERE id = @gq_id AND status IN ('pending', 'retry') AND @gq_there
      AND NOT (%(others)s AND status = 'retry' AND num_failures > 0 AND grader = %(grader)s);
  END IF;
  COMMIT;
  SELECT CAST(@gq_due AS DATETIME(6)), {CLAIMED}
  FROM (SELECT 1) one LEFT JOIN submissions_externalgraderdetail c ON c.id = @gq_id AND c.pullkey = %(key)s
  LEFT JOIN submissions_submission s ON s.id = c.submission_id
  LEFT JOIN submissions_studentitem i ON i.id = s.student_item_id;
END"""

POLL = LOOK.format(now="UTC_TIMESTAMP(6)")
READ = HELD.format(now="UTC_TIMESTAMP(6)", which=ONE)

# The UPDATE's own row lock is what makes two results of one claim wait for each other.
_HEAD = f"""{_BEGIN}
  SET @gq_there = NULL;
  UPDATE submissions_externalgraderdetail
  SET status = 'retired', status_time = %(now)s, returned_at = %(now)s, available_at = NULL, last_error = NULL,
    grader_reply = %(reply)s, pulls = %(pulls)s, result = %(result)s, result_digest = %(digest)s
  WHERE submission_id = %(submission)s AND pullkey = %(key)s AND status = %(status)s;
  SET @gq_done = ROW_COUNT();
  SELECT status <> 'D' INTO @gq_there FROM submissions_submission WHERE id = %(submission)s;
  IF @gq_done = 1 AND @gq_there THEN
    INSERT INTO submissions_score
      (student_item_id, submission_id, points_earned, points_possible, created_at, reset)
    VALUES (%(item)s, %(submission)s, %(earned)s, %(possible)s, %(now)s, 0);
"""
_FIRST = """    INSERT IGNORE INTO submissions_scoresummary (student_item_id, highest_id, latest_id)
    VALUES (%(item)s, LAST_INSERT_ID(), LAST_INSERT_ID());
    SET @gq_done = ROW_COUNT();
"""
# The row is found, and locked, before it is changed: an UPDATE that changes nothing counts no row here.
_LATER = """    SET @gq_score = LAST_INSERT_ID(), @gq_done = 0;
    SELECT COUNT(*) INTO @gq_done FROM submissions_scoresummary
    WHERE student_item_id = %(item)s AND latest_id = %(latest_was)s AND highest_id = %(highest_was)s FOR UPDATE;
    UPDATE submissions_scoresummary
    SET latest_id = COALESCE(%(latest)s, @gq_score), highest_id = COALESCE(%(highest)s, @gq_score)
    WHERE student_item_id = %(item)s AND latest_id = %(latest_was)s AND highest_id = %(highest_was)s;
"""
_TAIL = """  ELSE
    SET @gq_done = 0;
  END IF;
  IF @gq_done = 1 THEN
    UPDATE submissions_delivery
    SET state = 'due', due_at = %(now)s, ready_at = %(now)s, result = 'score', points = %(earned)s
    WHERE job_id = %(job)s AND state = 'waiting';
    COMMIT;
  ELSE
    ROLLBACK;
  END IF;
  SELECT @gq_done;
END"""
FINISH_FIRST = _HEAD + _FIRST + _TAIL
FINISH_LATER = _HEAD + _LATER + _TAIL


def speaks_to(connection: BaseDatabaseWrapper) -> bool:
    return bool(connection.features.has_select_for_update_skip_locked)


def is_due(connection: BaseDatabaseWrapper, values: Values) -> bool:
    return row(connection, POLL, values) is not None


def claim(connection: BaseDatabaseWrapper, values: Values) -> Picked | None:
    found = row(connection, CLAIM, values)
    return None if found[0] is None else read_picked(found[0], found[1:])


def held(connection: BaseDatabaseWrapper, submission_id: int) -> Held | None:
    found = row(connection, READ, {"submission": submission_id})
    return None if found is None else read_held(found)


def finish(connection: BaseDatabaseWrapper, values: Values, *, first: bool) -> bool:
    return bool(row(connection, FINISH_FIRST if first else FINISH_LATER, values)[0] == 1)
