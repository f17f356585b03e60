"""What the statements read, in which order, and how a row of it is understood. The same on each database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from submissions.models import whole
from submissions.queue.records import ClaimedJob
from submissions.sql import Row

# What a ClaimedJob is made of. Of c: the job as it was claimed; s: its submission; i: the student item.
OF_CLAIMED = {
    "pk": "c.id",
    "submission_id": "c.submission_id",
    "queue_name": "c.queue_name",
    "grader": "c.grader",
    "pullkey": "c.pullkey",
    "num_pulls": "c.num_pulls",
    "created_at": "c.created_at",
    "grader_file_name": "c.grader_file_name",
    "grader_payload": "c.grader_payload",
    "student_info": "c.student_info",
    "body": "c.body",
    "file_links": "c.file_links",
    "stored_answer": "s.raw_answer",
    "student_id": "i.student_id",
    "course_id": "i.course_id",
    "item_id": "i.item_id",
    "item_type": "i.item_type",
    "submission_uuid": "s.uuid",
    "attempt_number": "s.attempt_number",
    "points_possible": "c.points_possible",
    "points_known": "c.points_known",
    "claimed_at": "c.pulled_at",
    "leased_until": "c.available_at",
    "last_error": "c.last_error",
    "has_json_payload": "EXISTS (SELECT 1 FROM submissions_submitrequest r "
    "WHERE r.job_id = c.id AND r.has_json_payload)",
    "has_files": "EXISTS (SELECT 1 FROM submissions_submissionfile f WHERE f.external_grader_id = c.id)",
}
CLAIMED = ", ".join(OF_CLAIMED.values())


def utc(time: datetime) -> datetime:
    """MySQL and SQLite keep times in UTC and do not say so."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


# How a driver's value becomes ours; the others are what they are.
READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("created_at", "claimed_at", "leased_until"), utc),
    **dict.fromkeys(("points_known", "has_json_payload", "has_files"), bool),
    "points_possible": whole,
    "submission_uuid": lambda value: str(UUID(str(value))),
}

# {now}: the database's clock, here and in HELD. {which}: ONE, or several.
LOOK = """SELECT 1 FROM submissions_externalgraderdetail
WHERE queue_name = %(queue)s AND available_at <= {now} AND available_at >= %(since)s LIMIT 1"""

HELD = """SELECT {now}, j.id, j.submission_id, j.queue_name, j.status, j.pullkey, j.points_possible, j.points_known,
  j.pulls, j.pulled_at, j.available_at, j.grader, s.status, s.attempt_number,
  i.id, i.student_id, i.course_id, i.item_id,
  u.latest_id, u.highest_id, ls.attempt_number, ls.id, hs.points_earned, hs.points_possible,
  EXISTS (SELECT 1 FROM submissions_delivery d WHERE d.job_id = j.id),
  EXISTS (SELECT 1 FROM submissions_delivery d WHERE d.job_id = j.id AND d.state = 'waiting')
FROM submissions_externalgraderdetail j
JOIN submissions_submission s ON s.id = j.submission_id
JOIN submissions_studentitem i ON i.id = s.student_item_id
LEFT JOIN submissions_scoresummary u ON u.student_item_id = i.id
LEFT JOIN submissions_score l ON l.id = u.latest_id LEFT JOIN submissions_submission ls ON ls.id = l.submission_id
LEFT JOIN submissions_score hs ON hs.id = u.highest_id
WHERE j.submission_id {which}"""
ONE = "= %(submission)s"


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
    available_at: datetime | None
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


def read_held(row: Row) -> Held:
    values = list(row)
    values[0] = utc(values[0])
    values[6] = whole(values[6])
    values[7] = bool(values[7])
    values[9:11] = [time and utc(time) for time in values[9:11]]
    return Held(*values)


def read_claimed(row: Row) -> ClaimedJob:
    """Of a row of what `CLAIMED` names."""
    values = dict(zip(OF_CLAIMED, row, strict=True))
    for name, read in READERS.items():
        values[name] = read(values[name])
    return ClaimedJob(**values)


def read_picked(due_since: datetime, row: Row) -> Picked:
    """`row`: of what `CLAIMED` names; its first value is None where the job is no usual one."""
    return Picked(utc(due_since), None if row[0] is None else read_claimed(row))
