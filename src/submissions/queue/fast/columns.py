"""What the statements read, in which order, and how a row of it is understood. The same on each database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from submissions.models import whole
from submissions.queue.records import ClaimedJob
from submissions.sql import Row

# Of c: the job as it was claimed; s: its submission; i: the student item.
CLAIMED = """c.id, c.submission_id, c.queue_name, c.grader, c.pullkey, c.num_pulls, c.created_at, c.grader_file_name,
  c.grader_payload, c.student_info, c.body, c.file_links, s.raw_answer, i.student_id,
  EXISTS (SELECT 1 FROM submissions_submissionfile f WHERE f.external_grader_id = c.id)"""

# {now}: the database's clock.
HELD = """SELECT {now}, j.id, j.submission_id, j.queue_name, j.status, j.pullkey, j.points_possible, j.points_known,
  j.pulls, j.pulled_at, j.grader, s.status, s.attempt_number, i.id, i.student_id, i.course_id, i.item_id,
  u.latest_id, u.highest_id, ls.attempt_number, ls.id, hs.points_earned, hs.points_possible,
  EXISTS (SELECT 1 FROM submissions_delivery d WHERE d.job_id = j.id),
  EXISTS (SELECT 1 FROM submissions_delivery d WHERE d.job_id = j.id AND d.state = 'waiting')
FROM submissions_externalgraderdetail j
JOIN submissions_submission s ON s.id = j.submission_id
JOIN submissions_studentitem i ON i.id = s.student_item_id
LEFT JOIN submissions_scoresummary u ON u.student_item_id = i.id
LEFT JOIN submissions_score l ON l.id = u.latest_id LEFT JOIN submissions_submission ls ON ls.id = l.submission_id
LEFT JOIN submissions_score hs ON hs.id = u.highest_id
WHERE j.submission_id = %(submission)s"""


@dataclass(frozen=True)
class Picked:
    """The job that was next in line, and since when it was due."""

    due_since: datetime
    job: ClaimedJob | None
    """None where it is no usual one: a lost lease, say. Nothing was written then."""


@dataclass(frozen=True, slots=True)
class Held:
    """What decides about a result, in the order of `HELD`."""

    now: datetime
    job_id: int
    submission_id: int
    queue_name: str
    status: str
    pullkey: str | None
    points_possible: float
    points_known: bool
    pulls: str | None
    pulled_at: datetime | None
    grader: str
    submission_status: str
    attempt_number: int
    student_item_id: int
    student_id: str
    course_id: str
    item_id: str
    latest_id: int | None
    highest_id: int | None
    latest_attempt: int | None
    latest_submission: int | None
    highest_earned: float | None
    highest_possible: float | None
    has_deliveries: bool
    has_waiting: bool

    @property
    def latest_order(self) -> tuple[int, int] | None:
        """Where the latest score's submission stands among the learner's attempts; None where it has none."""
        if self.latest_attempt is None or self.latest_submission is None:
            return None
        return self.latest_attempt, self.latest_submission


def utc(time: datetime) -> datetime:
    """MySQL and SQLite keep times in UTC and do not say so."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def read_held(row: Row) -> Held:
    values = list(row)
    values[0] = utc(values[0])
    values[6] = whole(values[6])
    values[7] = bool(values[7])
    values[9] = None if values[9] is None else utc(values[9])
    return Held(*values)


def read_picked(row: Row) -> Picked:
    """Of a row of: since when it was due, and what `CLAIMED` names."""
    due_since, pk, submission_id, queue_name, grader, pullkey, num_pulls, created_at, *told, has_files = row
    if pk is None:
        return Picked(utc(due_since), None)
    known = (pk, submission_id, queue_name, grader, pullkey, num_pulls, utc(created_at), *told, bool(has_files))
    job = ClaimedJob(*known)
    return Picked(utc(due_since), job)
