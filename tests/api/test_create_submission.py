from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from submissions import api
from submissions.models import StudentItem, Submission, TeamSubmission
from tests.api.conftest import item, rows

pytestmark = pytest.mark.django_db


def refused(fields: object, answer: Any = "an answer", **rest: Any) -> dict[str, Any]:
    """The field errors with which the API refuses this; no row is left."""
    with pytest.raises(api.SubmissionRequestError) as refusal:
        api.create_submission(fields, answer, **rest)  # type: ignore[arg-type]
    assert rows() == {}
    return refusal.value.field_errors


def test_it_returns_what_was_kept() -> None:
    made = api.create_submission(item(), "this is my answer!", datetime(2024, 3, 1, 10, 0, 0, 123456, tzinfo=UTC))
    row = Submission.objects.get()
    assert made == {
        "uuid": str(row.uuid),
        "student_item": StudentItem.objects.get(student_id="Tim").pk,
        "attempt_number": 1,
        "submitted_at": datetime(2024, 3, 1, 10, 0, 0, 123456, tzinfo=UTC),
        "created_at": row.created_at,
        "answer": "this is my answer!",
        "team_submission_uuid": None,
    }


ANSWERS = [
    "print('hé ☃ \U0001f40d')",
    "",
    "NUL \0 in it",
    "a lone surrogate: \ud800",
    "1",
    '{"looks": "like JSON"}',
    {"text": "foobar", "Ümläut ☃": [1, 2.5, None, True, {"deep": []}]},
    [],
    0,
    1.5,
    False,
]


@pytest.mark.parametrize("answer", ANSWERS, ids=ascii)
def test_every_json_answer_comes_back_as_it_went_in(answer: Any) -> None:
    uuid = api.create_submission(item(), answer)["uuid"]
    kept = api.get_submission(uuid)["answer"]
    assert (kept, type(kept)) == (answer, type(answer))


def test_the_column_holds_ascii_as_edx_submissions_writes_it() -> None:
    api.create_submission(item(), {"a": "é☃"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT raw_answer FROM submissions_submission")
        assert cursor.fetchone() == ('{"a": "\\u00e9\\u2603"}',)


@pytest.mark.parametrize("answer", [None, datetime(2024, 3, 1, tzinfo=UTC), object(), {1, 2}, b"bytes", float("nan")])
def test_an_answer_that_is_not_json_is_refused(answer: Any) -> None:
    assert list(refused(item(), answer)) == ["answer"]


def test_an_answer_nested_too_deep_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert list(refused(item(), deep)) == ["answer"]


def test_five_mebibytes_are_taken_and_one_byte_more_is_refused() -> None:
    errors = refused(item(), "a" * 5242881)
    assert errors == {"answer": ["Maximum answer size exceeded: 5242881 bytes, where 5242880 are allowed."]}
    uuid = api.create_submission(item(), "a" * 5242880)["uuid"]
    assert len(Submission.objects.get(uuid=uuid).answer) == 5242880


@pytest.mark.parametrize("longest", ["12345678", "éééé", "☃☃12", "\U0001f40d\U0001f40d"])
def test_the_size_is_counted_in_bytes_of_utf_8(longest: str, settings: Settings) -> None:
    settings.SUBMISSIONS_ANSWER_MAX_BYTES = 8
    errors = refused(item(), longest + "3")
    assert errors == {"answer": ["Maximum answer size exceeded: 9 bytes, where 8 are allowed."]}
    assert api.create_submission(item(), longest)["answer"] == longest


def test_an_answer_that_is_no_text_is_measured_as_its_json(settings: Settings) -> None:
    settings.SUBMISSIONS_ANSWER_MAX_BYTES = 11
    assert api.create_submission(item(), {"a": "12"})["answer"] == {"a": "12"}
    with pytest.raises(api.SubmissionRequestError, match="Maximum answer size exceeded: 12 bytes, where 11 are"):
        api.create_submission(item(), {"a": "123"})


# Attempts. ----------------------------------------------------------------------------------------------------------


def test_attempts_count_on_for_each_learner_and_item() -> None:
    numbers = [api.create_submission(item(), "x")["attempt_number"] for _ in range(3)]
    assert numbers == [1, 2, 3]
    assert api.create_submission(item(student_id="Alice"), "x")["attempt_number"] == 1
    assert api.create_submission(item(item_id="item_two"), "x")["attempt_number"] == 1
    assert api.create_submission(item(course_id="Other"), "x")["attempt_number"] == 1


def test_attempts_count_on_from_the_newest_by_time() -> None:
    api.create_submission(item(), "x", datetime(2024, 1, 1, tzinfo=UTC), attempt_number=8)
    api.create_submission(item(), "x", datetime(2023, 1, 1, tzinfo=UTC), attempt_number=30)
    assert api.create_submission(item(), "x")["attempt_number"] == 9


def test_an_attempt_number_can_be_given() -> None:
    assert api.create_submission(item(), "x", None, 2)["attempt_number"] == 2
    assert api.create_submission(item(), "x", attempt_number=0)["attempt_number"] == 0


@pytest.mark.parametrize("number", [-1, 2**31, "two", 1.5, [1]])
def test_a_bad_attempt_number_is_refused(number: Any) -> None:
    with pytest.raises(api.SubmissionRequestError) as refusal:
        api.create_submission(item(), "x", None, number)
    assert list(refusal.value.field_errors) == ["attempt_number"]
    assert Submission.objects.count() == 0


def test_a_bad_time_is_refused() -> None:
    with pytest.raises(api.SubmissionRequestError) as refusal:
        api.create_submission(item(), "x", "yesterday")  # type: ignore[arg-type]
    assert list(refusal.value.field_errors) == ["submitted_at"]


# Student items. -----------------------------------------------------------------------------------------------------

FINE = [
    item(),
    item(student_id="学生", course_id="漢字", item_id="这是中国", item_type="窥视"),
    item(student_id="x" * 255, course_id="y" * 255, item_id="z" * 255, item_type="t" * 100),
    item(student_id="'; DROP TABLE submissions_submission; --", item_id="<script>alert(1)</script>"),
    item(student_id="\U0001f40d"),
]


@pytest.mark.parametrize("fields", FINE, ids=["plain", "Chinese", "longest", "SQL and HTML", "emoji"])
def test_all_kinds_of_student_items_are_kept(fields: dict[str, Any]) -> None:
    made = api.create_submission(fields, "x")
    assert StudentItem.objects.get(pk=made["student_item"]).student_item_dict == fields
    assert api.get_submissions(fields) == [made]


FIELDS = ["student_id", "course_id", "item_id", "item_type"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_refused(field: str) -> None:
    fields = item()
    del fields[field]
    assert list(refused(fields)) == [field]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "value", [None, "", "   ", "NUL\0", "surrogate \udfff", "x" * 256, ["x"], {"x": 1}, True], ids=ascii
)
def test_a_bad_field_is_refused(field: str, value: Any) -> None:
    assert list(refused(item(**{field: value}))) == [field]


def test_no_fields_at_all_are_refused() -> None:
    assert sorted(refused({})) == ["course_id", "item_id", "item_type", "student_id"]


@pytest.mark.parametrize("fields", [None, "Tim", 5, ["student_id"]])
def test_a_student_item_that_is_no_mapping_is_refused(fields: Any) -> None:
    assert refused(fields) == {}


def test_a_known_item_of_another_type_is_refused() -> None:
    api.create_submission(item(), "x")
    with pytest.raises(api.SubmissionRequestError) as refusal:
        api.create_submission(item(item_type="problem"), "x")
    assert refusal.value.field_errors == {"item_type": ["The item is known as 'Peer_Submission', not as 'problem'."]}
    assert Submission.objects.count() == 1


def test_a_known_item_needs_no_type() -> None:
    first = api.create_submission(item(), "x")
    fields = item()
    del fields["item_type"]
    assert api.create_submission(fields, "y")["student_item"] == first["student_item"]


class Key:
    """Like an opaque key of Open edX: an object whose text names a course or a block."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


def test_an_opaque_key_names_a_known_item_and_makes_none() -> None:
    known = api.create_submission(item(course_id="c", item_id="i"), "x")
    keys: Any = item(course_id=Key("c"), item_id=Key("i"))
    again = api.create_submission(keys, "y")
    assert (again["student_item"], again["attempt_number"]) == (known["student_item"], 2)
    assert [row["answer"] for row in api.get_submissions(keys)] == ["y", "x"]
    with pytest.raises(api.SubmissionRequestError) as refusal:
        api.create_submission(item(course_id=Key("other")), "x")
    assert list(refusal.value.field_errors) == ["course_id"]


def test_spaces_around_a_field_do_not_make_another_item() -> None:
    padded = item(student_id=" Tim ", item_type=" Peer_Submission ")
    items = {api.create_submission(fields, "x")["student_item"] for fields in (padded, item(), padded)}
    assert len(items) == 1
    assert StudentItem.objects.get().student_item_dict == item()


# Teams. -------------------------------------------------------------------------------------------------------------


def test_a_submission_can_belong_to_a_teams_one() -> None:
    team = TeamSubmission.objects.create(course_id="c", item_id="i", team_id="t", attempt_number=1)
    made = api.create_submission(item(), "ours", team_submission=team)
    assert made["team_submission_uuid"] == team.uuid
    assert team.submissions.get().answer == "ours"


def test_a_teams_submission_that_was_never_saved_is_refused() -> None:
    team = TeamSubmission(course_id="c", item_id="i", team_id="t", attempt_number=1)
    assert list(refused(item(), team_submission=team)) == ["team_submission_uuid"]
