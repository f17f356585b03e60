"""Several results, and several claims, in one transaction: the same rows as one by one, and each for itself."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django import Settings

from submissions import queue, signals
from submissions.errors import QueueError
from submissions.models import DELETED, Submission
from submissions.models import ExternalGraderDetail as Job
from submissions.queue import Given, Terms
from submissions.upkeep import audit
from tests.make import make
from tests.queue.fast import ways
from tests.queue.jobs import claim_one, key_of, later, limit
from tests.queue.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def entry(job: Job, score: float = 1.0, reply: str = "{}") -> tuple[int, str, Given]:
    return job.submission_id, key_of(job), Given(score, reply)


def said(outcomes: list[Any]) -> list[str]:
    return [type(one).__name__ if isinstance(one, QueueError) else f"{one.points_earned:g}" for one in outcomes]


def alone(results: list[tuple[int, str, Given]]) -> list[Any]:
    return [queue.complete_together([result])[0] for result in results]


@pytest.mark.parametrize("send", [alone, queue.complete_together], ids=["alone", "together"])
@pytest.mark.parametrize("transports", [[], ["signal", "event"]], ids=["nobody is told", "two are told"])
def test_results_together_leave_the_rows_of_single_ones(
    transports: list[str], send: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SUBMISSIONS_TRANSPORTS, settings.SUBMISSIONS_DELIVER_AT_ONCE = transports, False
    left = []
    for way in (ways.GENERAL, next(iter(ways.FILES))):
        with monkeypatch.context() as patched:
            ways.go(way, patched)
            ways.empty()
            for number in range(3):  # of these learners the older attempt has its score
                make(student=f"s{number}", points_possible=10)
                queue.complete(*entry(claim_one())[:2], score=0.5, reply="{}")
            for number in range(6):
                make(student=f"s{number}", points_possible=10)
            held = [claim_one() for _ in range(6)]
            scores = (0.7, 0.2, 0.5, 0, 1, 0.07)
            outcomes = send([entry(job, score, f"☃ {score} %s") for job, score in zip(held, scores, strict=True)])
            assert said(outcomes) == ["7", "2", "5", "0", "10", "0.7"]
            left.append(ways.tables())
    assert left[0] == left[1]
    assert [(row["latest_id"], row["highest_id"]) for row in left[0]["ScoreSummary"]] == [
        (3, 3), (4, 1), (5, 2), (6, 6), (7, 7), (8, 8),
    ]  # fmt: skip


@pytest.mark.parametrize("way", ways.WAYS)
def test_what_is_wrong_with_one_result_is_no_harm_to_the_others(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ways.go(way, monkeypatch)
    for number in range(9):
        make(student="twice" if number in (3, 4) else f"s{number}", points_possible=10)
    fine, gone, stale, first, second, worse, graded, other, failed = (claim_one() for _ in range(9))
    Submission._objects.filter(pk=gone.submission_id).update(status=DELETED)
    for job in (graded, other):
        queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    queue.fail(failed.submission_id, key_of(failed), reason="It broke.")
    sent = [
        entry(fine),
        entry(gone),
        (stale.submission_id, "no-such-key", Given(1, "{}")),
        entry(first, 0.3),
        entry(second, 0.2),
        entry(worse, 7),
        entry(graded),
        entry(other, 0.5, "another"),
        entry(failed, 0.4),
        (0, "no-such-job", Given(1, "{}")),
    ]
    assert said(queue.complete_together(sent)) == [
        "10", "LeaseLost", "LeaseLost", "3", "2", "AboveShare", "10", "AlreadyGraded", "4", "UnknownJob",
    ]  # fmt: skip
    assert Counter(Job.objects.values_list("status", flat=True)) == {"retired": 7, "retry": 1, "pulled": 1}
    assert list(audit.problems()) == []


@pytest.mark.parametrize("way", ways.WAYS)
def test_of_two_results_of_one_claim_in_one_batch_the_first_counts(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ways.go(way, monkeypatch)
    for _ in range(3):
        make(points_possible=10)
    twice, *others = (claim_one() for _ in range(3))
    sent = [entry(twice, 0.5), *map(entry, others), entry(twice, 0.6, "another"), entry(twice, 0.5)]
    assert said(queue.complete_together(sent)) == ["5", "10", "10", "AlreadyGraded", "5"]


@pytest.mark.parametrize("way", ways.WAYS)
def test_batches_of_the_same_claims_at_the_same_moment_make_one_score_each(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        make(points_possible=100)
    held = [claim_one() for _ in range(12)]
    ways.go(way, monkeypatch)
    start = threading.Barrier(6)

    def send(number: int) -> list[str]:
        start.wait()
        mine = held if number % 2 else held[::-1]
        return said(queue.complete_together([entry(job, number / 100, str(number)) for job in mine]))

    words = Counter(word if word == "AlreadyGraded" else "taken" for one in at_once(6, send) for word in one)
    assert words == {"taken": 12, "AlreadyGraded": 60}
    assert list(audit.problems()) == []


def test_a_batch_whose_commit_was_not_answered_is_stored_once_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        make(points_possible=10)
    held = [claim_one() for _ in range(4)]
    told: list[int] = []
    commit = BaseDatabaseWrapper.commit

    def lost(self: BaseDatabaseWrapper) -> None:
        monkeypatch.setattr(BaseDatabaseWrapper, "commit", commit)
        commit(self)
        raise OperationalError("server closed the connection unexpectedly")

    def note(job: Any, **_: object) -> None:
        told.append(job.submission_id)

    signals.job_completed.connect(note)
    try:
        monkeypatch.setattr(BaseDatabaseWrapper, "commit", lost)
        assert said(queue.complete_together([entry(job) for job in held])) == ["10"] * 4
    finally:
        signals.job_completed.disconnect(note)
    assert told == [job.submission_id for job in held]
    assert list(audit.problems()) == []


def test_what_is_stored_is_told_though_another_result_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        make()
    twice, *others = (claim_one() for _ in range(4))
    told: list[int] = []

    def note(job: Any, **_: object) -> None:
        told.append(job.submission_id)

    def break_off(*_: object, **__: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(queue, "_complete_one", break_off)
    signals.job_completed.connect(note)
    try:
        with pytest.raises(OperationalError):
            queue.complete_together([entry(twice), entry(twice), *map(entry, others)])
    finally:
        signals.job_completed.disconnect(note)
    assert Job.objects.filter(status="retired").count() == 3
    assert told == [job.submission_id for job in others]


def test_within_somebodys_transaction_a_batch_joins_it() -> None:
    for _ in range(4):
        make()
    held = [claim_one() for _ in range(4)]
    with transaction.atomic():
        queue.complete_together([entry(job) for job in held])
        assert connection.in_atomic_block
        transaction.set_rollback(True)
    assert Counter(Job.objects.values_list("status", flat=True)) == {"pulled": 4}


def lined_up() -> None:
    """Six jobs: usual ones, a failed one, a lost lease, a deleted submission, a job lost too often."""
    ways.empty()
    limit(max_failures=3, backoff_seconds=1)
    jobs = [make(student=f"s{number}") for number in range(6)]
    taken = [claim_one() for _ in range(6)]
    queue.fail(taken[1].submission_id, key_of(taken[1]), reason="It broke.")
    for job in (taken[0], taken[5]):
        queue.release(job.submission_id, key_of(job))
    later(10_000)
    Submission._objects.filter(pk=jobs[3].submission_id).update(status=DELETED)
    Job.objects.filter(pk=jobs[4].pk).update(num_failures=2)


@pytest.mark.parametrize("way", ways.WAYS)
def test_claims_together_leave_the_rows_of_single_ones(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ways.go(way, monkeypatch)
    lined_up()
    single = [job for _ in range(6) for job in queue.claim("q", grader="ada", terms=Terms(seconds=60, named=True))]
    alone_left = ways.tables()
    lined_up()
    several = queue.claim_from(["q"], grader="ada", limit=50, terms=Terms(seconds=60, named=True))
    assert ways.tables() == alone_left
    assert [job.student_id for job in several] == [job.student_id for job in single]
    assert sorted(job.student_id for job in several) == ["s0", "s1", "s2", "s5"]
    for job in several:
        row = Job.objects.get(pk=job.pk)
        assert (row.pullkey, row.claim_id, row.num_pulls) == (job.pullkey, job.claim_id, 2)
    assert len({job.pullkey for job in several} | {job.claim_id for job in several}) == 8


def test_what_is_asked_of_the_database_does_not_grow_with_the_batch() -> None:
    counts = []
    for size in (4, 32):
        ways.empty()
        assert queue.claim_from(["q"], grader="ada", limit=2) == []  # what follows an empty queue looks first
        for _ in range(size):
            make()
        with connection.execute_wrapper(counting := _Counting()):
            held = queue.claim_from(["q"], grader="ada", limit=size, terms=Terms(named=True))
        counts.append(counting.calls)
        assert len(held) == size
    assert counts[0] == counts[1]


class _Counting:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, execute: Any, *args: Any) -> Any:
        self.calls += 1
        return execute(*args)
