"""What is no uuid raises what edx-submissions 4.0.2 raises; tests/compat holds both side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from submissions import api, team_api
from submissions.errors import SubmissionInternalError, TeamSubmissionInternalError
from tests.api.conftest import rows

pytestmark = pytest.mark.django_db

MALFORMED = ["no uuid", "NUL\0", "\ud800", "x" * 300, "20b78e0f32df805d21064fc912f40e9ae5ab260d"]

RAISES: list[tuple[Callable[[str], Any], type[Exception]]] = [
    (api.get_submission, SubmissionInternalError),
    (api.get_submission_and_student, SubmissionInternalError),
    (api.get_latest_score_for_submission, ValidationError),
    (lambda uuid: api.set_score(uuid, 1, 2), ValidationError),
    (lambda uuid: api.get_student_ids_by_submission_uuid("course", [uuid]), ValidationError),
    (team_api.get_team_submission, TeamSubmissionInternalError),
    (team_api.get_team_submission_from_individual_submission, ValidationError),
    (team_api.get_team_submission_student_ids, ValidationError),
    (lambda uuid: team_api.get_team_ids_by_team_submission_uuid([uuid]), ValidationError),
    (lambda uuid: team_api.set_score(uuid, 1, 2), TeamSubmissionInternalError),
    (team_api.reset_scores, TeamSubmissionInternalError),
]


@pytest.mark.parametrize("uuid", MALFORMED, ids=ascii)
@pytest.mark.parametrize(("function", "error"), RAISES)
def test_it_raises_what_edx_submissions_raises(
    function: Callable[[str], Any], error: type[Exception], uuid: str
) -> None:
    with pytest.raises(error) as raised:
        function(uuid)
    assert type(raised.value) is error
    assert rows() == {}


@pytest.mark.parametrize("uuid", ["", None])
def test_no_uuid_at_all_is_no_submission_of_a_team(uuid: Any) -> None:
    with pytest.raises(team_api.TeamSubmissionNotFoundError):
        team_api.get_team_submission_student_ids(uuid)


def test_none_among_the_uuids_of_teams_is_passed_over() -> None:
    made = team_api.create_submission_for_team("c", "i", "apple", None, ["Tim"], "an answer")
    uuid = made["team_submission_uuid"]
    assert team_api.get_team_ids_by_team_submission_uuid([None]) == {}
    assert team_api.get_team_ids_by_team_submission_uuid([None, uuid]) == {uuid: "apple"}
