"""Submissions of teams, through ORA2's own API."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from openassessment.assessment.api import teams
from openassessment.workflow import team_api as workflows

from submissions import api, team_api
from tests.ora2.course import COURSE, ESSAY, RUBRIC, answer, chosen, earned, item

pytestmark = pytest.mark.django_db

MEMBERS = ["ada", "bob", "cem"]


@pytest.fixture
def uuid() -> str:
    """Of a team's submission, whose workflow has begun."""
    user = get_user_model().objects.create(username="ada")
    made = team_api.create_submission_for_team(COURSE, ESSAY, "team-1", user.pk, MEMBERS, answer("wir ☃"))
    workflows.create_workflow(made["team_submission_uuid"])
    return str(made["team_submission_uuid"])


def state(uuid: str) -> tuple[str, int | None]:
    workflow: dict[str, Any] = workflows.get_workflow_for_submission(uuid)
    score = workflow["score"]
    return workflow["status"], score and score["points_earned"]


def test_staff_assess_a_team_and_each_member_has_the_score(uuid: str) -> None:
    assert state(uuid) == ("waiting", None)
    given = teams.get_submission_to_assess(COURSE, ESSAY, "teacher")
    assert (str(given["team_submission_uuid"]), given["answer"]) == (uuid, answer("wir ☃"))
    teams.create_assessment(uuid, "teacher", *chosen("many"), RUBRIC)
    assert state(uuid) == ("done", 5)
    assert [earned(member) for member in MEMBERS] == [(5, 5)] * 3
    assert teams.get_staff_grading_statistics(COURSE, ESSAY) == {"graded": 1, "ungraded": 0, "in-progress": 0}


def test_a_second_assessment_replaces_the_score_of_each_member(uuid: str) -> None:
    for option, points in (("some", 2), ("many", 5)):
        teams.create_assessment(uuid, "teacher", *chosen(option), RUBRIC)
        assert state(uuid) == ("done", points)
        assert [earned(member) for member in MEMBERS] == [(points, 5)] * 3


def test_a_team_begins_anew_after_staff_cleared_the_state(uuid: str) -> None:
    workflows.cancel_workflow(uuid, "again, please", "teacher")
    team_api.reset_scores(uuid, clear_state=True)
    assert workflows.is_workflow_cancelled(uuid)
    assert [api.get_submissions(item(member)) for member in MEMBERS] == [[], [], []]
    again = team_api.create_submission_for_team(
        COURSE, ESSAY, "team-1", get_user_model().objects.get().pk, MEMBERS, answer("noch einmal")
    )
    assert str(again["team_submission_uuid"]) != uuid


def test_a_learner_finds_the_submission_of_their_team(uuid: str) -> None:
    for member in MEMBERS:
        found = team_api.get_team_submission_for_student(item(member))
        assert (str(found["team_submission_uuid"]), found["team_id"]) == (uuid, "team-1")
    assert team_api.get_teammates_with_submissions_from_other_teams(COURSE, ESSAY, "team-2", ["bob", "dan"]) == [
        {"student_id": "bob", "team_id": "team-1"}
    ]
