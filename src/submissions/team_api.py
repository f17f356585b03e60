"""The Python door for teams: names, arguments and results of edx-submissions' ``submissions.team_api``.

A team hands in once. Each of its members gets a submission of their own with the same answer, and a score of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from submissions.api.failures import name_team_errors
from submissions.api.lookup import Data, findable, get_or_create_student_item, parse_uuid
from submissions.api.scores import reset_item, score_submissions, tell
from submissions.api.submissions import create_submission_row
from submissions.errors import (
    SubmissionInternalError,
    TeamSubmissionInternalError,
    TeamSubmissionNotFoundError,
    TeamSubmissionRequestError,
)
from submissions.models import DELETED, Score, StudentItem, Submission, TeamSubmission, score_reset
from submissions.models.team import require_only_one
from submissions.queue.transactions import in_transaction
from submissions.serializers import TeamSubmissionSerializer

__all__ = [
    "DELETED",
    "Submission",
    "SubmissionInternalError",
    "TeamSubmission",
    "TeamSubmissionInternalError",
    "TeamSubmissionNotFoundError",
    "TeamSubmissionRequestError",
    "TeamSubmissionSerializer",
    "create_submission_for_team",
    "get_all_team_submissions",
    "get_team_ids_by_team_submission_uuid",
    "get_team_submission",
    "get_team_submission_for_student",
    "get_team_submission_for_team",
    "get_team_submission_from_individual_submission",
    "get_team_submission_student_ids",
    "get_teammates_with_submissions_from_other_teams",
    "reset_scores",
    "set_score",
]


@name_team_errors
def create_submission_for_team(
    course_id: str,
    item_id: str,
    team_id: str,
    submitting_user_id: int | None,
    team_member_ids: Sequence[str],
    answer: object,
    submitted_at: datetime | None = None,
    attempt_number: int = 1,
    item_type: str = "openassessment",
) -> Data:
    """Keep a team's answer, with a submission for each member who has none with another team; all or nothing.

    `submitting_user_id` is the key of an account, `team_member_ids` are the platform's ids of learners. Returns
    team_submission_uuid, attempt_number, submitted_at, course_id, item_id, team_id, submitted_by, created_at, answer,
    submission_uuids. Raises TeamSubmissionRequestError, SubmissionRequestError (a member's submission),
    DuplicateTeamSubmissionsError, TeamSubmissionInternalError.
    """
    team: dict[str, Any] = {"course_id": course_id, "item_id": item_id, "team_id": team_id}
    fields = {**team, "submitted_by": submitting_user_id, "attempt_number": attempt_number}
    if submitted_at:
        fields["submitted_at"] = submitted_at
    item = {"course_id": course_id, "item_id": item_id, "item_type": item_type}
    made = in_transaction(_create)(fields, item, list(team_member_ids), answer)
    return dict(TeamSubmissionSerializer(made, context={"answer": answer}).data)


def _create(fields: dict[str, Any], item: dict[str, str], members: list[str], answer: object) -> TeamSubmission:
    serializer = TeamSubmissionSerializer(data=fields)
    if not serializer.is_valid():
        raise TeamSubmissionRequestError(field_errors=serializer.errors)
    team = TeamSubmission(**serializer.validated_data)
    require_only_one(team)
    # Two members may hand in at once: who has the lock looks once more, when it saves. In one order, so that they do
    # not lock each other out.
    for member in sorted(members, key=str):
        get_or_create_student_item({**item, "student_id": member}, lock=True)
    team.save()
    elsewhere = {
        row["student_id"] for row in _with_other_teams(item["course_id"], item["item_id"], team.team_id, members)
    }
    own = {name: fields[name] for name in ("submitted_at", "attempt_number") if name in fields}
    for member in members:
        if member not in elsewhere:
            create_submission_row({**item, "student_id": member}, answer, team_submission=team, **own)
    return team


@name_team_errors
def get_teammates_with_submissions_from_other_teams(
    course_id: str, item_id: str, team_id: str, team_member_ids: Sequence[str]
) -> list[Data]:
    """Which of these learners have handed in with another team: dicts of student_id and that team's team_id."""
    return _with_other_teams(course_id, item_id, team_id, team_member_ids)


def _with_other_teams(course_id: str, item_id: str, team_id: str, members: Sequence[str]) -> list[Data]:
    if not findable(course_id, item_id, team_id, *members):
        return []
    rows = Submission.objects.filter(
        student_item__student_id__in=members,
        student_item__course_id=course_id,
        student_item__item_id=item_id,
        team_submission__isnull=False,
    ).exclude(team_submission__team_id=team_id)
    found = rows.values_list("student_item__student_id", "team_submission__team_id")
    return [{"student_id": student_id, "team_id": other} for student_id, other in found]


def get_team_submission(team_submission_uuid: str | UUID) -> Data:
    """One team's submission. Raises TeamSubmissionNotFoundError; TeamSubmissionInternalError, also for no uuid."""
    return _as_data(TeamSubmission.get_team_submission_by_uuid(team_submission_uuid))


@name_team_errors
def get_team_submission_from_individual_submission(individual_submission_uuid: str | UUID) -> Data:
    """The team's submission that a member's belongs to.

    Raises TeamSubmissionNotFoundError, TeamSubmissionInternalError, Django's ValidationError for what is no uuid.
    """
    uuid = parse_uuid(individual_submission_uuid)
    found = TeamSubmission.objects.filter(submissions__uuid=uuid).first()
    if found is None:
        raise TeamSubmissionNotFoundError(f"The submission with uuid {uuid} belongs to no team submission")
    return _as_data(found)


def get_team_submission_for_team(course_id: str, item_id: str, team_id: str) -> Data:
    """A team's submission for an item. Raises TeamSubmissionNotFoundError, TeamSubmissionInternalError."""
    return _as_data(TeamSubmission.get_team_submission_by_course_item_team(course_id, item_id, team_id))


@name_team_errors
def get_team_submission_for_student(student_item_dict: dict[str, object]) -> Data:
    """The submission of the learner's team for this item.

    Raises SubmissionRequestError, TeamSubmissionNotFoundError, TeamSubmissionInternalError.
    """
    item = in_transaction(get_or_create_student_item)(student_item_dict)
    return _as_data(TeamSubmission.get_team_submission_by_student_item(item))


@name_team_errors
def get_all_team_submissions(course_id: str, item_id: str) -> list[Data]:
    """All teams' submissions for an item. Raises TeamSubmissionInternalError."""
    return [_as_data(row) for row in TeamSubmission.get_all_team_submissions_for_course_item(course_id, item_id)]


@name_team_errors
def get_team_submission_student_ids(team_submission_uuid: str | UUID | None) -> list[str]:
    """The learners of a team's submission, in the order in which they were named.

    Raises TeamSubmissionNotFoundError, TeamSubmissionInternalError, Django's ValidationError for what is no uuid.
    """
    if not team_submission_uuid:
        raise TeamSubmissionNotFoundError("There is no team submission without a uuid")
    rows = TeamSubmission.objects.filter(uuid=parse_uuid(team_submission_uuid), submissions__isnull=False)
    ids = rows.order_by("submissions__id").values_list("submissions__student_item__student_id", flat=True)
    if not ids:
        raise TeamSubmissionNotFoundError(f"There is no team submission with uuid {team_submission_uuid} and members")
    return list(ids)


@name_team_errors
def get_team_ids_by_team_submission_uuid(team_submission_uuids: Iterable[str | UUID | None]) -> dict[str, str]:
    """The teams of these submissions, by uuid. None is passed over; what is no uuid raises Django's ValidationError."""
    wanted = [parse_uuid(uuid) for uuid in team_submission_uuids if uuid is not None]
    rows = TeamSubmission.objects.filter(uuid__in=wanted)
    return {str(uuid): team_id for uuid, team_id in rows.values_list("uuid", "team_id")}


@name_team_errors
def set_score(
    team_submission_uuid: str | UUID,
    points_earned: float,
    points_possible: float,
    annotation_creator: str | None = None,
    annotation_type: str | None = None,
    annotation_reason: str | None = None,
) -> None:
    """Give each member this score, or none of them; then `score_set` is sent for each.

    Raises TeamSubmissionNotFoundError, SubmissionInternalError (also for points that are not numbers),
    SubmissionRequestError (an annotation that cannot be kept).
    """
    team = TeamSubmission.get_team_submission_by_uuid(team_submission_uuid)
    members = list(team.submissions.select_related("student_item"))
    annotation = (annotation_creator, annotation_type, annotation_reason)
    score_submissions(members, points_earned, points_possible, annotation)


@name_team_errors
def reset_scores(team_submission_uuid: str | UUID, clear_state: bool = False) -> None:
    """Let the members' scores no longer count; with `clear_state`, soft-delete what they and the team handed in.

    All or nothing; then `score_reset` is sent for each. Raises TeamSubmissionNotFoundError,
    TeamSubmissionInternalError.
    """
    tell(score_reset, in_transaction(_reset)(team_submission_uuid, clear_state))


def _reset(team_submission_uuid: str | UUID, clear_state: bool) -> list[tuple[StudentItem, Score]]:
    team = TeamSubmission.get_team_submission_by_uuid(team_submission_uuid)
    items = [row.student_item for row in team.submissions.select_related("student_item")]
    reset = [(item, reset_item(item, clear_state)) for item in items]
    if clear_state:
        team.status = DELETED
        team.save(update_fields=["status"])
    return reset


def _as_data(row: TeamSubmission) -> Data:
    return dict(TeamSubmissionSerializer(row).data)
