"""What the verbs are made of: each changes one locked row, and belongs in the verb's transaction."""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

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
from submissions.queue.records import LockedJob, Terms

Job = ExternalGraderDetail
NO_TERMS = Terms()
# So many claims in a row that nobody is to blame for are a failure: something about the job ends them.
IN_A_ROW = 20
GIVEN_BACK = f"Given back {IN_A_ROW} times in a row."
# What ends a claim for good: neither its key nor its name is known any more.
NO_CLAIM: dict[str, object] = {"pullkey": None, "claim_id": None}


def lock(submission_id: int) -> LockedJob:
    """The job's row alone, locked; who wants its lock waits. Raises UnknownJob."""
    row = Job.objects.filter(submission_id=submission_id).order_by().locked().first()
    if row is None:
        raise UnknownJob
    return LockedJob(row, row.now)


def lock_held(submission_id: int, key: str) -> LockedJob:
    """The same, if `key` is its key. Raises LeaseLost."""
    locked = lock(submission_id)
    if not is_held(locked, key):
        raise LeaseLost
    return locked


def is_held(locked: LockedJob, key: str) -> bool:
    """Whether `key` is the job's: good in pulled and retry, and remembered with the score."""
    job = locked.row
    held = job.status in (*Status.taking_results(), Status.RETIRED) and job.pullkey
    return bool(held) and constant_time_compare(key.encode("utf-8", "replace"), str(job.pullkey).encode())


def lock_waiting(ids: list[int]) -> list[LockedJob]:
    """Those of these jobs that still wait, locked; what another transaction holds is passed over."""
    return [LockedJob(row, row.now) for row in Job.objects.waiting().filter(pk__in=ids).locked(skip_locked=True)]


def require(locked: LockedJob, refusal: str, *statuses: Status) -> None:
    """Raises NotAllowed, with the sentence `refusal`, where the job is in none of these states."""
    job = locked.row
    if job.status not in statuses:
        raise NotAllowed(refusal, id=job.submission_id, state=job.plain_state)


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


def hand_out(locked: LockedJob, queue: GraderQueue, grader: str, terms: Terms = NO_TERMS) -> bool:
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
        claim_id=terms.draw_id(),
        available_at=locked.now + timedelta(seconds=terms.lease(queue)),
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
    noted = claim_log.note(job, locked.now, claim_log.LOST, key=job.pullkey)
    changes = {"num_failures": failures, "last_error": reason, "pulls": noted, "interruptions": 0}
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
    move(locked, Status.RETRY, available_at=locked.now, pulls=noted, **NO_CLAIM)
    signals.announce(signals.job_released, job=locked.row)


def note_claim_end(locked: LockedJob, outcome: ClaimOutcome, *, gave_up: bool = False) -> None:
    """For the numbers: a claim that brings a score is told by the job's own row, and needs no further statement."""
    job = locked.row
    ended = {"queue_name": job.queue_name, "grader": job.grader, "submission_id": job.submission_id, "at": locked.now}
    ClaimEnd.objects.create(outcome=outcome, gave_up=gave_up, **ended)


def interrupt(locked: LockedJob, queue: GraderQueue, outcome: str, reason: str = "", retry_after: int = 0) -> None:
    """End a claim that nobody is to blame for: given back (and due at once), or its machine broke (again and again:
    with back-off, or after `retry_after` seconds). IN_A_ROW of them in a row are a failure."""
    job, is_release = locked.row, outcome == claim_log.RELEASED
    in_a_row = job.interruptions + 1
    failures = job.num_failures + in_a_row // IN_A_ROW
    gave_up = in_a_row >= IN_A_ROW and failures >= queue.failure_limit
    note_claim_end(
        locked, ClaimOutcome.RELEASED if failures == job.num_failures else ClaimOutcome.FAILED, gave_up=gave_up
    )
    changes = {
        "pulls": claim_log.note(job, locked.now, outcome, reason),
        "num_failures": failures,
        "interruptions": in_a_row % IN_A_ROW,
    }
    changes |= {"claim_id": None} if is_release else {"returned_at": locked.now, "last_error": reason}
    if gave_up:
        give_up(locked, queue, reason or GIVEN_BACK, **changes)
        return
    pause = 0 if is_release else max(retry_after, queue.backoff(in_a_row - 1) if in_a_row > 1 else 0)
    key = None if is_release else job.pullkey
    move(locked, Status.RETRY, available_at=locked.now + timedelta(seconds=pause), pullkey=key, **changes)
    signals.announce(signals.job_released, job=job)


def refuse(locked: LockedJob, queue: GraderQueue, reason: str) -> None:
    """The grader says that nobody can grade it: given up at once."""
    note_claim_end(locked, ClaimOutcome.FAILED, gave_up=True)
    noted = claim_log.note(locked.row, locked.now, claim_log.UNGRADABLE, reason)
    give_up(locked, queue, reason, returned_at=locked.now, pulls=noted, interruptions=0)


def count_failure(
    locked: LockedJob,
    queue: GraderQueue,
    reason: str,
    reply: str | None,
    retry_after: int = 0,
    *,
    given_up: bool | None = None,
) -> None:
    """Once per claim: in `retry` this claim's failure was already written down.

    `retry_after`: how long it is not to be tried again at least (seconds). `given_up`: whether the job is, where it is
    not the queue's limit that says so.
    """
    job = locked.row
    kept = {"last_error": reason} | ({} if reply is None else {"grader_reply": reply})
    if job.status == Status.RETRY:
        move(locked, Status.RETRY, **kept)
        return
    failures = job.num_failures + 1
    noted = claim_log.note(job, locked.now, claim_log.FAILED, reason)
    ended: dict[str, object] = {"returned_at": locked.now, "pulls": noted, "num_failures": failures, **kept}
    ended["interruptions"] = 0
    given_up = failures >= queue.failure_limit if given_up is None else given_up
    note_claim_end(locked, ClaimOutcome.FAILED, gave_up=given_up)
    if given_up:
        give_up(locked, queue, reason, **ended)
        return
    due = locked.now + timedelta(seconds=max(queue.backoff(failures), retry_after))
    move(locked, Status.RETRY, available_at=due, **ended)
    signals.announce(signals.job_failed, job=job, reason=reason)


def give_up(locked: LockedJob, queue: GraderQueue, reason: str, **changes: object) -> None:
    """Too many failures: the job waits for an operator."""
    changes["last_error"] = reason
    move(locked, Status.FAILED, available_at=None, pullkey=None, **changes)
    owed.failed(locked, queue)
    signals.announce(signals.job_given_up, job=locked.row, reason=reason)


def retire(locked: LockedJob, reason: str, queue: GraderQueue | None = None, *, claim_id: UUID | None = None) -> None:
    """End the job without a score. `queue`: its settings, where somebody may still wait for the result. `claim_id`: the
    name of a claim that stays known."""
    job = locked.row
    noted = claim_log.note(job, locked.now, claim_log.RETIRED, reason, claim=job.status == Status.PULLED)
    move(locked, Status.RETIRED, available_at=None, last_error=reason, pulls=noted, pullkey=None, claim_id=claim_id)
    if queue is None:
        owed.drop(job)
    else:
        owed.failed(locked, queue, final=True)
    signals.announce(signals.job_retired, job=job, reason=reason)


def put_back(locked: LockedJob) -> None:
    """A job that was given up begins anew, failures cleared: with them, the next one would end it again."""
    noted = claim_log.note(locked.row, locked.now, claim_log.RETRIED, claim=False)
    move(locked, Status.PENDING, available_at=locked.now, num_failures=0, interruptions=0, pulls=noted, **NO_CLAIM)
    owed.take_back(locked.row)
    signals.announce(signals.job_retried, job=locked.row)
