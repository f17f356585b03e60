"""What operators, and platforms for their learners, do to a job that somebody else may hold: no key is asked for."""

from __future__ import annotations

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_noop

from submissions.errors import AlreadyGraded, NotAllowed, QueueError
from submissions.models import ClaimNote, Delivery, ExternalGraderDetail, Status, SubmitRequest
from submissions.queue import moves, settings
from submissions.queue.transactions import verb

Job = ExternalGraderDetail

# Kept with the job as the reason, where there is no other.
CANCELLED = "Cancelled by its platform."
ENDED = "Ended by an operator."
RELEASED = "Released by an operator."
UPDATED = "Moved by the platform's own code (update_status)."

# Why a move is refused.
ONLY_PULLED = gettext_noop("Submission %(id)s is %(state)s; only pulled can be released.")
ONLY_WAITING = gettext_noop("Submission %(id)s is %(state)s; only pending or retry can be taken.")
ONLY_FAILED = gettext_noop("Submission %(id)s is %(state)s; only failed can be retried.")
ONLY_UNFINISHED = gettext_noop(
    "Submission %(id)s is %(state)s; only pending or pulled or failed or retry can be retired."
)


@verb
def release_lease(submission_id: int) -> Job | QueueError:
    """Take a job away from the grader that holds it, for an operator. Raises UnknownJob, NotAllowed."""
    locked = moves.lock(submission_id)
    moves.require(locked, ONLY_PULLED, Status.PULLED)
    moves.let_go(locked, RELEASED)
    return locked.row


@verb
def take(submission_id: int, *, grader: str) -> Job | QueueError:
    """Claim this one waiting job, out of turn: its result is there already. Raises UnknownJob, NotAllowed."""
    locked = moves.lock(submission_id)
    moves.require(locked, ONLY_WAITING, *Status.waiting())
    moves.attach_submissions([locked.row])
    moves.hand_out(locked, settings.settings_of(locked.row.queue_name), grader)
    return locked.row


@verb
def retry(submission_id: int) -> Job | QueueError:
    """Put a failed job back, failures cleared, for an operator. Raises UnknownJob, NotAllowed."""
    locked = moves.lock(submission_id)
    moves.require(locked, ONLY_FAILED, Status.FAILED)
    moves.put_back(locked)
    return locked.row


@verb
def retire(submission_id: int, reason: str = ENDED) -> Job | QueueError:
    """End an unfinished job without a score, for an operator; `reason` is kept. Raises UnknownJob, NotAllowed."""
    locked = moves.lock(submission_id)
    moves.require(locked, ONLY_UNFINISHED, *Status.unfinished())
    moves.retire(locked, reason, settings.settings_of(locked.row.queue_name))
    return locked.row


@verb
def move_to(submission_id: int, status: str) -> Job | QueueError:
    """What edx-submissions' `update_status` asks for, by the name of the next status and without a key.

    Raises UnknownJob, NotAllowed.
    """
    locked = moves.lock(submission_id)
    job = locked.row
    if not job.can_transition_to(status):
        raise NotAllowed(f"Invalid status transition from {job.status} to {status}")
    queue = settings.settings_of(job.queue_name)
    if status == Status.PULLED:
        moves.attach_submissions([job])
        if not moves.hand_out(locked, queue, grader=""):
            return NotAllowed("The submission was deleted; nobody waits for its result.")
    elif status == Status.PENDING:
        moves.put_back(locked)
    elif status == Status.RETIRED:
        moves.retire(locked, UPDATED)
    else:
        moves.count_failure(locked, queue, UPDATED, None, given_up=status == Status.FAILED)
    return job


@verb
def cancel(submission_id: int, reason: str = CANCELLED) -> tuple[Job, bool] | QueueError:
    """End the job at once, without a score; its row, and whether it was this call that ended it.

    Raises UnknownJob, AlreadyGraded.
    """
    locked = moves.lock(submission_id)
    job = locked.row
    if job.status == Status.RETIRED:
        if not job.last_error:
            raise AlreadyGraded
        return job, False
    if job.status == Status.PULLED and job.claim_id is not None:
        # The grader is told the end of its lease as it was.
        ClaimNote.objects.update_or_create(job=job, defaults={"claim_id": job.claim_id, "expired_at": job.available_at})
    moves.retire(locked, reason, settings.settings_of(job.queue_name), claim_id=job.claim_id)
    return job, True


@verb
def supersede(newer: Job, *, called_back_at: str | None = None, account: str | None = None) -> int | QueueError:
    """Retire the waiting jobs of the same learner at the same item that are older than `newer`; how many.

    `called_back_at`: only those whose result goes to this destination (its key, see `key_of`). `account`: who submitted
    `newer` over HTTP. What another account submitted stays: two platforms may call a learner and an item alike.
    What another transaction holds is passed over: it is being claimed or finished, so it no longer waits.
    """
    older = Job.objects.waiting().filter(
        submission__student_item_id=newer.submission.student_item_id, submission_id__lt=newer.submission_id
    )
    # Nearly always: and whose they are is a question that takes a server longer to plan than to answer.
    if not older.exists():
        return 0
    for rows in (SubmitRequest.objects.all(), Delivery.objects.filter(account__isnull=False)):
        others = rows if account is None else rows.exclude(account=account)
        older = older.exclude(Exists(others.filter(job=OuterRef("pk"))))
    if called_back_at is not None:
        older = older.filter(deliveries__destination_key=called_back_at)
    waiting = moves.lock_waiting(list(older.values_list("pk", flat=True)))
    for locked in waiting:
        moves.retire(locked, f"Superseded by submission {newer.submission_id}.")
    return len(waiting)
