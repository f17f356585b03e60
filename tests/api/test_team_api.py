"""Teams: one answer, a submission and a score for each member."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from pytest_django import DjangoAssertNumQueries

from submissions import api, team_api
from submissions.errors import (
    DuplicateTeamSubmissionsError,
    SubmissionInternalError,
    SubmissionRequestError,
    TeamSubmissionInternalError,
    TeamSubmissionNotFoundError,
    TeamSubmissionRequestError,
)
from submissions.models import DELETED, Score, Submission, TeamSubmission, score_reset, score_set
from tests.api.conftest import Heard, item, points, rows
from tests.api.test_at_once import at_once

pytestmark = pytest.mark.django_db

UNKNOWN = "deadbeef-1234-5678-9100-1234deadbeef"
WHERE = {"course_id": "Demo_Course", "item_id": "item_one"}


def create(team: str = "apple", members: tuple[str, ...] = ("ada", "ben"), **fields: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"answer": {"parts": [{"text": "wir ☃"}]}, "submitting_user_id": None, **WHERE, **fields}
    return team_api.create_submission_for_team(team_id=team, team_member_ids=list(members), **given)


def answers() -> dict[str, Any]:
    return {row.student_item.student_id: row.answer for row in Submission.objects.all()}


def latest(student_id: str) -> dict[str, Any] | None:
    return api.get_score(item(student_id=student_id, item_type="openassessment"))


def test_each_member_gets_a_submission_with_the_answer() -> None:
    user, when = User.objects.create(username="ada"), datetime(2024, 3, 1, 10, 7, tzinfo=UTC)
    made = create(submitting_user_id=user.pk, submitted_at=when, attempt_number=3)
    first, second = Submission.objects.order_by("id")
    created_at = TeamSubmission.objects.get().created
    assert made == {
        "team_submission_uuid": str(TeamSubmission.objects.get().uuid),
        "attempt_number": 3,
        "submitted_at": when,
        "course_id": "Demo_Course",
        "item_id": "item_one",
        "team_id": "apple",
        "submitted_by": user.pk,
        "created_at": created_at,
        "answer": {"parts": [{"text": "wir ☃"}]},
        "submission_uuids": [second.uuid, first.uuid],
    }
    assert answers() == {"ada": {"parts": [{"text": "wir ☃"}]}, "ben": {"parts": [{"text": "wir ☃"}]}}
    assert {(row.attempt_number, row.submitted_at, row.student_item.item_type) for row in (first, second)} == {
        (3, when, "openassessment")
    }


def test_the_same_team_submission_is_found_in_every_way() -> None:
    made = create()
    uuid = made["team_submission_uuid"]
    assert team_api.get_team_submission(uuid) == made
    assert team_api.get_team_submission(UUID(uuid)) == made
    assert team_api.get_team_submission_from_individual_submission(made["submission_uuids"][0]) == made
    assert team_api.get_team_submission_for_team("Demo_Course", "item_one", "apple") == made
    of_ben = item(student_id="ben", item_type="openassessment")
    assert team_api.get_team_submission_for_student(of_ben) == made
    assert team_api.get_all_team_submissions("Demo_Course", "item_one") == [made]
    assert team_api.get_team_submission_student_ids(uuid) == ["ada", "ben"]
    assert team_api.get_team_ids_by_team_submission_uuid([uuid, UNKNOWN]) == {uuid: "apple"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda: team_api.get_team_submission(UNKNOWN),
        lambda: team_api.get_team_submission(UUID(UNKNOWN)),
        lambda: team_api.get_team_submission_from_individual_submission(UNKNOWN),
        lambda: team_api.get_team_submission_for_team("Demo_Course", "item_one", "pear"),
        lambda: team_api.get_team_submission_for_student(item(student_id="zoe")),
        lambda: team_api.get_team_submission_student_ids(UNKNOWN),
        lambda: team_api.set_score(UNKNOWN, 1, 2),
        lambda: team_api.reset_scores(UNKNOWN),
    ],
)
def test_what_is_not_there_is_not_found(ask: Callable[[], object]) -> None:
    create()
    with pytest.raises(TeamSubmissionNotFoundError):
        ask()


def test_lists_of_nothing_are_empty() -> None:
    assert team_api.get_all_team_submissions("Demo_Course", "item_one") == []
    assert team_api.get_team_ids_by_team_submission_uuid([]) == {}
    assert team_api.get_teammates_with_submissions_from_other_teams("c", "i", "t", []) == []


def test_a_team_that_has_handed_in_is_refused_until_its_state_is_cleared() -> None:
    uuid = create()["team_submission_uuid"]
    with pytest.raises(DuplicateTeamSubmissionsError):
        create()
    assert rows() == {"items": 2, "teams": 1, "submissions": 2}
    team_api.reset_scores(uuid, clear_state=True)
    again = create(answer="better")
    assert again["attempt_number"] == 1
    assert answers() == {"ada": "better", "ben": "better"}
    assert team_api.get_team_submission_for_team("Demo_Course", "item_one", "apple") == again


def test_a_member_with_another_teams_submission_gets_no_second_one() -> None:
    create()
    made = create("banana", ("ben", "cem"), answer="other")
    assert [made["team_id"], len(made["submission_uuids"])] == ["banana", 1]
    assert answers()["ben"] == {"parts": [{"text": "wir ☃"}]}
    assert answers()["cem"] == "other"
    ask = team_api.get_teammates_with_submissions_from_other_teams
    assert ask("Demo_Course", "item_one", "banana", ["ben", "cem", "dan"]) == [
        {"student_id": "ben", "team_id": "apple"}
    ]
    assert ask("Demo_Course", "item_two", "banana", ["ben", "cem", "dan"]) == []


def test_a_submission_of_ones_own_is_no_other_teams() -> None:
    api.create_submission(item(student_id="ben", item_type="openassessment"), "alone")
    assert len(create()["submission_uuids"]) == 2


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"attempt_number": -1}, TeamSubmissionRequestError),
        ({"attempt_number": "many"}, TeamSubmissionRequestError),
        ({"submitting_user_id": 4711}, TeamSubmissionRequestError),
        ({"submitted_at": "soon"}, TeamSubmissionRequestError),
        ({"course_id": ""}, TeamSubmissionRequestError),
        ({"team": "t" * 256}, TeamSubmissionRequestError),
        ({"item_id": "NUL\0"}, TeamSubmissionRequestError),
        ({"answer": {1, 2}}, SubmissionRequestError),
        ({"answer": "x" * (5 * 1024 * 1024 + 1)}, SubmissionRequestError),
        ({"members": ("ada", "")}, SubmissionRequestError),
        ({"members": ("ada", None)}, SubmissionRequestError),
        ({"item_type": ""}, SubmissionRequestError),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_valid_leaves_nothing(fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        create(**fields)
    assert type(raised.value) is error
    assert rows() == {}


def test_a_team_without_members_has_an_answer_only_when_it_hands_in() -> None:
    made = create(members=())
    assert (made["submission_uuids"], made["answer"]) == ([], {"parts": [{"text": "wir ☃"}]})
    assert team_api.get_team_submission(made["team_submission_uuid"])["answer"] is None
    with pytest.raises(TeamSubmissionNotFoundError):
        team_api.get_team_submission_student_ids(made["team_submission_uuid"])


def test_each_member_gets_the_score_and_its_annotation(heard: Heard) -> None:
    uuid, sent = create()["team_submission_uuid"], heard(score_set)
    team_api.set_score(uuid, 6, 10)
    team_api.set_score(uuid, 9.5, 10, "staff", "staff_override", "extra credit")
    for student in ("ada", "ben"):
        score = latest(student)
        assert points(score) == (9.5, 10)
        assert score is not None
        assert score["annotations"] == [
            {"creator": "staff", "reason": "extra credit", "annotation_type": "staff_override"}
        ]
    assert [(one["anonymous_user_id"], one["points_earned"]) for one in sent] == [
        ("ben", 6), ("ada", 6), ("ben", 9.5), ("ada", 9.5),
    ]  # fmt: skip


def test_each_member_is_told_of_even_where_a_receiver_fails() -> None:
    uuid = create()["team_submission_uuid"]
    told = []

    def receiver(anonymous_user_id: str, **_: object) -> None:
        told.append(anonymous_user_id)
        raise LookupError(anonymous_user_id)

    score_set.connect(receiver)
    try:
        with pytest.raises(LookupError, match="ben"):
            team_api.set_score(uuid, 6, 10)
    finally:
        score_set.disconnect(receiver)
    assert told == ["ben", "ada"]
    assert points(latest("ada")) == (6, 10)


def test_points_that_are_none_give_nobody_a_score(heard: Heard) -> None:
    uuid, sent = create()["team_submission_uuid"], heard(score_set)
    with pytest.raises(SubmissionInternalError):
        team_api.set_score(uuid, -1, 10)
    assert (Score.objects.count(), sent) == (0, [])


def test_a_failure_at_one_member_gives_nobody_a_score(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    uuid, sent = create()["team_submission_uuid"], heard(score_set)
    usual = Score.save

    def save(score: Score, *args: Any, **kwargs: Any) -> None:
        if Score.objects.exists():
            raise DatabaseError("the second one")
        usual(score, *args, **kwargs)

    monkeypatch.setattr(Score, "save", save)
    with pytest.raises(TeamSubmissionInternalError, match="the second one"):
        team_api.set_score(uuid, 1, 10)
    assert (Score.objects.count(), sent) == (0, [])


@pytest.mark.parametrize("clear_state", [False, True])
def test_a_reset_reaches_each_member(heard: Heard, clear_state: bool) -> None:
    uuid, sent = create()["team_submission_uuid"], heard(score_reset)
    team_api.set_score(uuid, 6, 10)
    team_api.reset_scores(uuid, clear_state=clear_state)
    assert [latest("ada"), latest("ben")] == [None, None]
    assert [one["anonymous_user_id"] for one in sent] == ["ben", "ada"]
    assert set(Submission._objects.values_list("status", flat=True)) == {DELETED if clear_state else "A"}
    assert TeamSubmission._objects.get().status == (DELETED if clear_state else "A")
    if clear_state:
        with pytest.raises(TeamSubmissionNotFoundError):
            team_api.get_team_submission(uuid)


def test_a_list_of_teams_costs_two_statements(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(5):
        create(f"team {number}", (f"a{number}", f"b{number}"))
    with django_assert_num_queries(2):
        assert len(team_api.get_all_team_submissions("Demo_Course", "item_one")) == 5


@pytest.mark.django_db(transaction=True)
def test_of_members_who_hand_in_at_once_one_does() -> None:
    def work(number: int) -> str:
        try:
            create(members=("ada", "ben") if number % 2 else ("ben", "ada"), answer=f"answer {number}")
        except DuplicateTeamSubmissionsError:
            return "refused"
        return "taken"

    assert sorted(at_once(6, work)) == ["refused"] * 5 + ["taken"]
    assert rows() == {"items": 2, "teams": 1, "submissions": 2}
    assert len(set(answers().values())) == 1
