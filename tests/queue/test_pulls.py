"""What a job remembers of its earlier claims."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from submissions import queue
from submissions.errors import BadReply
from submissions.models import ExternalGraderDetail as Job
from submissions.queue import claim_log
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later, limit

pytestmark = pytest.mark.django_db


def remembered(job: Job) -> list[tuple[str, str, str]]:
    return [(pull.outcome, pull.grader, pull.reason) for pull in claim_log.of(Job.objects.get(pk=job.pk))]


def test_a_job_that_nobody_took_has_none() -> None:
    job = make()
    assert Job.objects.get(pk=job.pk).pulls is None
    assert remembered(job) == []


def test_a_claim_is_remembered_once_it_ended() -> None:
    make()
    job = claim_one(grader="ada")
    assert remembered(job) == []
    queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert remembered(job) == [("completed", "ada", "")]
    row = Job.objects.get(pk=job.pk)
    (pull,) = claim_log.of(row)
    assert (pull.since, pull.until) == (row.pulled_at, row.returned_at)
    queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert len(remembered(job)) == 1


def test_a_life_with_everything_in_it() -> None:
    limit(max_failures=2, backoff_seconds=0)
    make()
    job = claim_one(grader="ada")
    queue.release(job.submission_id, key_of(job))
    job = claim_one(grader="ada")
    queue.release_lease(job.submission_id)
    claim_one(grader="bob")
    later(1000)
    job = claim_one(grader="cyd")
    queue.fail(job.submission_id, key_of(job), reason="no memory")
    queue.retry(job.submission_id)
    job = claim_one(grader="dan")
    queue.retire(job.submission_id, "not needed")
    assert remembered(job) == [
        ("released", "ada", ""),
        ("released", "ada", "Released by an operator."),
        ("lost", "bob", ""),
        ("failed", "cyd", "no memory"),
        ("retried", "", ""),
        ("retired", "dan", "not needed"),
    ]


def test_the_lost_lease_that_was_one_too_many_is_remembered() -> None:
    limit(max_failures=1)
    make()
    job = claim_one(grader="ada")
    later(1000)
    assert queue.claim("q", grader="bob") == []
    assert remembered(job) == [("lost", "ada", "")]


def test_a_failure_that_is_told_twice_is_remembered_once_and_so_is_the_score_that_followed() -> None:
    make()
    job = claim_one(grader="ada")
    queue.fail(job.submission_id, key_of(job), reason="first")
    with pytest.raises(BadReply):
        queue.complete(job.submission_id, key_of(job), score=7, reply="{}")
    queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert remembered(job) == [("failed", "ada", "first"), ("completed", "ada", "")]


def test_what_was_superseded_or_retired_while_it_waited_names_no_grader() -> None:
    limit(supersede=True)
    older = make(student="s")
    newer = make(student="s")
    assert remembered(older) == [("retired", "", f"Superseded by submission {newer.submission_id}.")]


def test_the_newest_are_kept_and_reasons_are_short() -> None:
    limit(max_failures=1000, backoff_seconds=0)
    job = make()
    for number in range(53):
        job = claim_one(grader="ada")
        queue.fail(job.submission_id, key_of(job), reason=f"{number} é 😀 " + "x" * 5000)
        Job.objects.filter(pk=job.pk).update(available_at=job.created_at - timedelta(hours=1), num_failures=0)
    kept = remembered(job)
    assert len(kept) == 50
    assert [kept[0][2][:2], kept[-1][2][:2]] == ["3 ", "52"]
    assert {len(reason) for _, _, reason in kept} == {200}


@pytest.mark.parametrize("broken", ["", "no json", "null", "7", '{"a": 1}', '["x", null, {}, {"until": "2026-99-99"}]'])
def test_what_cannot_be_read_stops_nothing(broken: str) -> None:
    make()
    job = claim_one(grader="ada")
    Job.objects.update(pulls=broken)
    queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert remembered(job) == [("completed", "ada", "")]


def test_the_column_is_json_in_ascii() -> None:
    make()
    job = claim_one(grader="adá")
    queue.fail(job.submission_id, key_of(job), reason="ü")
    kept = Job.objects.values_list("pulls", flat=True).get()
    assert kept is not None
    assert kept.isascii()
    (entry,) = json.loads(kept)
    assert sorted(entry) == ["from", "grader", "outcome", "reason", "until"]
    assert entry["until"].endswith("+00:00")
