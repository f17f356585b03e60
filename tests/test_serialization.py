"""What `dumpdata` writes, `loaddata` reads: the same rows of every table of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import connection, models
from hypothesis import given
from hypothesis import strategies as st

from submissions.models import (
    BrokenJSON,
    ClaimEnd,
    ClaimNote,
    ClaimRequest,
    Delivery,
    DeliveryHost,
    DepthSample,
    DrainedGrader,
    ExternalGraderDetail,
    GraderQueue,
    GraderSighting,
    LoginCounter,
    MovedJob,
    Notice,
    NoticeTurn,
    OperatorMove,
    QueueMinute,
    QueueTotal,
    RollUp,
    Score,
    ScoreAnnotation,
    StudentItem,
    Submission,
    SubmissionFile,
    SubmitRequest,
    Subscription,
    Tally,
    TeamSubmission,
    Token,
)

pytestmark = pytest.mark.django_db

# Fixtures have times to the millisecond.
NOW = datetime(2024, 3, 1, 10, 7, 3, 123000, tzinfo=UTC)

ANSWERS: list[Any] = [
    "print('hé ☃')",
    "",
    "5",
    "null",
    '{"a": 1}',
    '"quoted"',
    " with space",
    "NUL \0 and half \ud800",
    {"text": "日本語 \U0001f40d", "n": [1, 2.5, None, True]},
    [],
    {},
    5,
    2.5,
    10**30,
    True,
    None,
]


def fill() -> None:
    """A row, or some, in each table."""
    user = User.objects.create(username="ada")
    item = StudentItem.objects.create(student_id="s", course_id="c", item_id="i", item_type="t")
    team = TeamSubmission.objects.create(
        course_id="c", item_id="i", team_id="t", attempt_number=1, submitted_by=user, submitted_at=NOW, created=NOW
    )
    TeamSubmission._objects.update(modified=NOW)
    times: dict[str, Any] = {"submitted_at": NOW, "created_at": NOW, "student_item": item}
    made = [
        Submission.objects.create(answer=answer, attempt_number=number, **times)
        for number, answer in enumerate(ANSWERS)
    ]
    Submission.objects.create(answer="gone", attempt_number=99, status="D", team_submission=team, **times)
    job = ExternalGraderDetail.objects.create(
        submission=made[0], queue_name="q", status_time=NOW, created_at=NOW, available_at=NOW, grader_payload='{"a": 1}'
    )
    ended = {"status": "retired", "pullkey": "k", "grader_reply": '{"score": "1"}', "pulls": "[]", "num_pulls": 3}
    ExternalGraderDetail.objects.create(
        submission=made[1], queue_name="q", status_time=NOW, created_at=NOW, available_at=None, **ended
    )
    SubmissionFile.objects.create(external_grader=job, file="q/a", original_filename='pä ck".bin', created_at=NOW)
    score = Score.objects.create(
        student_item=item, submission=made[0], points_earned=2.5, points_possible=10, created_at=NOW
    )
    ScoreAnnotation.objects.create(score=score, annotation_type="staff", creator="bob", reason="☃ {}")
    queue = GraderQueue.objects.create(name="q", lease_seconds=7, last_polled_at=NOW, webhook_secrets="whsec_eA==")
    queue.graders.add(user)
    GraderSighting.objects.create(queue=queue, grader="ada", seen_at=NOW)
    Delivery.objects.create(job=job, transport="callback", destination="https://a.b/c", header="{}", points=1.5)
    DrainedGrader.objects.create(grader="ada", since=NOW, by="bob")
    DeliveryHost.objects.create(host="a.b", failures=2, held_until=NOW)
    ClaimEnd.objects.create(queue_name="q", grader="ada", outcome="lost", submission_id=1, at=NOW)
    QueueMinute.objects.create(queue_name="q", minute=NOW, arrived=3, waits='{"1": 2}')
    QueueTotal.objects.create(queue_name="q", arrived=3, counted_at=NOW)
    DepthSample.objects.create(queue_name="q", minute=29_000_000, waiting=3)
    RollUp.objects.create(until=NOW, checked=NOW)
    LoginCounter.objects.create(key="k", failures=1, seen_at=NOW)
    Tally.objects.create(name="n", value=2**40)
    ClaimNote.objects.create(job=job, claim_id=UUID(int=7), progress=0.5, phase="tests", worker='{"name": "w"}')
    ClaimRequest.objects.create(request_key="a" * 64, digest="b" * 64, claim_ids=str(UUID(int=7)), created_at=NOW)
    SubmitRequest.objects.create(job=job, account="ada", request_key="c" * 64, digest="d" * 64)
    Token.objects.create(
        public_id="abcdefgh", secret_hash="e" * 64, account=user, scopes="claim", queue_patterns="*", created_at=NOW
    )
    move = OperatorMove.objects.create(
        at=NOW, actor="ada", door="admin", move="retry", queue_name="q", number=1, group=UUID(int=8)
    )
    MovedJob.objects.create(move=move, submission_id=1, delivery_id=2, at=NOW)
    told = Subscription.objects.create(account=user, queue=queue, channel="webhook", quiet_from="22:00")
    Notice.objects.create(subscription=told, queue_name="q", kind="red", sentence="1 job waiting", since=NOW)
    NoticeTurn.objects.create(until=NOW)
    with connection.cursor() as cursor:
        spoil = "UPDATE submissions_submission SET raw_answer = %s WHERE attempt_number = %s"
        cursor.execute(spoil, ["print('ß') }", 0])


def stored() -> dict[str, list[Any]]:
    """Every row of every table of ours, as the database has it."""
    tables: dict[str, list[Any]] = {}
    with connection.cursor() as cursor:
        for model in every_model():
            # What links two tables has no id of its own in a fixture.
            fields = [one for one in model._meta.concrete_fields if not (model._meta.auto_created and one.primary_key)]
            columns = ", ".join(connection.ops.quote_name(str(one.column)) for one in fields)
            cursor.execute(f"SELECT {columns} FROM {model._meta.db_table} ORDER BY {model._meta.pk.column}")
            tables[model._meta.db_table] = list(cursor.fetchall())
    return tables


def every_model() -> list[type[models.Model]]:
    return list(apps.get_app_config("submissions").get_models(include_auto_created=True))


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_every_table_comes_back_as_it_was(form: str, tmp_path: Path) -> None:
    fill()
    before = stored()
    assert [table for table, rows in before.items() if not rows] == [
        "submissions_graderqueue_observers",
        "submissions_graderqueue_submitters",
    ]
    fixture = str(tmp_path / f"all.{form}")
    call_command("dumpdata", "submissions", use_base_manager=True, format=form, output=fixture, verbosity=0)
    for model in reversed(every_model()):
        model._base_manager.all().delete()
    call_command("loaddata", fixture, verbosity=0)
    assert stored() == before


def test_a_row_is_read_over_itself(tmp_path: Path) -> None:
    fill()
    before = stored()
    call_command("dumpdata", "submissions", use_base_manager=True, output=str(tmp_path / "a.json"), verbosity=0)
    call_command("loaddata", str(tmp_path / "a.json"), verbosity=0)
    assert stored() == before


def written(answer: Any) -> Any:
    (row,) = json.loads(serializers.serialize("json", [Submission(answer=answer)], fields=["answer"]))
    return row["fields"]["answer"]


def read(value: object) -> Any:
    rows = [{"model": "submissions.submission", "fields": {"answer": value}}]
    (loaded,) = serializers.deserialize("json", json.dumps(rows))
    row: Any = loaded.object
    return row.answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("print(1)", '"print(1)"'),
        ({"a": [1, "☃"]}, '{"a": [1, "\\u2603"]}'),
        (5, 5),
        (True, True),
        (None, None),
        (BrokenJSON("print('ß') }"), " \"print('\\u00df') }\""),
    ],
)
def test_the_form_is_edx_submissions_own(answer: object, expected: object) -> None:
    assert written(answer) == expected


ANSWER = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(ANSWER)
def test_any_answer_is_its_own_again(answer: Any) -> None:
    again = read(written(answer))
    assert (again, type(again)) == (answer, type(answer))


@given(st.text())
def test_what_is_no_json_is_its_own_again(text: str) -> None:
    again = read(written(BrokenJSON(text)))
    assert (again, type(again)) == (text, BrokenJSON)


@pytest.mark.parametrize("value", ["}", "", "print(1)", "[" * 100_000])
def test_a_fixture_that_is_no_json_is_refused(value: str) -> None:
    with pytest.raises(DeserializationError):
        read(value)


def test_a_row_is_checked_as_it_is() -> None:
    """A learner's text is no JSON to be read, however much it looks like some."""
    item = StudentItem.objects.create(student_id="s", course_id="c", item_id="i", item_type="t")
    answers: list[Any] = ["5", "}", {"a": 1}]
    for answer in answers:
        row = Submission(student_item=item, attempt_number=1, answer=answer)
        row.full_clean()
        assert row.answer == answer
    with pytest.raises(ValidationError):
        Submission(student_item=item, answer="x").full_clean()


def test_a_broken_answer_stays_what_it_is_when_its_row_is_saved() -> None:
    fill()
    row = Submission.objects.get(attempt_number=0)
    assert isinstance(row.answer, BrokenJSON)
    row.save()
    with connection.cursor() as cursor:
        cursor.execute("SELECT raw_answer FROM submissions_submission WHERE attempt_number = 0")
        assert cursor.fetchone() == ("print('ß') }",)
