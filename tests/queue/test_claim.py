"""Who is next, for how long, and with which key."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from submissions import queue
from submissions.errors import LeaseLost, UnknownQueue
from submissions.models import DELETED, GraderQueue, GraderSighting, Score, Submission
from submissions.models import ExternalGraderDetail as Job
from submissions.queue import batch
from submissions.queue.fast import window
from submissions.queue.line import BEGINNING
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later, limit

pytestmark = pytest.mark.django_db


def test_jobs_come_in_the_order_in_which_they_were_enqueued() -> None:
    ids = [make().submission_id for _ in range(5)]
    assert [claim_one().submission_id for _ in range(5)] == ids


def test_several_are_claimed_at_once_and_no_more_than_there_are() -> None:
    ids = [make().submission_id for _ in range(3)]
    assert [job.submission_id for job in queue.claim("q", grader="g", limit=2)] == ids[:2]
    assert [job.submission_id for job in queue.claim("q", grader="g", limit=5)] == ids[2:]
    assert queue.claim("q", grader="g") == []


@pytest.mark.django_db(transaction=True)
def test_a_job_that_came_while_the_clock_stood_in_1970_is_handed_out(name: str) -> None:
    job = make(name)
    Job.objects.filter(pk=job.pk).update(available_at=datetime(1970, 1, 1, 0, 5, tzinfo=UTC))
    assert queue.waiting_since([name]) == {name: datetime(1970, 1, 1, 0, 5, tzinfo=UTC)}
    assert [one.pk for one in queue.claim(name, grader="g")] == [job.pk]


def test_a_claim_looks_at_its_own_queue_only() -> None:
    make("other")
    assert queue.claim("q", grader="g") == []


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_was_found_empty_hands_out_what_comes_next() -> None:
    for _ in range(3):
        assert queue.claim("q", grader="g") == []
    ids = [make().submission_id for _ in range(2)]
    assert [claim_one().submission_id for _ in range(2)] == ids
    assert queue.claim("q", grader="g") == []
    assert queue.claim("q", grader="g") == []


def looks(asked: CaptureQueriesContext) -> int:
    """How often a job was looked for without a lock."""
    statements = [one["sql"] for one in asked.captured_queries]
    return sum("externalgraderdetail" in one and one.endswith("LIMIT 1") for one in statements)


@pytest.mark.django_db(transaction=True)
def test_a_claim_of_several_looks_before_it_locks_only_where_the_last_one_found_nothing(name: str) -> None:
    make(name)
    make(name)
    with CaptureQueriesContext(connection) as with_jobs:
        assert len(queue.claim(name, grader="g", limit=4)) == 2
    assert queue.claim(name, grader="g", limit=4) == []
    with CaptureQueriesContext(connection) as empty:
        assert queue.claim(name, grader="g", limit=4) == []
    assert [looks(with_jobs), looks(empty)] == [0, 1]
    make(name)
    assert len(queue.claim(name, grader="g", limit=4)) == 1


def test_a_claim_writes_down_grader_time_pulls_and_a_key_of_its_own() -> None:
    make()
    make()
    first, second = queue.claim("q", grader="grader-1", limit=2)
    row = Job.objects.get(pk=first.pk)
    assert (row.grader, row.num_pulls, row.num_failures, row.last_error) == ("grader-1", 1, 0, None)
    assert row.pulled_at is not None
    assert row.available_at == row.pulled_at + timedelta(seconds=300)
    assert len(key_of(first)) == 43
    assert key_of(first) != key_of(second)


def test_the_lease_is_the_queues_own_where_it_has_one() -> None:
    limit(lease_seconds=20)
    make()
    job = Job.objects.get(pk=claim_one().pk)
    assert job.available_at is not None
    assert job.pulled_at is not None
    assert (job.available_at - job.pulled_at).total_seconds() == 20


@pytest.mark.django_db(transaction=True)
def test_each_of_many_claims_holds_for_the_whole_lease() -> None:
    for _ in range(60):
        make()
    for _ in range(60):
        job = claim_one()
        assert job.available_at is not None
        assert job.pulled_at is not None
        assert (job.available_at - job.pulled_at).total_seconds() == 300


def test_nobody_gets_a_job_whose_lease_runs() -> None:
    make()
    claim_one()
    later(290)
    assert queue.claim("q", grader="other") == []


def test_a_lease_that_ran_out_is_handed_on_with_a_new_key_and_the_old_one_is_refused() -> None:
    job = make(points_possible=4)
    first = claim_one(grader="first")
    later(301)
    second = claim_one(grader="second")
    assert second.submission_id == job.submission_id
    assert key_of(second) != key_of(first)
    with pytest.raises(LeaseLost):
        queue.complete(job.submission_id, key_of(first), score=1, reply="{}")
    row = Job.objects.get(pk=job.pk)
    assert (row.status, row.grader, row.num_pulls, row.num_failures) == ("pulled", "second", 2, 1)
    assert row.last_error == "first took the job and let the lease run out."
    queue.complete(job.submission_id, key_of(second), score=0.25, reply="{}")
    assert Score.objects.get().points_earned == 1


def test_a_job_whose_lease_ran_out_stands_behind_those_that_waited_meanwhile() -> None:
    lost, waiting = make(), make()
    claim_one()
    later(301)
    assert [claim_one().submission_id, claim_one().submission_id] == [waiting.submission_id, lost.submission_id]


def test_a_poison_job_ends_as_failed_and_the_others_are_handed_out_meanwhile() -> None:
    limit(max_failures=2)
    poison, healthy = make(), make()
    claim_one()
    later(301)
    assert [job.submission_id for job in queue.claim("q", grader="g", limit=2)] == [
        healthy.submission_id,
        poison.submission_id,
    ]
    later(301, pk=poison.pk)
    assert queue.claim("q", grader="g") == []
    row = Job.objects.get(pk=poison.pk)
    assert (row.status, row.num_failures, row.available_at, row.pullkey) == ("failed", 2, None, None)


def test_many_poison_jobs_do_not_hide_the_healthy_one_behind_them() -> None:
    limit(max_failures=1)
    for _ in range(5):
        make()
        claim_one()
    later(301)
    healthy = make()
    assert [job.submission_id for job in queue.claim("q", grader="g")] == [healthy.submission_id]


def test_the_pause_after_a_failure_doubles_up_to_its_ceiling() -> None:
    limit(max_failures=9, backoff_seconds=100)
    job = make()
    pauses = []
    for _ in range(4):
        queue.fail(job.submission_id, key_of(claim_one()), reason="broke")
        row = Job.objects.get(pk=job.pk)
        assert row.available_at is not None
        assert row.returned_at is not None
        pauses.append((row.available_at - row.returned_at).total_seconds())
        later(pauses[-1] + 1)
    assert pauses == [100, 200, 300, 300]


def test_a_released_job_is_due_at_once_and_nothing_is_counted() -> None:
    job = make()
    queue.release(job.submission_id, key_of(claim_one()))
    again = claim_one()
    assert (again.submission_id, again.num_failures, again.num_pulls) == (job.submission_id, 0, 2)


def test_a_paused_queue_hands_out_nothing() -> None:
    make()
    limit(paused=True)
    assert queue.claim("q", grader="g") == []
    assert queue.depth("q") == 0
    limit(paused=False)
    assert queue.depth("q") == 1
    claim_one()


def test_a_new_job_waits_for_the_queues_initial_delay() -> None:
    limit(initial_delay_seconds=60)
    make()
    assert queue.claim("q", grader="g") == []
    later(61)
    claim_one()


def test_the_jobs_of_deleted_submissions_are_retired_instead_of_handed_out() -> None:
    deleted, kept = make(), make()
    Submission.objects.filter(pk=deleted.submission_id).update(status=DELETED)
    assert [job.submission_id for job in queue.claim("q", grader="g", limit=2)] == [kept.submission_id]
    row = Job.objects.get(pk=deleted.pk)
    assert (row.status, row.last_error) == ("retired", "The submission was deleted.")


def test_finished_rows_that_an_old_package_left_due_are_not_handed_out() -> None:
    job = make()
    Job.objects.filter(pk=job.pk).update(status="retired")
    assert queue.claim("q", grader="g") == []
    assert Job.objects.get(pk=job.pk).available_at is None


def test_depth_counts_what_a_claim_would_find_now() -> None:
    make()
    make()
    assert queue.depth("q") == 2
    job = claim_one()
    assert queue.depth("q") == 1
    queue.fail(job.submission_id, key_of(job), reason="broke")
    assert queue.depth("q") == 1
    later(301)
    assert queue.depth("q") == 2
    with pytest.raises(UnknownQueue):
        queue.depth("nobody-knows")


def test_grants_decide_who_may_pull_and_what_they_learn() -> None:
    account = get_user_model().objects.create_user("mine")
    limit("granted").graders.add(account)
    make("granted")
    make("open")
    assert queue.names_for("mine") == ["granted", "open"]
    assert queue.names_for("stranger") == ["open"]
    with pytest.raises(UnknownQueue):
        queue.claim("granted", grader="stranger")
    with pytest.raises(UnknownQueue):
        queue.depth("granted", grader="stranger")
    assert len(queue.claim("granted", grader="mine")) == 1


def test_an_unknown_queue_looks_empty_unless_the_registry_is_strict() -> None:
    assert queue.claim("typo", grader="g") == []
    with override_settings(SUBMISSIONS_STRICT_QUEUES=True), pytest.raises(UnknownQueue):
        queue.claim("typo", grader="g")
    assert not GraderQueue.objects.filter(name="typo").exists()


def test_the_queue_remembers_who_polled_it_and_does_not_write_that_with_every_poll() -> None:
    limit()
    queue.claim("q", grader="first")
    row = GraderQueue.objects.get()
    assert row.last_polled_by == "first"
    queue.claim("q", grader="second")
    assert GraderQueue.objects.get().last_polled_by == "first"
    assert row.last_polled_at is not None
    GraderQueue.objects.update(last_polled_at=row.last_polled_at - timedelta(seconds=11))
    queue.claim("q", grader="third")
    assert GraderQueue.objects.get().last_polled_by == "third"


def test_a_poll_is_written_down_though_a_clock_was_set_back() -> None:
    limit()
    queue.claim("q", grader="ada")
    ahead = timezone.now() + timedelta(hours=1)
    GraderQueue.objects.update(last_polled_at=ahead, last_polled_by="grace")
    GraderSighting.objects.update(seen_at=ahead)
    queue.claim("q", grader="ada")
    row = GraderQueue.objects.get()
    assert row.last_polled_by == "ada"
    assert row.last_polled_at is not None
    assert max(row.last_polled_at, GraderSighting.objects.get().seen_at) < timezone.now() + timedelta(minutes=1)


def test_a_job_that_one_grader_failed_at_is_offered_to_another_one_first_where_there_is_one() -> None:
    limit()
    queue.claim("q", grader="good")
    make()
    bad = claim_one(grader="bad")
    queue.fail(bad.submission_id, key_of(bad), reason="broke")
    later(6)
    assert queue.claim("q", grader="bad") == []
    assert queue.depth("q", grader="bad") == 0
    assert queue.depth("q", grader="good") == 1
    assert claim_one(grader="good").submission_id == bad.submission_id


def test_a_job_that_the_only_grader_failed_at_comes_back_to_it() -> None:
    make()
    job = claim_one(grader="only")
    queue.fail(job.submission_id, key_of(job), reason="broke")
    later(6)
    assert claim_one(grader="only").submission_id == job.submission_id


def test_a_grader_that_has_not_polled_for_long_is_not_waited_for() -> None:
    limit()
    queue.claim("q", grader="gone")
    make()
    GraderSighting.objects.update(seen_at=F("seen_at") - timedelta(seconds=31))
    job = claim_one(grader="left")
    queue.fail(job.submission_id, key_of(job), reason="broke")
    later(6)
    assert claim_one(grader="left").submission_id == job.submission_id


def test_a_grader_that_has_gone_before_a_clock_was_set_back_is_not_waited_for() -> None:
    limit()
    queue.claim("q", grader="gone")
    GraderSighting.objects.update(seen_at=timezone.now() + timedelta(hours=1))
    make()
    job = claim_one(grader="left")
    queue.fail(job.submission_id, key_of(job), reason="broke")
    later(6)
    assert claim_one(grader="left").submission_id == job.submission_id


def test_a_grader_that_fails_at_everything_does_not_burn_the_queue() -> None:
    ids = {make().submission_id for _ in range(6)}
    scored = set()
    for _ in range(30):
        for job in queue.claim("q", grader="bad"):
            queue.fail(job.submission_id, key_of(job), reason="broke")
        for job in queue.claim("q", grader="good"):
            queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
            scored.add(job.submission_id)
        later(100)
    assert scored == ids
    assert set(Job.objects.values_list("status", flat=True)) == {"retired"}


@pytest.mark.django_db(transaction=True)
def test_a_job_that_comes_to_stand_before_the_last_claimed_one_waits_a_second_at_most() -> None:
    """Where it claims many, a process looks only behind the last one (ADR 0090)."""
    ids = [make_seconds_ago(60 - number).pk for number in range(window.MANY_CLAIMS + 2)]
    started = time.monotonic()
    assert [claim_one().pk for _ in ids[:-2]] == ids[:-2]
    late = make_seconds_ago(3600)
    if time.monotonic() - started < window.LOOK_AT_ALL_SECONDS / 2:
        assert claim_one().pk == ids[-2]
    time.sleep(window.LOOK_AT_ALL_SECONDS)
    assert claim_one().pk == late.pk
    while queue.depth("q"):
        assert claim_one().pk in ids
    alone = make_seconds_ago(7200)
    assert claim_one().pk == alone.pk


def test_only_a_claim_that_looked_at_all_begins_a_new_second() -> None:
    younger, older = timezone.now(), timezone.now() - timedelta(hours=1)
    window.close("q")
    for _ in range(window.MANY_CLAIMS):
        window.note("q", BEGINNING, younger)
    assert window.beginning("q") == younger
    time.sleep(window.LOOK_AT_ALL_SECONDS)
    window.note("q", younger, younger)  # asked before, and came back only now
    assert window.beginning("q") == BEGINNING
    window.note("q", BEGINNING, older)
    window.note("q", younger, younger)  # it did not see what the one before it has found
    assert window.beginning("q") == older
    window.close("q")


@pytest.mark.django_db(transaction=True)
def test_where_few_are_claimed_the_oldest_is_always_next() -> None:
    make_seconds_ago(30)
    make_seconds_ago(29)
    claim_one()
    late = make_seconds_ago(3600)
    assert claim_one().pk == late.pk


def make_seconds_ago(seconds: int) -> Job:
    job = make()
    later(seconds, pk=job.pk)
    return job


def test_a_claim_does_not_go_on_for_long_past_jobs_that_it_only_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_ENDED", 2)
    limit(max_failures=1)
    for _ in range(5):
        make()
    queue.claim("q", grader="gone", limit=5)
    later(301)
    last = make()
    taken = [[job.submission_id for job in queue.claim("q", grader="g")] for _ in range(3)]
    assert taken == [[], [], [last.submission_id]]
    assert Job.objects.filter(status="failed").count() == 5


def test_a_queues_name_that_the_database_takes_for_anothers_is_that_one() -> None:
    make("algo")
    make("Algo")
    names = list(Job.objects.order_by("pk").values_list("queue_name", flat=True))
    assert names == (["algo", "algo"] if connection.vendor == "mysql" else ["algo", "Algo"])
