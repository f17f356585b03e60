"""get_submission, get_submission_and_student, get_submissions, get_all_submissions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from submissions import api
from submissions.models import DELETED, Submission, TeamSubmission
from tests.api.conftest import item, rows

pytestmark = pytest.mark.django_db

UNKNOWN = "deadbeef-1234-5678-9100-1234deadbeef"


def day(number: int) -> datetime:
    return datetime(2024, 3, number, 12, 0, 0, 5, tzinfo=UTC)


def hyphenate(uuid: str) -> None:
    """The row as old sites hold it, where the column is text."""
    with connection.cursor() as cursor:
        short = uuid.replace("-", "")
        cursor.execute("UPDATE submissions_submission SET uuid = %s WHERE uuid = %s", [uuid, short])


# get_submission. ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, UUID, lambda text: text.replace("-", ""), str.upper])
def test_a_submission_is_found_by_any_form_of_its_uuid(kind: Any) -> None:
    made = api.create_submission(item(), {"a": [1]}, day(1))
    assert api.get_submission(kind(made["uuid"])) == made


def test_the_first_look_is_one_query_and_the_next_is_none(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    team = TeamSubmission.objects.create(course_id="c", item_id="i", team_id="t", attempt_number=1)
    made = api.create_submission(item(), "Hello World!", team_submission=team)
    with django_assert_num_queries(1):
        assert api.get_submission(made["uuid"]) == made
    with django_assert_num_queries(0):
        assert api.get_submission(made["uuid"]) == made
        assert api.get_submission(UUID(made["uuid"])) == made


def test_what_a_caller_does_to_the_result_does_not_reach_the_cache() -> None:
    uuid = api.create_submission(item(), {"parts": ["one"]})["uuid"]
    for _ in range(2):
        api.get_submission(uuid)["answer"]["parts"].append("two")
    assert api.get_submission(uuid)["answer"] == {"parts": ["one"]}


def test_a_cache_that_is_down_stops_nobody(settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.api.test_get_submissions.BrokenCache"}}
    made = api.create_submission(item(), "x")
    assert api.get_submission(made["uuid"]) == made
    api.reset_score("Tim", "Demo_Course", "item_one", clear_state=True)
    assert api.get_submissions(item()) == []


class BrokenCache(BaseCache):
    def __init__(self, _: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, *_: Any, **__: Any) -> Any:
        raise ConnectionError("no cache server answers")

    set = delete_many = get


@pytest.mark.parametrize("uuid", [20, {}, None, 1.5, [UNKNOWN], b"deadbeef"])
def test_what_can_be_no_uuid_is_refused(uuid: Any) -> None:
    with pytest.raises(api.SubmissionRequestError):
        api.get_submission(uuid)


@pytest.mark.parametrize("uuid", [UNKNOWN, UUID(UNKNOWN)], ids=ascii)
@pytest.mark.parametrize("function", [api.get_submission, api.get_submission_and_student])
def test_an_unknown_uuid_is_not_found(function: Any, uuid: Any) -> None:
    with pytest.raises(api.SubmissionNotFoundError):
        function(uuid)


def test_a_deleted_submission_is_not_found() -> None:
    uuid = api.create_submission(item(), "x")["uuid"]
    Submission.objects.filter(uuid=uuid).update(status=DELETED)
    with pytest.raises(api.SubmissionNotFoundError):
        api.get_submission(uuid)


@pytest.mark.parametrize("function", [api.get_submission, api.get_submission_and_student])
def test_an_answer_that_is_not_json_is_an_internal_error(function: Any) -> None:
    made = api.create_submission(item(), "x")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE submissions_submission SET raw_answer = '}'")
    with pytest.raises(api.SubmissionInternalError, match="not JSON"):
        function(made["uuid"])


def test_a_uuid_that_an_old_site_stored_with_hyphens_is_found() -> None:
    made = api.create_submission(item(), "old")
    if not connection.features.has_native_uuid_field:
        hyphenate(made["uuid"])
    assert api.get_submission(made["uuid"])["answer"] == "old"
    api.set_score(made["uuid"], 3, 4)
    score = api.get_latest_score_for_submission(made["uuid"])
    assert score is not None
    assert (score["points_earned"], score["submission_uuid"]) == (3, made["uuid"])


# get_submission_and_student. ----------------------------------------------------------------------------------------


def test_the_student_item_comes_with_the_submission(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    made = api.create_submission(item(), "x")
    with django_assert_num_queries(2):
        assert api.get_submission_and_student(made["uuid"]) == {**made, "student_item": item()}
    with django_assert_num_queries(0):
        assert api.get_submission_and_student(made["uuid"]) == {**made, "student_item": item()}
    assert api.get_submission(made["uuid"]) == made


def test_a_student_item_is_cached_for_all_of_its_submissions(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    first, second = (api.create_submission(item(), "x")["uuid"] for _ in range(2))
    api.get_submission_and_student(first)
    with django_assert_num_queries(1):
        assert api.get_submission_and_student(second)["student_item"] == item()


# get_submissions. ---------------------------------------------------------------------------------------------------


def test_the_attempts_of_one_learner_come_newest_first() -> None:
    first = api.create_submission(item(), "newest", day(3))
    second = api.create_submission(item(), "oldest", day(1))
    third = api.create_submission(item(), "between", day(2))
    api.create_submission(item(student_id="Alice"), "somebody else's", day(4))
    assert api.get_submissions(item()) == [first, third, second]
    assert [one["answer"] for one in api.get_submissions(item(student_id="Alice"))] == ["somebody else's"]


def test_of_equal_times_the_later_row_comes_first() -> None:
    made = [api.create_submission(item(), number, day(1)) for number in range(3)]
    assert api.get_submissions(item()) == made[::-1]


@pytest.mark.parametrize(
    ("limit", "answers"), [(1, [2]), (2, [2, 1]), (9, [2, 1, 0]), (None, [2, 1, 0]), (0, [2, 1, 0])]
)
def test_at_most_so_many_are_returned(limit: int | None, answers: list[int]) -> None:
    for number in range(3):
        api.create_submission(item(), number, day(number + 1))
    assert [one["answer"] for one in api.get_submissions(item(), limit)] == answers


def test_nobodys_attempts_are_none() -> None:
    assert api.get_submissions(item()) == []


def test_deleted_attempts_are_left_out() -> None:
    api.create_submission(item(), "deleted")
    Submission.objects.update(status=DELETED)
    kept = api.create_submission(item(), "kept")
    assert api.get_submissions(item()) == [kept]


def test_one_broken_answer_does_not_hide_the_others() -> None:
    api.create_submission(item(), "fine", day(2))
    broken = api.create_submission(item(), "x", day(1))["uuid"]
    number = Submission.objects.get(uuid=broken).pk
    with connection.cursor() as cursor:
        cursor.execute("UPDATE submissions_submission SET raw_answer = 'print(1) }' WHERE id = %s", [number])
    assert [one["answer"] for one in api.get_submissions(item())] == ["fine", "print(1) }"]
    assert [one["answer"] for one in api.get_all_submissions("Demo_Course", "item_one", "Peer_Submission")] == ["fine"]


@pytest.mark.parametrize("fields", [{}, None, item(student_id=None), item(item_id="NUL\0")])
def test_a_bad_student_item_is_refused(fields: Any) -> None:
    with pytest.raises(api.SubmissionRequestError):
        api.get_submissions(fields)
    assert rows() == {}


# get_all_submissions. -----------------------------------------------------------------------------------------------


def test_the_newest_attempt_of_each_learner_comes_in_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    team = TeamSubmission.objects.create(course_id="c", item_id="i", team_id="t", attempt_number=1)
    api.create_submission(item(), "Tim's second", day(2))
    api.create_submission(item(), "Tim's first", day(1))
    api.create_submission(item(student_id="Alice"), "Alice's first", day(1))
    api.create_submission(item(student_id="Alice"), "Alice's second", day(2), team_submission=team)
    api.create_submission(item(student_id="Bob", item_id="another"), "elsewhere")
    with django_assert_num_queries(1):
        found = list(api.get_all_submissions("Demo_Course", "item_one", "Peer_Submission", read_replica=False))
    assert [(one["student_id"], one["answer"]) for one in found] == [
        ("Alice", "Alice's second"),
        ("Tim", "Tim's second"),
    ]
    assert set(found[0]) == {
        "uuid",
        "student_item",
        "attempt_number",
        "submitted_at",
        "created_at",
        "answer",
        "team_submission_uuid",
        "student_id",
    }


@pytest.mark.parametrize(
    "wanted",
    [
        ("Other", "item_one", "Peer_Submission"),
        ("Demo_Course", "other", "Peer_Submission"),
        ("Demo_Course", "item_one", "problem"),
        ("NUL\0", "item_one", "Peer_Submission"),
        ("Demo_Course", "\ud800", "Peer_Submission"),
    ],
    ids=ascii,
)
def test_what_nobody_submitted_to_has_none(wanted: tuple[str, str, str]) -> None:
    api.create_submission(item(), "x")
    assert list(api.get_all_submissions(*wanted)) == []


def test_the_cache_key_is_that_of_edx_submissions() -> None:
    uuid = uuid4()
    assert Submission.get_cache_key(uuid) == f"submissions.submission.{uuid}"
    made = api.create_submission(item(), "x")
    api.get_submission(made["uuid"].upper())
    assert cache.get(f"submissions.submission.{made['uuid']}") == made
