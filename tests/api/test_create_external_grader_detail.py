"""A submission and its job, all of it or nothing."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from submissions import api, queue
from submissions.errors import UnknownQueue
from submissions.models import ExternalGraderDetail
from tests.api.conftest import item, rows

pytestmark = pytest.mark.django_db


def create(queue_name: Any = "python", queue_key: Any = "key", answer: Any = "print(1)", **job: Any) -> Any:
    return api.create_external_grader_detail(item(), answer, queue_name, queue_key, **job)


def refused(error: type[Exception] = api.SubmissionRequestError, /, **arguments: Any) -> dict[str, Any]:
    """The field errors with which the API refuses this; no row is left in any table."""
    with pytest.raises(error) as refusal:
        create(**arguments)
    assert rows() == {}
    return getattr(refusal.value, "field_errors", {})


def test_it_makes_a_submission_and_its_job() -> None:
    job = create("python", "key-1", {"code": "print(1)"}, grader_file_name="ps1/grade.py", points_possible=10)
    assert isinstance(job, ExternalGraderDetail)
    job.refresh_from_db()
    assert (job.queue_name, job.queue_key, job.grader_file_name) == ("python", "key-1", "ps1/grade.py")
    assert (job.status, job.points_possible, job.num_failures, job.pullkey) == ("pending", 10, 0, None)
    assert job.available_at == job.created_at == job.status_time
    (submission,) = api.get_submissions(item())
    assert submission["uuid"] == str(job.submission.uuid)
    assert (submission["answer"], submission["attempt_number"]) == ({"code": "print(1)"}, 1)
    assert rows() == {"items": 1, "submissions": 1, "jobs": 1, "queues": 1}


def test_only_four_arguments_are_needed() -> None:
    job = api.create_external_grader_detail(item(), "print(1)", "python", None)
    assert (job.queue_key, job.grader_file_name, job.points_possible) == (None, "", 1)
    assert (job.grader_payload, job.student_info) == (None, None)


def test_arguments_that_it_does_not_know_are_ignored() -> None:
    assert create(score_weight=3, anything={"else": 1}).status == "pending"


def test_a_grader_gets_it() -> None:
    job = create()
    assert [one.submission_id for one in queue.claim("python", grader="g")] == [job.submission_id]


# Queue names. -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, ""])
def test_a_job_without_a_queue_leaves_nothing(name: str | None) -> None:
    assert refused(api.ExternalGraderQueueEmptyError, queue_name=name) == {}


BAD_NAMES = [
    "x" * 129,
    "NUL\0",
    "line\nbreak",
    "tab\t",
    "\x1b[31m",
    "\ud800",
    " ",
    "\u200b",
    ["q"],
    {},
    True,
    b"q",
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:20])
def test_a_bad_queue_name_leaves_nothing(name: Any) -> None:
    assert list(refused(queue_name=name)) == ["queue_name"]


@pytest.mark.parametrize(
    "name", ["x" * 128, "Ünï☃\U0001f40d", "two words", "a/b", "../x", "<b>", "'; DROP TABLE x; --"]
)
def test_every_other_queue_name_is_good(name: str) -> None:
    create(name)
    assert [job.queue_name for job in queue.claim(name, grader="g")] == [name]


def test_a_queue_that_nobody_set_up_leaves_nothing_where_the_registry_is_strict(settings: Settings) -> None:
    settings.SUBMISSIONS_STRICT_QUEUES = True
    refused(UnknownQueue, queue_name="nobody's")


# What the platform sends along. -------------------------------------------------------------------------------------

VERBATIM = [
    "",
    "1",
    "null",
    "not JSON {",
    " spaces \n\t and breaks \r\n",
    '{"grader": "ps1/grade.py",  "b": 1, "a": 2}',
    "☃ \U0001f40d ünï",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", VERBATIM, ids=lambda text: ascii(text)[:20])
@pytest.mark.parametrize("field", ["grader_payload", "student_info"])
def test_text_is_kept_to_the_letter(field: str, text: str) -> None:
    job = create(**{field: text})
    job.refresh_from_db()
    assert getattr(job, field) == text
    assert getattr(queue.claim("python", grader="g")[0], field) == text


@pytest.mark.parametrize("value", [{"grader": "ü", "n": [1, None, 0.5]}, [], 1, 0, 1.5, True, False], ids=repr)
@pytest.mark.parametrize("field", ["grader_payload", "student_info"])
def test_everything_else_is_written_as_json(field: str, value: Any) -> None:
    job = create(**{field: value})
    job.refresh_from_db()
    kept = getattr(job, field)
    assert isinstance(kept, str)
    assert (json.loads(kept), type(json.loads(kept))) == (value, type(value))


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", float("nan"), {"a": float("inf")}],
    ids=["an object", "a set", "bytes", "NaN", "infinity"],
)
@pytest.mark.parametrize("field", ["grader_payload", "student_info"])
def test_what_is_no_json_leaves_nothing(field: str, value: Any) -> None:
    assert list(refused(**{field: value})) == [field]


@pytest.mark.parametrize("text", ["NUL \0 in it", "\udfff"], ids=ascii)
@pytest.mark.parametrize("field", ["queue_name", "queue_key", "grader_file_name", "grader_payload", "student_info"])
def test_text_that_no_database_keeps_leaves_nothing(field: str, text: str) -> None:
    assert list(refused(**{field: text})) == [field]


@pytest.mark.parametrize("name", [" q", "q  ", " q "])
def test_spaces_at_the_ends_of_a_queues_name_do_not_count(name: str) -> None:
    assert create(name).queue_name == "q"
    assert len(queue.claim(name, grader="g")) == 1


def test_what_edx_submissions_has_put_into_a_queue_with_a_space_is_found() -> None:
    job = create("q")
    ExternalGraderDetail.objects.filter(pk=job.pk).update(queue_name=" q")
    assert [found.pk for found in queue.claim(" q", grader="g")] == [job.pk]


def test_a_uuid_as_the_queues_key_is_kept_as_its_text() -> None:
    job = create(queue_key=UUID("a778b933-9fb3-11e3-9c0f-040ccee02800"))
    job.refresh_from_db()
    assert job.queue_key == "a778b933-9fb3-11e3-9c0f-040ccee02800"


@pytest.mark.parametrize("field", ["queue_key", "grader_file_name"])
def test_text_longer_than_its_column_is_kept_whole_beside_it(field: str) -> None:
    job = create(**{field: "x" * 129})
    job.refresh_from_db()
    assert getattr(job, field) == "x" * 128
    kept = job.whole_queue_key if field == "queue_key" else json.loads(str(job.grader_payload))["grader"]
    assert kept == "x" * 129
    create(**{field: "x" * 128})


def test_a_problem_worth_nothing_is_graded() -> None:
    job = create(points_possible=0)
    (claimed,) = queue.claim("python", grader="g")
    done = queue.complete(job.submission_id, claimed.pullkey, score=1, reply='{"score": 1}')
    assert (done.points_earned, done.score_possible) == (0, 0)


def test_no_grader_file_is_an_empty_name() -> None:
    assert create(grader_file_name=None).grader_file_name == ""


# Points. ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"), [(1, 1), (10.0, 10), (0.5, 0.5), (1e-9, 1e-9), (2**53, 2**53), (1e300, 1e300)]
)
def test_points_possible_are_kept_with_their_fraction(given: float, kept: float) -> None:
    job = create(points_possible=given)
    job.refresh_from_db()
    assert job.points_possible == kept
    assert type(job.points_possible) is (float if kept in (0.5, 1e-9, 1e300) else int)


@pytest.mark.parametrize(("given", "kept", "kind"), [("2", 2, int), ("2.50", 2.5, float), ("0", 0, int)])
def test_points_may_be_decimal(given: str, kept: float, kind: type) -> None:
    job = create(points_possible=Decimal(given))
    job.refresh_from_db()
    assert (job.points_possible, type(job.points_possible)) == (kept, kind)


BAD_POINTS: list[Any] = [-1, -0.5, True, False, None, "", "5", "many", [1], {}, float("nan"), float("inf"), 10**400]
BAD_POINTS += [Decimal("-1"), Decimal("NaN"), Decimal("sNaN"), Decimal("1e400")]


@pytest.mark.parametrize("points", BAD_POINTS, ids=lambda points: repr(points)[:20])
def test_bad_points_possible_leave_nothing(points: Any) -> None:
    assert list(refused(points_possible=points)) == ["points_possible"]


# Answers and student items are those of create_submission; here it is told that nothing is left of them. -------------


@pytest.mark.parametrize("answer", [None, object(), "a" * 5242881], ids=["None", "no JSON", "too long"])
def test_a_bad_answer_leaves_nothing(answer: Any) -> None:
    assert list(refused(answer=answer)) == ["answer"]


def test_five_mebibytes_of_answer_reach_the_grader() -> None:
    create(answer="a" * 5242880)
    (job,) = queue.claim("python", grader="g")
    assert job.answer == "a" * 5242880


@pytest.mark.parametrize("field", ["student_id", "course_id", "item_id", "item_type"])
@pytest.mark.parametrize("value", [None, "", "NUL\0", "\ud800", "x" * 256, 0.5j], ids=lambda value: ascii(value)[:20])
def test_a_bad_student_item_leaves_nothing(field: str, value: Any) -> None:
    with pytest.raises(api.SubmissionRequestError) as refusal:
        api.create_external_grader_detail(item(**{field: value}), "print(1)", "python", None)
    assert list(refusal.value.field_errors) == [field]
    assert rows() == {}


def test_a_refusal_names_each_field_in_words() -> None:
    with pytest.raises(api.SubmissionRequestError) as refusal:
        create("x" * 129, points_possible=-1)
    assert str(refusal.value) == (
        "queue_name: Ensure this field has no more than 128 characters.; "
        "points_possible: Must be a finite number, 0 or more."
    )
