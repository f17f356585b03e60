"""Submissions of single learners, through ORA2's own API: workflows; self, peer and staff assessments; the report."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.core.management import call_command
from openassessment.assessment.api import peer, staff
from openassessment.assessment.api import self as self_assessment
from openassessment.data import CsvWriter
from openassessment.workflow import api as workflows

from submissions import api
from tests.ora2.course import COURSE, ESSAY, RUBRIC, answer, chosen, earned, item

pytestmark = pytest.mark.django_db

PEER = {"peer": {"must_grade": 1, "must_be_graded_by": 1, "enable_flexible_grading": False}}


def submit(student: str, *steps: str) -> str:
    """The uuid of a new submission, whose workflow has begun."""
    uuid = str(api.create_submission(item(student), answer(f"by {student}"))["uuid"])
    workflows.create_workflow(uuid, list(steps))
    return uuid


def state(uuid: str, requirements: dict[str, Any]) -> tuple[str, int | None]:
    """Where the workflow stands, and the points that it shows."""
    workflow = workflows.get_workflow_for_submission(uuid, requirements, {})
    score = workflow["score"]
    return workflow["status"], score and score["points_earned"]


def test_everything_is_migrated_and_checked() -> None:
    call_command("migrate", "--check")
    call_command("check")


def test_a_self_assessment_is_the_score() -> None:
    uuid = submit("ada", "self")
    assert state(uuid, {"self": {}}) == ("self", None)
    self_assessment.create_assessment(uuid, "ada", *chosen("some"), RUBRIC)
    assert state(uuid, {"self": {}}) == ("done", 2)
    assert earned("ada") == (2, 5)


def test_peers_assess_each_other() -> None:
    uuids = {student: submit(student, "peer") for student in ("ada", "bob")}
    for student, option in (("ada", "many"), ("bob", "none")):
        other = {"ada": "bob", "bob": "ada"}[student]
        given = peer.get_submission_to_assess(uuids[student], 1)
        assert (given["uuid"], given["answer"]) == (uuids[other], answer(f"by {other}"))
        peer.create_assessment(uuids[student], student, *chosen(option), RUBRIC, 1)
    assert {student: state(uuid, PEER) for student, uuid in uuids.items()} == {"ada": ("done", 0), "bob": ("done", 5)}
    top = api.get_top_submissions(COURSE, ESSAY, "openassessment", 3, use_cache=False)
    assert top == [{"content": answer("by bob"), "score": 5}]


def test_staff_overrule_a_score_and_say_so() -> None:
    uuid = submit("ada", "self")
    self_assessment.create_assessment(uuid, "ada", *chosen("some"), RUBRIC)
    assert state(uuid, {"self": {}}) == ("done", 2)
    staff.create_assessment(uuid, "teacher", *chosen("many"), RUBRIC)
    assert state(uuid, {"self": {}, "staff": {"required": False}}) == ("done", 5)
    score = api.get_latest_score_for_submission(uuid)
    assert score is not None
    assert [(note["annotation_type"], note["creator"]) for note in score["annotations"]] == [
        ("staff_defined", "teacher")
    ]


def test_staff_are_given_what_waits_for_them() -> None:
    uuid = submit("ada", "staff")
    given = staff.get_submission_to_assess(COURSE, ESSAY, "teacher")
    assert (given["uuid"], given["answer"]) == (uuid, answer("by ada"))
    staff.create_assessment(uuid, "teacher", *chosen("some"), RUBRIC)
    assert state(uuid, {"staff": {"required": True}}) == ("done", 2)
    assert staff.get_staff_grading_statistics(COURSE, ESSAY) == {"graded": 1, "ungraded": 0, "in-progress": 0}


def test_a_learner_begins_anew_after_staff_cleared_the_state() -> None:
    uuid = submit("ada", "peer")
    workflows.cancel_workflow(uuid, "again, please", "teacher", PEER, {})
    api.reset_score("ada", COURSE, ESSAY, clear_state=True)
    assert workflows.is_workflow_cancelled(uuid)
    assert api.get_submissions(item("ada")) == []
    assert api.get_score(item("ada")) is None
    assert submit("ada", "peer") != uuid
    assert len(api.get_submissions(item("ada"))) == 1


def test_the_report_of_a_course_has_every_submission() -> None:
    uuid = submit("ada", "self")
    self_assessment.create_assessment(uuid, "ada", *chosen("some"), RUBRIC)
    state(uuid, {"self": {}})
    files = {name: io.StringIO() for name in ("submission", "score", "assessment")}
    CsvWriter(files).write_to_csv(COURSE)
    submissions, scores = (
        list(csv.DictReader(io.StringIO(files[name].getvalue()))) for name in ("submission", "score")
    )
    assert [(row["uuid"], row["student_id"], row["item_id"]) for row in submissions] == [(uuid, "ada", ESSAY)]
    assert [(row["points_earned"], row["points_possible"]) for row in scores] == [("2", "5")]
