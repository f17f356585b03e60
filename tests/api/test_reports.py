"""Many learners at once."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db.models import QuerySet
from pytest_django import DjangoAssertNumQueries, Settings

from submissions import api
from submissions.models import Score, StudentItem, Submission
from tests.api.conftest import item, submit

pytestmark = pytest.mark.django_db

WHERE = ("Demo_Course", "item_one", "Peer_Submission")


def scored(student_id: str, earned: float, answer: object = "an answer") -> str:
    uuid = str(api.create_submission(item(student_id=student_id), answer)["uuid"])
    api.set_score(uuid, earned, 10)
    return uuid


def test_the_best_come_first_and_the_latest_score_counts() -> None:
    scored("ada", 9, "fell")
    scored("ada", 2, {"text": "now ☃"})
    scored("ben", 5.5, "half")
    scored("cem", 7, "seven")
    scored("dan", 0, "nothing")
    submit(student_id="eva")
    api.reset_score("cem", "Demo_Course", "item_one")
    assert api.get_top_submissions(*WHERE, 3, read_replica=False) == [
        {"score": 5.5, "content": "half"},
        {"score": 2, "content": {"text": "now ☃"}},
    ]
    assert api.get_top_submissions(*WHERE, 1, read_replica=False) == [{"score": 5.5, "content": "half"}]
    assert api.get_top_submissions("Demo_Course", "item_two", "Peer_Submission", 3, read_replica=False) == []
    assert api.get_top_submissions("NUL\0", "item_one", "Peer_Submission", 3, read_replica=False) == []


def test_a_score_of_no_submission_has_no_content() -> None:
    Score.objects.create(student_item=StudentItem.objects.create(**item()), points_earned=1, points_possible=2)
    assert api.get_top_submissions(*WHERE, 3) == [{"score": 1, "content": None}]


def test_they_are_remembered_for_five_minutes_unless_told_not_to(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    scored("ada", 2)
    first = api.get_top_submissions(*WHERE, 3)
    scored("ben", 5)
    with django_assert_num_queries(0):
        assert api.get_top_submissions(*WHERE, 3) == first
    assert cache.get("submissions.top_submissions.Demo_Course.item_one.Peer_Submission.3") == first
    assert [one["score"] for one in api.get_top_submissions(*WHERE, 3, use_cache=False)] == [5, 2]
    assert [one["score"] for one in api.get_top_submissions(*WHERE, 3)] == [5, 2]


@pytest.mark.parametrize("number", [0, -1, 101])
def test_only_one_to_a_hundred_may_be_asked_for(number: int) -> None:
    assert api.MAX_TOP_SUBMISSIONS == 100
    with pytest.raises(api.SubmissionRequestError):
        api.get_top_submissions(*WHERE, number)


def test_a_courses_attempts_come_with_the_latest_scores_alone() -> None:
    first, second = scored("ada", 9, "first"), scored("ada", 2, "second")
    third = submit(student_id="ben", item_id="item_two")
    fourth = scored("cem", 3)
    api.reset_score("cem", "Demo_Course", "item_one")
    submit(item_type="problem", item_id="item_three")
    submit(course_id="Other_Course")
    found = list(api.get_all_course_submission_information("Demo_Course", "Peer_Submission", read_replica=False))
    assert [(who["student_id"], what["uuid"], score.get("points_earned")) for who, what, score in found] == [
        ("cem", fourth, None),
        ("ben", third, None),
        ("ada", second, 2),
        ("ada", first, None),
    ]
    assert found[2] == (item(student_id="ada"), api.get_submission(second), api.get_latest_score_for_submission(second))
    assert [found[0][2], found[2][2]["annotations"]] == [{}, []]


def test_a_course_of_nothing_is_empty() -> None:
    assert list(api.get_all_course_submission_information("Demo_Course", "Peer_Submission")) == []
    assert list(api.get_all_course_submission_information("NUL\0", "Peer_Submission")) == []


def test_a_courses_attempts_cost_two_statements(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(5):
        scored(f"learner {number}", number + 1)
    with django_assert_num_queries(2):
        assert len(list(api.get_all_course_submission_information("Demo_Course", "Peer_Submission"))) == 5


def test_learners_are_named_by_uuid_in_their_course_alone() -> None:
    ada, ben, other = submit(student_id="ada"), submit(student_id="ben"), submit(course_id="Other_Course")
    ask = api.get_student_ids_by_submission_uuid
    assert ask("Demo_Course", [ada, ben, other, str(uuid4())]) == {ada: "ada", ben: "ben"}
    assert ask("Demo_Course", {ada: None}.keys(), read_replica=False) == {ada: "ada"}
    assert ask("Demo_Course", []) == {}


@pytest.mark.parametrize("read_replica", [False, True])
def test_the_replica_is_asked_where_it_may_be(
    read_replica: bool, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    asked: list[str] = []
    usual = QuerySet.using

    def using(rows: QuerySet[Any], alias: str) -> QuerySet[Any]:
        asked.append(f"{rows.model.__name__} of {alias}")
        return usual(rows, "default")

    monkeypatch.setattr(QuerySet, "using", using)
    monkeypatch.setitem(settings.DATABASES, "read_replica", settings.DATABASES["default"])
    uuid = scored("ada", 1)
    asked.clear()
    api.get_top_submissions(*WHERE, 3, use_cache=False, read_replica=read_replica)
    list(api.get_all_course_submission_information("Demo_Course", "Peer_Submission", read_replica=read_replica))
    api.get_student_ids_by_submission_uuid("Demo_Course", [uuid], read_replica=read_replica)
    of_replica = [one for one in asked if one.endswith("read_replica")]
    expected = ["ScoreSummary of read_replica", "Submission of read_replica", "Submission of read_replica"]
    assert of_replica == (expected if read_replica else [])
    assert Submission.objects.count() == 1
