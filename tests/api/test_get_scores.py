from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries

from submissions import api
from submissions.models import (
    Score,
    StudentItem,
)
from tests.api.conftest import item, points, submit

pytestmark = pytest.mark.django_db


UNKNOWN = "deadbeef-1234-5678-9100-1234deadbeef"


def test_the_latest_score_counts() -> None:
    first, second = submit(), submit()
    api.set_score(second, 5, 10)
    api.set_score(first, 3, 10)
    score = api.get_score(item())
    assert score is not None
    assert (points(score), score["submission_uuid"]) == ((3, 10), first)


@pytest.mark.parametrize(
    "fields",
    [
        item(student_id=None),
        item(student_id="Alice"),
        item(item_type="problem"),
        item(course_id="NUL\0"),
        item(item_id="\udfff"),
    ],
    ids=ascii,
)
def test_whom_nobody_scored_has_no_score(fields: dict[str, Any]) -> None:
    api.set_score(submit(), 1, 2)
    assert api.get_score(fields) is None


@pytest.mark.parametrize("field", ["student_id", "course_id", "item_id"])
def test_whose_score_is_wanted_must_be_said(field: str) -> None:
    api.set_score(submit(), 1, 2)
    fields = item()
    del fields[field]
    with pytest.raises(api.SubmissionRequestError) as refusal:
        api.get_score(fields)
    assert list(refusal.value.field_errors) == [field]


def test_the_items_type_need_not_be_said() -> None:
    api.set_score(submit(), 1, 2)
    fields = item(anything="else")
    del fields["item_type"]
    assert points(api.get_score(fields)) == (1, 2)


def test_a_hidden_score_is_none() -> None:
    uuid = submit()
    api.set_score(uuid, 0, 0)
    assert api.get_score(item()) is None
    assert api.get_latest_score_for_submission(uuid) is None
    assert api.get_scores("Demo_Course", "Tim") == {}
    assert Score.objects.get().is_hidden()


def test_the_scores_of_a_course_come_by_item_in_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    first, second, third = (submit(item_id=f"i4x://a/b/c/s{number}") for number in (1, 2, 3))
    for earned in (3, 4, 2):
        api.set_score(first, earned, 5, "Bob")
    api.set_score(second, 0, 10)
    api.set_score(third, 0, 0)
    submit(item_id="never scored")
    api.set_score(submit(course_id="another"), 1, 1)
    api.set_score(submit(student_id="Alice"), 1, 1)
    with django_assert_num_queries(1):
        scores = api.get_scores("Demo_Course", "Tim")
    assert {name: points(score) for name, score in scores.items()} == {
        "i4x://a/b/c/s1": (2, 5),
        "i4x://a/b/c/s2": (0, 10),
    }
    row = Score.objects.get(points_earned=2)
    assert row.submission is not None
    assert scores["i4x://a/b/c/s1"] == {
        "student_item": row.student_item_id,
        "submission": row.submission_id,
        "points_earned": 2,
        "points_possible": 5,
        "created_at": row.created_at,
        "submission_uuid": first,
    }


@pytest.mark.parametrize(
    "wanted", [("Other", "Tim"), ("Demo_Course", "Alice"), ("NUL\0", "Tim"), ("Demo_Course", "\ud800")], ids=ascii
)
def test_who_has_no_scores_gets_an_empty_dict(wanted: tuple[str, str]) -> None:
    api.set_score(submit(), 1, 2)
    assert api.get_scores(*wanted) == {}


def test_a_score_without_a_submission_counts_too() -> None:
    attended = StudentItem.objects.create(**item(item_id="class participation"))
    Score.objects.create(student_item=attended, points_earned=8, points_possible=10)
    scores = api.get_scores("Demo_Course", "Tim")
    assert points(scores["class participation"]) == (8, 10)
    assert scores["class participation"]["submission_uuid"] is None


def test_a_submission_has_the_latest_of_its_own_scores() -> None:
    first, second = submit(), submit()
    api.set_score(first, 1, 10)
    api.set_score(first, 2, 10)
    api.set_score(second, 9, 10)
    assert points(api.get_latest_score_for_submission(first)) == (2, 10)
    assert points(api.get_latest_score_for_submission(UUID(second))) == (9, 10)


@pytest.mark.parametrize("uuid", [UNKNOWN, UUID(UNKNOWN), 20], ids=ascii)
def test_a_submission_that_is_not_there_has_no_score(uuid: Any) -> None:
    assert api.get_latest_score_for_submission(uuid) is None


def test_a_submission_that_nobody_scored_has_no_score() -> None:
    assert api.get_latest_score_for_submission(submit()) is None
