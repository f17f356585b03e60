"""Real threads on real connections: nothing is handed out twice, scored twice, or refused to its rightful holder."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from django.db import connections, transaction

from submissions import queue
from submissions.errors import AlreadyGraded, LeaseLost
from submissions.models import ExternalGraderDetail as Job
from submissions.models import Score, ScoreSummary
from submissions.upkeep import audit
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later, limit

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """`work(number)` in so many threads that start together, each with a connection of its own."""
    start = threading.Barrier(count)

    def run(number: int) -> T:
        start.wait()
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_sixteen_graders_take_two_hundred_jobs_once_each_and_score_them_all() -> None:
    ids = [make(points_possible=10).submission_id for _ in range(200)]

    def grade(number: int) -> list[int]:
        done = []
        while jobs := queue.claim("q", grader=f"grader-{number}"):
            (job,) = jobs
            queue.complete(job.submission_id, key_of(job), score=0.5, reply='{"score": 0.5}')
            done.append(job.submission_id)
        return done

    delivered = Counter(one for batch in at_once(16, grade) for one in batch)
    assert delivered == Counter(ids)
    assert sorted(Score.objects.values_list("submission_id", "points_earned")) == [(one, 5) for one in ids]
    assert list(audit.problems()) == []


def test_an_expired_lease_goes_to_exactly_one_of_many() -> None:
    make()
    first = claim_one(grader="first")
    later(301)
    taken = [job for jobs in at_once(8, lambda number: queue.claim("q", grader=f"g{number}")) for job in jobs]
    assert len(taken) == 1
    with pytest.raises(LeaseLost):
        queue.complete(first.submission_id, key_of(first), score=1, reply="{}")
    queue.complete(taken[0].submission_id, key_of(taken[0]), score=0, reply="{}")
    assert Score.objects.get().points_earned == 0


def test_one_result_posted_by_many_at_once_is_one_score() -> None:
    make()
    job = claim_one()

    def post(_: int) -> str:
        return str(queue.complete(job.submission_id, key_of(job), score=1, reply="{}").status)

    assert at_once(8, post) == ["retired"] * 8
    assert Score.objects.count() == 1


def test_of_different_results_posted_at_once_one_is_accepted_and_the_others_are_told() -> None:
    make(points_possible=100)
    job = claim_one()

    def post(number: int) -> str:
        try:
            queue.complete(job.submission_id, key_of(job), score=number / 100, reply=str(number))
        except AlreadyGraded:
            return "refused"
        return str(number)

    outcomes = at_once(8, post)
    (accepted,) = (outcome for outcome in outcomes if outcome != "refused")
    assert Score.objects.get().points_earned == int(accepted)
    assert Job.objects.get().grader_reply == accepted


def test_a_rightful_result_is_never_refused_because_somebody_polls_meanwhile() -> None:
    for _ in range(20):
        make()
    held = queue.claim("q", grader="holder", limit=10)

    def poll_or_post(number: int) -> str:
        if number < 10:
            return str(queue.complete(held[number].submission_id, key_of(held[number]), score=1, reply="{}").status)
        return str(len(queue.claim("q", grader="poller", limit=3)))

    assert at_once(14, poll_or_post)[:10] == ["retired"] * 10


def test_two_attempts_of_one_learner_are_scored_at_once_without_hindering_each_other() -> None:
    for _ in range(8):
        make(student="s")
    held = queue.claim("q", grader="g", limit=8)

    def post(number: int) -> str:
        return str(queue.complete(held[number].submission_id, key_of(held[number]), score=1, reply="{}").status)

    assert at_once(8, post) == ["retired"] * 8
    assert ScoreSummary.objects.get().latest.submission_id == held[-1].submission_id


def test_enqueueing_claiming_and_completing_at_once_with_superseding_neither_deadlocks_nor_loses() -> None:
    limit(supersede=True)

    def work(number: int) -> None:
        for _ in range(10):
            if number % 2:
                make(student="s")
            for job in queue.claim("q", grader=f"g{number}"):
                queue.complete(job.submission_id, key_of(job), score=1, reply="{}")

    at_once(8, work)
    for job in queue.claim("q", grader="last", limit=100):
        queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert set(Job.objects.values_list("status", flat=True)) == {"retired"}
    assert Job.objects.count() == 40
    numbers = sorted(Job.objects.values_list("submission__attempt_number", flat=True))
    assert numbers == list(range(1, 41))
    assert list(audit.problems()) == []


def test_a_claim_passes_over_what_another_transaction_holds(kind: str) -> None:
    """SQLite has one writer at a time: there a claim waits instead of passing over."""
    first, second = make(), make()
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Job.objects.select_for_update().get(pk=first.pk)
            locked.set()
            done.wait(0.5 if kind == "sqlite" else 30)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(10)
    taken = queue.claim("q", grader="g")
    done.set()
    holder.join()
    assert [job.submission_id for job in taken] == [(first if kind == "sqlite" else second).submission_id]
