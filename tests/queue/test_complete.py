"""Results: what becomes the score, what is refused, what is remembered."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from submissions import api, queue
from submissions.errors import AlreadyGraded, BadReply, LeaseLost, UnknownJob
from submissions.models import DELETED, Delivery, Score, ScoreSummary, Submission
from submissions.models import ExternalGraderDetail as Job
from submissions.signals import score_set
from tests.make import make
from tests.queue.jobs import claim_one, key_of, limit

pytestmark = pytest.mark.django_db


def graded(score: object, *, possible: float = 1, meaning: str = "ratio") -> Any:
    limit(score_meaning=meaning)
    make(points_possible=possible)
    job = claim_one()
    queue.complete(job.submission_id, key_of(job), score=score, reply="{}")
    return Score.objects.get().points_earned


@pytest.mark.parametrize(
    ("score", "possible", "points"),
    [
        (0, 1, 0),
        (1, 1, 1),
        (1.0, 10, 10),
        (0.5, 1, 0.5),
        (0.7, 10, 7),
        (0.07, 100, 7),
        (0.29, 100, 29),
        (0.875, 4, 3.5),
        (0.25, 10, 2.5),
        (1 / 3, 1, 0.3333333333333333),
        (1e-9, 1, 1e-09),
        (0.5, 2.5, 1.25),
    ],
)
def test_a_ratio_becomes_points_and_fractions_are_kept(score: float, possible: float, points: float) -> None:
    assert graded(score, possible=possible) == points


@pytest.mark.parametrize(("score", "possible"), [(0, 10), (7, 10), (7.5, 10), (10, 10), (0.1, 1)])
def test_in_a_points_queue_the_score_is_taken_as_it_is(score: float, possible: float) -> None:
    assert graded(score, possible=possible, meaning="points") == score


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (True, "The score must be a number, not true."),
        (None, "The score must be a number, not null."),
        ("0.5", "The score must be a number, not '0.5'."),
        ([1], "The score must be a number, not [1]."),
        (float("nan"), "The score must be between 0 and 1, not nan."),
        (float("inf"), "The score must be between 0 and 1, not inf."),
        (-0.1, "The score must be between 0 and 1, not -0.1."),
        (1.01, "The score must be between 0 and 1, not 1.01."),
        (10**400, None),
    ],
)
def test_what_is_no_score_is_the_graders_failure_and_is_kept(score: object, reason: str | None) -> None:
    make()
    job = claim_one()
    with pytest.raises(BadReply) as refusal:
        queue.complete(job.submission_id, key_of(job), score=score, reply="as sent")
    assert reason is None or str(refusal.value) == reason
    row = Job.objects.get(pk=job.pk)
    assert (row.status, row.num_failures, row.grader_reply, row.last_error) == (
        "retry",
        1,
        "as sent",
        str(refusal.value),
    )
    assert not Score.objects.exists()


def test_an_unusable_score_is_counted_once_per_claim_and_the_key_may_still_bring_a_right_one() -> None:
    make()
    job = claim_one()
    for _ in range(7):
        with pytest.raises(BadReply):
            queue.complete(job.submission_id, key_of(job), score=2, reply="2")
    assert Job.objects.get(pk=job.pk).num_failures == 1
    queue.complete(job.submission_id, key_of(job), score=1, reply="1")
    row = Job.objects.get(pk=job.pk)
    assert (row.status, row.num_failures, row.grader_reply, row.last_error) == ("retired", 1, "1", None)


def test_points_above_the_maximum_are_refused() -> None:
    limit(score_meaning="points")
    make(points_possible=10)
    job = claim_one()
    with pytest.raises(BadReply, match=r"The score must be between 0 and 10, not 10.5\."):
        queue.complete(job.submission_id, key_of(job), score=10.5, reply="{}")


def test_the_same_result_twice_is_one_result() -> None:
    make()
    job = claim_one()
    queue.complete(job.submission_id, key_of(job), score=1, reply='{"score": 1, "msg": "a"}')
    queue.complete(job.submission_id, key_of(job), score=1, reply='{"score": 1, "msg": "a"}')
    queue.complete(job.submission_id, key_of(job), score=1, reply='{"msg":"a","score":1}')
    assert Score.objects.count() == 1
    with pytest.raises(AlreadyGraded):
        queue.complete(job.submission_id, key_of(job), score=0, reply='{"score": 0, "msg": "a"}')
    assert Score.objects.get().points_earned == 1


@pytest.mark.parametrize("key", ["", "x", "\ud800", "é" * 50])
def test_a_wrong_key_changes_nothing(key: str) -> None:
    make()
    job = claim_one()
    before = Job.objects.filter(pk=job.pk).values().get()
    with pytest.raises(LeaseLost):
        queue.complete(job.submission_id, key, score=1, reply="{}")
    assert Job.objects.filter(pk=job.pk).values().get() == before


def test_an_unknown_submission_is_refused() -> None:
    with pytest.raises(UnknownJob):
        queue.complete(123456, "key", score=1, reply="{}")


def test_a_result_for_a_deleted_submission_is_refused_and_its_job_retired() -> None:
    make()
    job = claim_one()
    Submission.objects.filter(pk=job.submission_id).update(status=DELETED)
    with pytest.raises(LeaseLost):
        queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    row = Job.objects.get(pk=job.pk)
    assert (row.status, row.last_error) == ("retired", "The submission was deleted.")


def test_results_in_the_wrong_order_leave_the_newer_attempts_score_as_the_latest() -> None:
    item = {"student_id": "s", "course_id": "c", "item_id": "item", "item_type": "problem"}
    make(student="s")
    make(student="s")
    older, newer = claim_one(), claim_one()
    queue.complete(newer.submission_id, key_of(newer), score=0.25, reply="{}")
    queue.complete(older.submission_id, key_of(older), score=0.75, reply="{}")
    latest = api.get_score(item)
    assert latest is not None
    assert (latest["points_earned"], latest["submission_uuid"]) == (0.25, str(newer.submission.uuid))
    summary = ScoreSummary.objects.get()
    assert (summary.latest.points_earned, summary.highest.points_earned) == (0.25, 0.75)


def test_a_score_that_a_person_sets_on_an_older_attempt_is_the_latest() -> None:
    make(student="s")
    make(student="s")
    older, newer = claim_one(), claim_one()
    queue.complete(newer.submission_id, key_of(newer), score=0.25, reply="{}")
    api.set_score(older.submission.uuid, 1, 1, "staff", "staff_override", "appeal")
    assert ScoreSummary.objects.get().latest.submission_id == older.submission_id


@pytest.mark.django_db(transaction=True)
def test_score_set_is_sent_after_the_commit_and_a_listener_that_raises_undoes_nothing() -> None:
    make(student="s", points_possible=10)
    job = claim_one()
    heard: list[dict[str, Any]] = []

    def listener(sender: object, **facts: Any) -> None:
        facts.pop("signal")
        heard.append(facts | {"inside": transaction.get_connection().in_atomic_block})
        raise RuntimeError("the platform is down")

    score_set.connect(listener)
    try:
        queue.complete(job.submission_id, key_of(job), score=0.7, reply="{}")
    finally:
        score_set.disconnect(listener)
    score = Score.objects.get()
    assert heard == [
        {
            "points_possible": 10,
            "points_earned": 7,
            "anonymous_user_id": "s",
            "course_id": "c",
            "item_id": "item",
            "created_at": score.created_at,
            "inside": False,
        }
    ]
    assert Job.objects.get(pk=job.pk).status == "retired"


def test_a_result_makes_the_jobs_deliveries_due() -> None:
    job = make()
    Delivery.objects.create(job=job, transport="callback", destination="https://platform.example/")
    claimed = claim_one()
    queue.fail(job.submission_id, key_of(claimed), reason="broke")
    assert Delivery.objects.get().state == "waiting"
    queue.complete(job.submission_id, key_of(claimed), score=1, reply="{}")
    delivery = Delivery.objects.get()
    assert delivery.state == "due"
    assert delivery.due_at is not None


def test_superseding_retires_the_older_waiting_jobs_of_that_learner_and_item_only() -> None:
    limit(supersede=True)
    pulled = make(student="s")
    claim_one()
    waiting, other_item, other_student = make(student="s"), make(student="s", item="b"), make(student="t")
    newest = make(student="s")
    states = dict(Job.objects.values_list("pk", "status"))
    assert states == {
        pulled.pk: "pulled",
        waiting.pk: "retired",
        other_item.pk: "pending",
        other_student.pk: "pending",
        newest.pk: "pending",
    }
    assert Job.objects.get(pk=waiting.pk).last_error == f"Superseded by submission {newest.submission_id}."


def test_without_the_queues_word_nothing_is_superseded() -> None:
    make(student="s")
    make(student="s")
    assert list(Job.objects.values_list("status", flat=True)) == ["pending", "pending"]
