"""Submissions: kept, and read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connections, router

from submissions import signals, sql
from submissions.api import caching
from submissions.api.failures import name_database_errors
from submissions.api.lookup import Data, find_submission, findable, get_or_create_student_item, parse_uuid, replica
from submissions.errors import SubmissionInternalError, SubmissionRequestError
from submissions.models import BrokenJSON, StudentItem, Submission, TeamSubmission
from submissions.queue.transactions import in_transaction
from submissions.serializers import StudentItemSerializer, SubmissionSerializer, flaw_of_answer


@name_database_errors
def create_submission(
    student_item_dict: Mapping[str, object],
    answer: object,
    submitted_at: datetime | None = None,
    attempt_number: int | None = None,
    team_submission: TeamSubmission | None = None,
) -> Data:
    """Keep an answer; `attempt_number` counts on from the learner's newest attempt where it is not given.

    Returns uuid, student_item, attempt_number, submitted_at, created_at, answer, team_submission_uuid.
    Raises SubmissionRequestError, SubmissionInternalError.
    """
    made = in_transaction(create_submission_row)(
        student_item_dict,
        answer,
        submitted_at=submitted_at,
        attempt_number=attempt_number,
        team_submission=team_submission,
    )
    return _as_data(made)


def create_submission_row(
    student_item_dict: Mapping[str, object],
    answer: Any,
    *,
    submitted_at: datetime | None = None,
    attempt_number: int | None = None,
    team_submission: TeamSubmission | None = None,
) -> Submission:
    """The row, in the caller's transaction. Raises SubmissionRequestError."""
    # Locked: two attempts at once would get the same number.
    item = get_or_create_student_item(student_item_dict, lock=attempt_number is None)
    if attempt_number is None:
        attempt_number = _newest_attempt(item) + 1
        if submitted_at is None and team_submission is None and answer is not None and not flaw_of_answer(answer):
            return _save(Submission(student_item=item, attempt_number=attempt_number, answer=answer))
    values: dict[str, object] = {"student_item": item.pk, "answer": answer, "attempt_number": attempt_number}
    if submitted_at:
        values["submitted_at"] = submitted_at
    if team_submission:
        values["team_submission_uuid"] = team_submission.uuid
    serializer = SubmissionSerializer(data=values)
    if not serializer.is_valid():
        raise SubmissionRequestError(field_errors=serializer.errors)
    return _save(Submission(**serializer.validated_data))


def _save(submission: Submission) -> Submission:
    submission.save(force_insert=True)
    signals.announce(signals.submission_created, submission=submission)
    return submission


_NEWEST_ATTEMPT = """SELECT attempt_number FROM submissions_submission
WHERE student_item_id = %(item)s AND status <> 'D' ORDER BY submitted_at DESC, id DESC LIMIT 1"""


def _newest_attempt(item: StudentItem) -> int:
    """The number of the learner's newest attempt, as it is since the item was locked; 0 where there is none."""
    connection = connections[router.db_for_write(Submission)]
    # Under REPEATABLE READ, which a host may have there, a plain look would show what was before the lock.
    newest = " LOCK IN SHARE MODE" if connection.vendor == "mysql" else ""
    found = sql.row(connection, _NEWEST_ATTEMPT + newest, {"item": item.pk})
    return found[0] if found else 0


@name_database_errors
def get_submission(submission_uuid: str | UUID, read_replica: bool = False) -> Data:
    """One submission.

    Raises SubmissionNotFoundError, SubmissionRequestError (neither text nor a UUID), SubmissionInternalError (also for
    text that is no uuid).
    """
    if not isinstance(submission_uuid, str | UUID):
        raise SubmissionRequestError(msg=f"submission_uuid ({submission_uuid!r}) must be serializable")
    try:
        uuid = parse_uuid(submission_uuid)
    except ValidationError as error:
        raise SubmissionInternalError(f"No submission can be looked for: {error}") from error
    key = Submission.get_cache_key(uuid)
    data: Data | None = caching.read(key)
    if data is None:
        row = find_submission(uuid, read_replica)
        if isinstance(row.answer, BrokenJSON):
            raise SubmissionInternalError(
                f"The answer of submission {row.uuid} is stored as something that is not JSON."
            )
        data = _as_data(row)
        caching.keep(key, data)
    return data


def get_submission_and_student(uuid: str | UUID, read_replica: bool = False) -> Data:
    """One submission with its student item as a dict. Raises as `get_submission` does."""
    submission = dict(get_submission(uuid, read_replica=read_replica))
    key = caching.key_of_item(submission["student_item"])
    item = caching.read(key)
    if item is None:
        item = _student_item_data(submission["student_item"], read_replica)
        caching.keep(key, item)
    submission["student_item"] = item
    return submission


@name_database_errors
def _student_item_data(item_id: int, read_replica: bool) -> Data:
    rows = replica(StudentItem.objects.all(), read_replica)
    return dict(StudentItemSerializer(rows.get(pk=item_id)).data)


@name_database_errors
def get_submissions(student_item_dict: Mapping[str, object], limit: int | None = None) -> list[Data]:
    """The attempts of one learner at one item, newest first, at most `limit`. Raises SubmissionRequestError."""
    rows = Submission.objects.filter(student_item=get_or_create_student_item(student_item_dict))
    return [_as_data(row) for row in (rows[:limit] if limit else rows)]


def get_all_submissions(course_id: str, item_id: str, item_type: str, read_replica: bool = True) -> Iterator[Data]:
    """The newest attempt of each learner at an item, with ``student_id``; a generator in constant memory."""
    if not findable(course_id, item_id, item_type):
        return
    rows = replica(Submission.objects.select_related("student_item", "team_submission"), read_replica)
    rows = rows.filter(
        student_item__course_id=course_id, student_item__item_id=item_id, student_item__item_type=item_type
    ).order_by("student_item__student_id", "-submitted_at", "-id")
    for student_id, attempts in itertools.groupby(rows.iterator(), lambda row: row.student_item.student_id):
        yield {**_as_data(next(attempts)), "student_id": student_id}


def _as_data(row: Submission) -> Data:
    # An answer that is not JSON stays the text it is: one old row must not keep a list of others from being read.
    return dict(SubmissionSerializer(row).data)
