"""A claim by its name, for a dialect that knows no keys: the name and the grader's account prove it.

Name and key come and go together: each claim replaces both, so who has found a claim by its name has its key, too. The
name stays known, without the key, of a job that was given up or cancelled: its grader is told so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connections, router

from submissions import sql
from submissions.errors import AlreadyGraded, LeaseLost, NotAllowed, QueueError
from submissions.models import ClaimNote, ExternalGraderDetail, Status, whole
from submissions.queue import claim_log, moves, settings
from submissions.queue.records import ClaimedJob, LockedJob, Terms
from submissions.queue.transactions import verb

Job = ExternalGraderDetail

FAILED_JOB = "The job was given up; an operator decides about it."
CANCELLED_JOB = "The submission was cancelled; nobody waits for its result."
ENDED_CLAIM = "The claim ended without a score; only a result, or the same failure again, is taken for it."


class FailureKind(StrEnum):
    """Whose fault it was that there is no score."""

    GRADER = "grader"
    """Counted; too many of them, and the job is given up."""
    INFRASTRUCTURE = "infrastructure"
    """Nobody's: uncounted, but for `moves.IN_A_ROW` of them in a row."""
    UNGRADABLE = "ungradable"
    """The submission's: nobody need try again."""


OUTCOMES = {
    FailureKind.GRADER: claim_log.FAILED,
    FailureKind.INFRASTRUCTURE: claim_log.INTERRUPTED,
    FailureKind.UNGRADABLE: claim_log.UNGRADABLE,
}


@dataclass(frozen=True, slots=True)
class Named:
    """A claim as it was found, without a lock."""

    claim_id: UUID
    submission_id: int
    key: str | None
    """None where the job was given up or cancelled."""
    grader: str
    status: str
    queue_name: str
    points_possible: float
    points_known: bool

    @property
    def is_cancelled(self) -> bool:
        return self.status == Status.RETIRED and not self.key

    def require_key(self) -> str:
        """The key for a result. Raises NotAllowed."""
        if not self.key:
            raise NotAllowed(CANCELLED_JOB if self.is_cancelled else FAILED_JOB)
        return self.key


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a heartbeat is answered."""

    expires_at: datetime
    now: datetime
    seconds: int
    """The claim's length."""
    is_cancelled: bool
    """The grader is to stop: the lease was not renewed."""


def find_named(claim_id: UUID, grader: str) -> Named:
    """The claim of this name. Raises LeaseLost, whatever the reason that it is no claim of `grader`."""
    connection = connections[router.db_for_write(Job)]
    connection.ensure_connection()
    row = sql.row(connection, FIND, {"claim_id": CLAIM_ID.get_db_prep_value(claim_id, connection)})
    if row is None or row[2] != grader:
        raise LeaseLost
    submission_id, key, _, status, queue_name, possible, is_known = row
    points = whole(possible) or 0
    return Named(claim_id, submission_id, key, grader, status, queue_name, points, bool(is_known))


def find_all_named(claim_ids: Sequence[UUID], grader: str) -> dict[UUID, Named]:
    """The same for several; what is no claim of `grader` has no entry."""
    if len(claim_ids) == 1:
        with suppress(LeaseLost):
            return {claim_ids[0]: find_named(claim_ids[0], grader)}
        return {}
    columns = ("claim_id", "submission_id", "pullkey", "grader", "status", "queue_name", "points_possible")
    rows = Job.objects.filter(claim_id__in=claim_ids).order_by().values_list(*columns, "points_known")
    return {row[0]: Named(*row) for row in rows if row[3] == grader}


CLAIM_ID = Job._meta.get_field("claim_id")
# Each result begins with this.
FIND = """SELECT submission_id, pullkey, grader, status, queue_name, points_possible, points_known
FROM submissions_externalgraderdetail WHERE claim_id = %(claim_id)s"""


def note_claims(jobs: Iterable[ClaimedJob], *, seconds: int | None, worker: str) -> None:
    """Keep what a grader asked for with its claims: how long they are, and which program holds them (JSON)."""
    rows = [
        ClaimNote(job_id=job.pk, claim_id=job.claim_id, lease_seconds=seconds, worker=worker, phase="")
        for job in jobs
        if job.claim_id is not None
    ]
    changed = ["claim_id", "lease_seconds", "worker", "phase", "progress", "expired_at"]
    # MySQL finds the row by itself, and takes no names.
    found_by: Any = {} if connections[router.db_for_write(ClaimNote)].vendor == "mysql" else {"unique_fields": ["job"]}
    ClaimNote.objects.bulk_create(rows, update_conflicts=True, update_fields=changed, **found_by)


def _lock(claim_id: UUID, grader: str) -> LockedJob:
    """The job's row, locked, where the claim is known. Raises LeaseLost."""
    locked = moves.lock(find_named(claim_id, grader).submission_id)
    if locked.row.claim_id != claim_id or locked.row.grader != grader:
        raise LeaseLost
    return locked


def _is_cancelled(job: Job) -> bool:
    """Raises AlreadyGraded where it has its score."""
    if job.status == Status.RETIRED and job.pullkey:
        raise AlreadyGraded
    return job.status == Status.RETIRED


@verb
def renew(
    claim_id: UUID, grader: str, *, seconds: int | None = None, progress: float | None = None, phase: str | None = None
) -> Renewed | QueueError:
    """A heartbeat: the lease begins anew, `seconds` or else as long as the claim was made for.

    Raises LeaseLost, AlreadyGraded, NotAllowed (the claim has ended without a score).
    """
    locked = _lock(claim_id, grader)
    job = locked.row
    note = ClaimNote.objects.filter(job=job, claim_id=claim_id).first() or ClaimNote(job=job, claim_id=claim_id)
    queue = settings.settings_of(job.queue_name)
    length = Terms(seconds or note.lease_seconds).lease(queue)
    if _is_cancelled(job):
        return Renewed(note.expired_at or locked.now, locked.now, length, is_cancelled=True)
    if job.status != Status.PULLED:
        raise NotAllowed(FAILED_JOB if job.status == Status.FAILED else ENDED_CLAIM)
    if progress is not None or phase is not None:
        note.progress = note.progress if progress is None else progress
        note.phase = note.phase if phase is None else phase
        note.save()
    deadline = queue.deadline(job.pulled_at or locked.now)
    if locked.now >= deadline:
        return Renewed(job.available_at or locked.now, locked.now, length, is_cancelled=True)
    until = min(locked.now + timedelta(seconds=length), deadline)
    moves.move(locked, Status.PULLED, available_at=until)
    return Renewed(until, locked.now, length, is_cancelled=False)


@verb
def report_failure(
    claim_id: UUID, grader: str, kind: FailureKind, *, reason: str, retry_after_seconds: int = 0
) -> Job | QueueError:
    """End the claim without a score, for one of three reasons; the job's row afterwards.

    The same again is told once, and answered alike; of a cancelled job nothing changes. Raises LeaseLost,
    AlreadyGraded, NotAllowed (the claim has ended in another way).
    """
    locked = _lock(claim_id, grader)
    job = locked.row
    if _is_cancelled(job):
        return job
    if job.status != Status.PULLED:
        last = claim_log.of(job)[-1:]
        if not last or last[0].outcome != OUTCOMES[kind]:
            raise NotAllowed(FAILED_JOB if job.status == Status.FAILED else ENDED_CLAIM)
        return job
    queue = settings.settings_of(job.queue_name)
    if kind == FailureKind.GRADER:
        moves.count_failure(locked, queue, reason, None, retry_after_seconds)
    elif kind == FailureKind.INFRASTRUCTURE:
        moves.interrupt(locked, queue, claim_log.INTERRUPTED, reason, retry_after_seconds)
    else:
        moves.refuse(locked, queue, reason)
    return job


@verb
def give_back(claim_id: UUID, grader: str) -> None:
    """Release the claim, where there is one of this name; the job is due at once, and nothing is counted, but for
    `moves.IN_A_ROW` of them in a row."""
    try:
        locked = _lock(claim_id, grader)
    except QueueError:
        return
    if locked.row.status == Status.PULLED:
        moves.interrupt(locked, settings.settings_of(locked.row.queue_name), claim_log.RELEASED)
