"""What the verbs are made of: each changes one locked row, and belongs in the verb's transaction."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta

from django.utils.crypto import constant_time_compare

from submissions import signals
from submissions.errors import LeaseLost, NotAllowed, Overtaken, UnknownJob
from submissions.models import (
    DELETED,
    ClaimEnd,
    ClaimOutcome,
    ExternalGraderDetail,
    GraderQueue,
    Status,
    Submission,
)
from submissions.queue import claim_log, owed
from submissions.queue.records import LockedJob

Job = ExternalGraderDetail


def lock(submission_id: int) -> LockedJob:
    """The job's row alone, locked; who wants its lock waits. Raises UnknownJob."""
    row = Job.objects.filter(submission_id=submission_id).order_by().locked().first()
    if row is None:
        raise UnknownJob
    return LockedJob(row, row.now)


def lock_held(submission_id: int, key: str) -> LockedJob:
    """The same, if `key` is its key: good in pulled and retry, and remembered with the score. Raises LeaseLost."""
    locked = lock(submission_id)
    job = locked.row
    held = job.status in (*Status.taking_results(), Status.RETIRED) and job.pullkey
    if not held or not constant_time_compare(key.encode("utf-8", "replace"), str(job.pullkey).encode()):
        raise LeaseLost
    return locked


def lock_waiting(ids: list[int]) -> list[LockedJob]:
    """Those of these jobs that still wait, locked; what another transaction holds is passed over."""
    return [LockedJob(row, row.now) for row in Job.objects.waiting().filter(pk__in=ids).locked(skip_locked=True)]


def require(locked: LockedJob, done: str, *statuses: Status) -> None:
    """Raises NotAllowed where the job is in none of these states. `done`: a participle, for the sentence."""
    job = locked.row
    if job.status not in statuses:
        allowed = " or ".join(statuses)
        raise NotAllowed(f"Submission {job.submission_id} is {job.status}; only {allowed} can be {done}.")


def attach_submissions(jobs: list[Job]) -> None:
    """Fetched after the lock, not joined to it: the lock must be on the job's row alone."""
    found = Submission._objects.select_related("student_item").in_bulk([job.submission_id for job in jobs])
    for job in jobs:
        if job.submission_id not in found:
            # REPEATABLE READ on MariaDB: the lock sees the newest job, and nothing else that was made meanwhile.
            raise Overtaken("The job's submission is one that this transaction cannot see.")
        job.submission = found[job.submission_id]


def move(locked: LockedJob, status: str, **changes: object) -> None:
    """Write the new state with what changes along with it."""
    job = locked.row
    if status != job.status:
        changes["status_time"] = locked.now
    changes["status"] = status
    for name, value in changes.items():
        setattr(job, name, value)
    Job.objects.filter(pk=job.pk).update(**changes)


def hand_out(locked: LockedJob, queue: GraderQueue, grader: str) -> bool:
    """Give the job to `grader`, with a new key and lease; False where it ends instead: deleted, or lost too often."""
    job = locked.row
    if job.status in Status.ended():
        # edx-submissions, still running beside us during an upgrade, knows no available_at.
        move(locked, job.status, available_at=None)
        return False
    if job.submission.status == DELETED:
        retire(locked, "The submission was deleted.")
        return False
    lost = _count_lost_lease(locked, queue) if job.status == Status.PULLED else {}
    if lost is None:
        return False
    move(
        locked,
        Status.PULLED,
        pullkey=secrets.token_urlsafe(32),
        available_at=locked.now + timedelta(seconds=queue.lease),
        pulled_at=locked.now,
        grader=grader,
        num_pulls=job.num_pulls + 1,
        **lost,
    )
    return True


def _count_lost_lease(locked: LockedJob, queue: GraderQueue) -> dict[str, object] | None:
    """What changes with a lease that ran out; None where the job is given up with it."""
    job = locked.row
    failures = job.num_failures + 1
    reason = f"{job.grader or 'A grader'} took the job and let the lease run out."
    changes = {"num_failures": failures, "last_error": reason, "pulls": claim_log.note(job, locked.now, claim_log.LOST)}
    given_up = failures >= queue.failure_limit
    note_claim_end(locked, ClaimOutcome.LOST, gave_up=given_up)
    if given_up:
        give_up(locked, queue, reason, **changes)
        return None
    return changes


def let_go(locked: LockedJob, reason: str = "") -> None:
    """End the claim, uncounted; the job is due at once."""
    note_claim_end(locked, ClaimOutcome.RELEASED)
    noted = claim_log.note(locked.row, locked.now, claim_log.RELEASED, reason)
    move(locked, Status.RETRY, available_at=locked.now, pulls=noted)
    signals.announce(signals.job_released, job=locked.row)


def note_claim_end(locked: LockedJob, outcome: ClaimOutcome, *, gave_up: bool = False) -> None:
    """For the numbers: a claim that brings a score is told by the job's own row, and needs no further statement."""
    job = locked.row
    ended = {"queue_name": job.queue_name, "grader": job.grader, "submission_id": job.submission_id, "at": locked.now}
    ClaimEnd.objects.create(outcome=outcome, gave_up=gave_up, **ended)


def count_failure(locked: LockedJob, queue: GraderQueue, reason: str, reply: str | None) -> None:
    """Once per claim: in `retry` this claim's failure (or its release) was already written down."""
    job = locked.row
    kept = {"last_error": reason} | ({} if reply is None else {"grader_reply": reply})
    if job.status == Status.RETRY:
        move(locked, Status.RETRY, **kept)
        return
    failures = job.num_failures + 1
    noted = claim_log.note(job, locked.now, claim_log.FAILED, reason)
    ended: dict[str, object] = {"returned_at": locked.now, "pulls": noted, "num_failures": failures, **kept}
    given_up = failures >= queue.failure_limit
    note_claim_end(locked, ClaimOutcome.FAILED, gave_up=given_up)
    if given_up:
        give_up(locked, queue, reason, **ended)
        return
    due = locked.now + timedelta(seconds=queue.backoff(failures))
    move(locked, Status.RETRY, available_at=due, **ended)
    signals.announce(signals.job_failed, job=job, reason=reason)


def give_up(locked: LockedJob, queue: GraderQueue, reason: str, **changes: object) -> None:
    """Too many failures: the job waits for an operator."""
    changes["last_error"] = reason
    move(locked, Status.FAILED, available_at=None, pullkey=None, **changes)
    owed.failed(locked, queue)
    signals.announce(signals.job_given_up, job=locked.row, reason=reason)


def retire(locked: LockedJob, reason: str, queue: GraderQueue | None = None) -> None:
    """End the job without a score. `queue`: its settings, where somebody may still wait for the result."""
    job = locked.row
    noted = claim_log.note(job, locked.now, claim_log.RETIRED, reason, claim=job.status == Status.PULLED)
    move(locked, Status.RETIRED, available_at=None, pullkey=None, last_error=reason, pulls=noted)
    if queue is None:
        owed.drop(job)
    else:
        owed.failed(locked, queue, final=True)
    signals.announce(signals.job_retired, job=job, reason=reason)


def is_same_reply(first: str | None, second: str) -> bool:
    """Whether two replies are one result: a client that sends again may write the same JSON anew."""
    if first == second:
        return True
    try:
        return bool(json.loads(first or "") == json.loads(second))
    except (ValueError, RecursionError):
        return False
