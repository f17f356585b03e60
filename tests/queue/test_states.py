"""Every state x every verb, from one table. The expectations are words written here, not computed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from submissions import queue
from submissions.errors import QueueError
from submissions.models import ExternalGraderDetail as Job
from submissions.models import Score
from tests.make import make
from tests.queue.jobs import STALE, claim_one, key_of, later, limit

pytestmark = pytest.mark.django_db

REPLY = '{"score": 0.5}'


# The states, each reached by the verbs. ------------------------------------------------------------------------------


def pending() -> tuple[Job, str]:
    return make(), STALE


def pulled() -> tuple[Job, str]:
    make()
    job = claim_one()
    return job, key_of(job)


def pulled_lease_over() -> tuple[Job, str]:
    job, key = pulled()
    later(301)
    return job, key


def pulled_last_chance() -> tuple[Job, str]:
    limit(max_failures=1)
    return pulled()


def pulled_last_lease_over() -> tuple[Job, str]:
    limit(max_failures=1)
    return pulled_lease_over()


def retry_resting() -> tuple[Job, str]:
    job, key = pulled()
    queue.fail(job.submission_id, key, reason="broke")
    return job, key


def retry_due() -> tuple[Job, str]:
    job, key = retry_resting()
    later(6)
    return job, key


def retry_released() -> tuple[Job, str]:
    job, key = pulled()
    queue.release(job.submission_id, key)
    return job, key


def failed() -> tuple[Job, str]:
    limit(max_failures=1)
    return retry_resting()


def retired_scored() -> tuple[Job, str]:
    job, key = pulled()
    queue.complete(job.submission_id, key, score=0.5, reply=REPLY)
    return job, key


def retired_unscored() -> tuple[Job, str]:
    job, key = pulled()
    queue.retire(job.submission_id)
    return job, key


# The verbs. ----------------------------------------------------------------------------------------------------------


def claim(job: Job, key: str) -> str:
    return "taken" if queue.claim("q", grader="other") else "nothing"


def complete(job: Job, key: str) -> None:
    queue.complete(job.submission_id, key, score=0.5, reply=REPLY)


def complete_other(job: Job, key: str) -> None:
    queue.complete(job.submission_id, key, score=1, reply='{"score": 1}')


def complete_stale(job: Job, key: str) -> None:
    queue.complete(job.submission_id, STALE, score=0.5, reply=REPLY)


def complete_unscorable(job: Job, key: str) -> None:
    queue.complete(job.submission_id, key, score="much", reply='{"score": "much"}')


def fail(job: Job, key: str) -> None:
    queue.fail(job.submission_id, key, reason="broke")


def fail_stale(job: Job, key: str) -> None:
    queue.fail(job.submission_id, STALE, reason="broke")


def release(job: Job, key: str) -> None:
    queue.release(job.submission_id, key)


def release_stale(job: Job, key: str) -> None:
    queue.release(job.submission_id, STALE)


def release_lease(job: Job, key: str) -> None:
    queue.release_lease(job.submission_id)


def retry(job: Job, key: str) -> None:
    queue.retry(job.submission_id)


def retire(job: Job, key: str) -> None:
    queue.retire(job.submission_id)


def supersede(job: Job, key: str) -> None:
    limit(supersede=True)
    make(student=Job.objects.get(pk=job.pk).submission.student_item.student_id)


# What comes of it: the outcome (ok, or the refusal's name) and the state afterwards. --------------------------------

TABLE = """
state                  | verb                | outcome       | afterwards | failures
pending                | claim               | taken         | pulled     | 0
pending                | complete            | LeaseLost     | pending    | 0
pending                | complete_other      | LeaseLost     | pending    | 0
pending                | complete_stale      | LeaseLost     | pending    | 0
pending                | complete_unscorable | LeaseLost     | pending    | 0
pending                | fail                | LeaseLost     | pending    | 0
pending                | fail_stale          | LeaseLost     | pending    | 0
pending                | release             | LeaseLost     | pending    | 0
pending                | release_stale       | LeaseLost     | pending    | 0
pending                | release_lease       | NotAllowed    | pending    | 0
pending                | retry               | NotAllowed    | pending    | 0
pending                | retire              | ok            | retired    | 0
pending                | supersede           | ok            | retired    | 0
pulled                 | claim               | nothing       | pulled     | 0
pulled                 | complete            | ok            | retired    | 0
pulled                 | complete_other      | ok            | retired    | 0
pulled                 | complete_stale      | LeaseLost     | pulled     | 0
pulled                 | complete_unscorable | BadReply      | retry      | 1
pulled                 | fail                | ok            | retry      | 1
pulled                 | fail_stale          | LeaseLost     | pulled     | 0
pulled                 | release             | ok            | retry      | 0
pulled                 | release_stale       | LeaseLost     | pulled     | 0
pulled                 | release_lease       | ok            | retry      | 0
pulled                 | retry               | NotAllowed    | pulled     | 0
pulled                 | retire              | ok            | retired    | 0
pulled                 | supersede           | ok            | pulled     | 0
pulled_lease_over      | claim               | taken         | pulled     | 1
pulled_lease_over      | complete            | ok            | retired    | 0
pulled_lease_over      | complete_other      | ok            | retired    | 0
pulled_lease_over      | complete_stale      | LeaseLost     | pulled     | 0
pulled_lease_over      | complete_unscorable | BadReply      | retry      | 1
pulled_lease_over      | fail                | ok            | retry      | 1
pulled_lease_over      | fail_stale          | LeaseLost     | pulled     | 0
pulled_lease_over      | release             | ok            | retry      | 0
pulled_lease_over      | release_stale       | LeaseLost     | pulled     | 0
pulled_lease_over      | release_lease       | ok            | retry      | 0
pulled_lease_over      | retry               | NotAllowed    | pulled     | 0
pulled_lease_over      | retire              | ok            | retired    | 0
pulled_lease_over      | supersede           | ok            | pulled     | 0
pulled_last_chance     | claim               | nothing       | pulled     | 0
pulled_last_chance     | complete            | ok            | retired    | 0
pulled_last_chance     | complete_other      | ok            | retired    | 0
pulled_last_chance     | complete_stale      | LeaseLost     | pulled     | 0
pulled_last_chance     | complete_unscorable | BadReply      | failed     | 1
pulled_last_chance     | fail                | ok            | failed     | 1
pulled_last_chance     | fail_stale          | LeaseLost     | pulled     | 0
pulled_last_chance     | release             | ok            | retry      | 0
pulled_last_chance     | release_stale       | LeaseLost     | pulled     | 0
pulled_last_chance     | release_lease       | ok            | retry      | 0
pulled_last_chance     | retry               | NotAllowed    | pulled     | 0
pulled_last_chance     | retire              | ok            | retired    | 0
pulled_last_chance     | supersede           | ok            | pulled     | 0
pulled_last_lease_over | claim               | nothing       | failed     | 1
pulled_last_lease_over | complete            | ok            | retired    | 0
pulled_last_lease_over | complete_other      | ok            | retired    | 0
pulled_last_lease_over | complete_stale      | LeaseLost     | pulled     | 0
pulled_last_lease_over | complete_unscorable | BadReply      | failed     | 1
pulled_last_lease_over | fail                | ok            | failed     | 1
pulled_last_lease_over | fail_stale          | LeaseLost     | pulled     | 0
pulled_last_lease_over | release             | ok            | retry      | 0
pulled_last_lease_over | release_stale       | LeaseLost     | pulled     | 0
pulled_last_lease_over | release_lease       | ok            | retry      | 0
pulled_last_lease_over | retry               | NotAllowed    | pulled     | 0
pulled_last_lease_over | retire              | ok            | retired    | 0
pulled_last_lease_over | supersede           | ok            | pulled     | 0
retry_resting          | claim               | nothing       | retry      | 1
retry_resting          | complete            | ok            | retired    | 1
retry_resting          | complete_other      | ok            | retired    | 1
retry_resting          | complete_stale      | LeaseLost     | retry      | 1
retry_resting          | complete_unscorable | BadReply      | retry      | 1
retry_resting          | fail                | ok            | retry      | 1
retry_resting          | fail_stale          | LeaseLost     | retry      | 1
retry_resting          | release             | ok            | retry      | 1
retry_resting          | release_stale       | LeaseLost     | retry      | 1
retry_resting          | release_lease       | NotAllowed    | retry      | 1
retry_resting          | retry               | NotAllowed    | retry      | 1
retry_resting          | retire              | ok            | retired    | 1
retry_resting          | supersede           | ok            | retired    | 1
retry_due              | claim               | taken         | pulled     | 1
retry_due              | complete            | ok            | retired    | 1
retry_due              | complete_other      | ok            | retired    | 1
retry_due              | complete_stale      | LeaseLost     | retry      | 1
retry_due              | complete_unscorable | BadReply      | retry      | 1
retry_due              | fail                | ok            | retry      | 1
retry_due              | fail_stale          | LeaseLost     | retry      | 1
retry_due              | release             | ok            | retry      | 1
retry_due              | release_stale       | LeaseLost     | retry      | 1
retry_due              | release_lease       | NotAllowed    | retry      | 1
retry_due              | retry               | NotAllowed    | retry      | 1
retry_due              | retire              | ok            | retired    | 1
retry_due              | supersede           | ok            | retired    | 1
retry_released         | claim               | taken         | pulled     | 0
retry_released         | complete            | LeaseLost     | retry      | 0
retry_released         | complete_other      | LeaseLost     | retry      | 0
retry_released         | complete_stale      | LeaseLost     | retry      | 0
retry_released         | complete_unscorable | LeaseLost     | retry      | 0
retry_released         | fail                | LeaseLost     | retry      | 0
retry_released         | fail_stale          | LeaseLost     | retry      | 0
retry_released         | release             | LeaseLost     | retry      | 0
retry_released         | release_stale       | LeaseLost     | retry      | 0
retry_released         | release_lease       | NotAllowed    | retry      | 0
retry_released         | retry               | NotAllowed    | retry      | 0
retry_released         | retire              | ok            | retired    | 0
retry_released         | supersede           | ok            | retired    | 0
failed                 | claim               | nothing       | failed     | 1
failed                 | complete            | LeaseLost     | failed     | 1
failed                 | complete_other      | LeaseLost     | failed     | 1
failed                 | complete_stale      | LeaseLost     | failed     | 1
failed                 | complete_unscorable | LeaseLost     | failed     | 1
failed                 | fail                | LeaseLost     | failed     | 1
failed                 | fail_stale          | LeaseLost     | failed     | 1
failed                 | release             | LeaseLost     | failed     | 1
failed                 | release_stale       | LeaseLost     | failed     | 1
failed                 | release_lease       | NotAllowed    | failed     | 1
failed                 | retry               | ok            | pending    | 0
failed                 | retire              | ok            | retired    | 1
failed                 | supersede           | ok            | failed     | 1
retired_scored         | claim               | nothing       | retired    | 0
retired_scored         | complete            | ok            | retired    | 0
retired_scored         | complete_other      | AlreadyGraded | retired    | 0
retired_scored         | complete_stale      | LeaseLost     | retired    | 0
retired_scored         | complete_unscorable | AlreadyGraded | retired    | 0
retired_scored         | fail                | AlreadyGraded | retired    | 0
retired_scored         | fail_stale          | LeaseLost     | retired    | 0
retired_scored         | release             | AlreadyGraded | retired    | 0
retired_scored         | release_stale       | LeaseLost     | retired    | 0
retired_scored         | release_lease       | NotAllowed    | retired    | 0
retired_scored         | retry               | NotAllowed    | retired    | 0
retired_scored         | retire              | NotAllowed    | retired    | 0
retired_scored         | supersede           | ok            | retired    | 0
retired_unscored       | claim               | nothing       | retired    | 0
retired_unscored       | complete            | LeaseLost     | retired    | 0
retired_unscored       | complete_other      | LeaseLost     | retired    | 0
retired_unscored       | complete_stale      | LeaseLost     | retired    | 0
retired_unscored       | complete_unscorable | LeaseLost     | retired    | 0
retired_unscored       | fail                | LeaseLost     | retired    | 0
retired_unscored       | fail_stale          | LeaseLost     | retired    | 0
retired_unscored       | release             | LeaseLost     | retired    | 0
retired_unscored       | release_stale       | LeaseLost     | retired    | 0
retired_unscored       | release_lease       | NotAllowed    | retired    | 0
retired_unscored       | retry               | NotAllowed    | retired    | 0
retired_unscored       | retire              | NotAllowed    | retired    | 0
retired_unscored       | supersede           | ok            | retired    | 0
"""

ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in TABLE.strip().splitlines()[1:]]
STATES: list[Callable[[], tuple[Job, str]]] = [
    pending,
    pulled,
    pulled_lease_over,
    pulled_last_chance,
    pulled_last_lease_over,
    retry_resting,
    retry_due,
    retry_released,
    failed,
    retired_scored,
    retired_unscored,
]
VERBS: list[Callable[[Job, str], str | None]] = [
    claim,
    complete,
    complete_other,
    complete_stale,
    complete_unscorable,
    fail,
    fail_stale,
    release,
    release_stale,
    release_lease,
    retry,
    retire,
    supersede,
]
# A score is there exactly where the state began with one, or a completion went through.
SCORED = {"complete", "complete_other"}


def test_the_table_has_every_state_and_every_verb() -> None:
    every = {(state.__name__, verb.__name__) for state in STATES for verb in VERBS}
    assert {(state, verb) for state, verb, *_ in ROWS} == every
    assert len(ROWS) == len(every)


@pytest.mark.parametrize(("state", "verb", "outcome", "afterwards", "failures"), ROWS)
def test_move(state: str, verb: str, outcome: str, afterwards: str, failures: str) -> None:
    job, key = {made.__name__: made for made in STATES}[state]()
    try:
        came = {move.__name__: move for move in VERBS}[verb](job, key) or "ok"
    except QueueError as refusal:
        came = type(refusal).__name__
    row = Job.objects.get(pk=job.pk)
    assert (came, str(row.status), row.num_failures) == (outcome, afterwards, int(failures))
    finished = afterwards in ("retired", "failed")
    assert (row.available_at is None) is finished
    scored = state == "retired_scored" or (verb in SCORED and outcome == "ok")
    assert Score.objects.filter(submission_id=job.submission_id).count() == (1 if scored else 0)
