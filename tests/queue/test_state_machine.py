"""Random sequences of verbs, clock jumps and stale keys against a small model of what each job must be."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from submissions import queue
from submissions.errors import AlreadyGraded, BadReply, LeaseLost, NotAllowed
from submissions.models import ExternalGraderDetail as Job
from submissions.models import Score
from submissions.upkeep import audit
from tests.make import make
from tests.queue.jobs import later, limit

LEASE = 100
LIMIT = 3
BACKOFF = 10
SCORES = st.sampled_from([0, 0.5, 1])
UNSCORABLE = st.sampled_from(["x", None, True, -1, 1.5, float("nan")])
PAUSES = st.sampled_from([1, BACKOFF + 1, LEASE + 1, 4 * BACKOFF])


@dataclass
class Model:
    """One job as it must be. `due` counts the seconds until it can be claimed; None: never."""

    state: str = "pending"
    due: float | None = 0
    failures: int = 0
    key: str | None = None
    old_keys: list[str] = field(default_factory=list)
    score: float | None = None


class Queue(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        limit(lease_seconds=LEASE, max_failures=LIMIT, backoff_seconds=BACKOFF)
        self.jobs: dict[int, Model] = {}

    def teardown(self) -> None:
        try:
            assert list(audit.problems()) == []
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    def one(self, data: st.DataObject) -> tuple[int, Model]:
        number = data.draw(st.sampled_from(sorted(self.jobs)))
        return number, self.jobs[number]

    def key(self, data: st.DataObject, job: Model) -> str:
        """The job's key, one that it once had, another job's, or none at all."""
        others = [other.key for other in self.jobs.values() if other.key]
        return data.draw(st.sampled_from([*([job.key] * 3 if job.key else []), *job.old_keys, *others, "", "x"]))

    @rule()
    def enqueue(self) -> None:
        self.jobs[make().submission_id] = Model()

    @rule(seconds=PAUSES)
    def time_passes(self, seconds: int) -> None:
        later(seconds)
        for job in self.jobs.values():
            job.due = None if job.due is None else job.due - seconds

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        claimable = {number for number, job in self.jobs.items() if job.due is not None and job.due <= 0}
        poisoned = {n for n in claimable if self.jobs[n].state == "pulled" and self.jobs[n].failures + 1 >= LIMIT}
        taken = queue.claim("q", grader="g", limit=limit)
        got = {job.submission_id for job in taken}
        assert len(got) == len(taken)
        assert got <= claimable - poisoned
        assert len(got) == min(limit, len(claimable - poisoned))
        for number in poisoned:
            # Met on the way or still lying there: both are right, and the table says which.
            if Job.objects.get(submission_id=number).status == "failed":
                self.lost(self.jobs[number])
                self.jobs[number].state, self.jobs[number].due = "failed", None
        for row in taken:
            job = self.jobs[row.submission_id]
            if job.state == "pulled":
                self.lost(job)
            assert row.pullkey is not None
            assert row.pullkey not in job.old_keys
            self.forget_key(job)
            job.state, job.due, job.key = "pulled", LEASE, row.pullkey

    def lost(self, job: Model) -> None:
        job.failures += 1
        self.forget_key(job)

    def forget_key(self, job: Model) -> None:
        if job.key:
            job.old_keys.append(job.key)
        job.key = None

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), score=SCORES)
    def complete(self, data: st.DataObject, score: float) -> None:
        number, job = self.one(data)
        key = self.key(data, job)
        expected = self.refusal(job, key)
        if expected is None and job.state == "retired" and job.score != score:
            expected = AlreadyGraded
        if expected:
            with pytest.raises(expected):
                queue.complete(number, key, score=score, reply=str(score))
            return
        queue.complete(number, key, score=score, reply=str(score))
        job.state, job.due, job.score = "retired", None, score

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), score=UNSCORABLE)
    def unscorable(self, data: st.DataObject, score: object) -> None:
        number, job = self.one(data)
        key = self.key(data, job)
        expected = self.refusal(job, key) or (AlreadyGraded if job.state == "retired" else BadReply)
        with pytest.raises(expected):
            queue.complete(number, key, score=score, reply="?")
        if expected is BadReply:
            self.failure(job)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        number, job = self.one(data)
        key = self.key(data, job)
        if expected := self.refusal(job, key) or (AlreadyGraded if job.state == "retired" else None):
            with pytest.raises(expected):
                queue.fail(number, key, reason="broke")
            return
        queue.fail(number, key, reason="broke")
        self.failure(job)

    def failure(self, job: Model) -> None:
        if job.state != "pulled":
            return
        job.failures += 1
        if job.failures >= LIMIT:
            job.state, job.due = "failed", None
            self.forget_key(job)
        else:
            job.state, job.due = "retry", BACKOFF * 2 ** (job.failures - 1)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        number, job = self.one(data)
        key = self.key(data, job)
        if expected := self.refusal(job, key) or (AlreadyGraded if job.state == "retired" else None):
            with pytest.raises(expected):
                queue.release(number, key)
            return
        queue.release(number, key)
        if job.state == "pulled":
            job.state, job.due = "retry", 0

    def refusal(self, job: Model, key: str) -> type[Exception] | None:
        return None if job.key is not None and key == job.key else LeaseLost

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        number, job = self.one(data)
        if job.state != "failed":
            with pytest.raises(NotAllowed):
                queue.retry(number)
            return
        queue.retry(number)
        job.state, job.due, job.failures = "pending", 0, 0

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        number, job = self.one(data)
        if job.state == "retired":
            with pytest.raises(NotAllowed):
                queue.retire(number)
            return
        queue.retire(number)
        job.state, job.due = "retired", None
        self.forget_key(job)

    @invariant()
    def every_job_is_what_the_model_says(self) -> None:
        rows = Job.objects.values_list("submission_id", "status", "num_failures", "pullkey")
        found = {number: (status, failures, key) for number, status, failures, key in rows}
        expected = {number: (job.state, job.failures, job.key) for number, job in self.jobs.items()}
        assert found == expected

    @invariant()
    def scores_are_what_was_accepted(self) -> None:
        found = sorted(Score.objects.values_list("submission_id", "points_earned"))
        assert found == sorted((number, job.score) for number, job in self.jobs.items() if job.score is not None)


@pytest.mark.django_db(transaction=True)
def test_no_sequence_of_verbs_loses_a_job_or_scores_it_twice() -> None:
    run_state_machine_as_test(
        Queue,
        settings=settings(
            max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
