"""The moves of a job. Every change of a job's state is one of these functions, in one transaction.

    enqueue --> pending --claim--> pulled --complete--> retired
                   ^                |  ^
                   |          fail  |  | claim          (a lease that ran out is claimable again)
                   |                v  |
         retry,    |               retry
        operator   |                |  too many failures
                   +---- failed <---+

`supersede` and `retire` end a job without a score; `release` ends a claim without a failure. ``docs/states.md`` has
the table of moves, ``tests/queue/test_states.py`` runs each of them.

A job is known to all callers by the id of its submission. A *key* proves a claim: each claim draws a new one, and it
is good until the next claim or until the job is given up. Time is the database's, read with the lock.

The usual claim and the usual result are one statement each (`queue.fast`); what is rare about them is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, router

from submissions import files as stored_files
from submissions import signals, sql
from submissions.conf import conf
from submissions.errors import AlreadyGraded, BadReply, LeaseLost, QueueError, QueueFull, UnknownQueue
from submissions.models import DELETED, ExternalGraderDetail, GraderQueue, Status, Submission
from submissions.queue import claim_log, fast, grants, line, moves, owed, scoring, settings, sightings
from submissions.queue.grants import names_for
from submissions.queue.line import first_ids, waiting_since
from submissions.queue.owed import create_delivery, host_of, key_of
from submissions.queue.records import ClaimedJob, GradedJob, QueueView
from submissions.queue.settings import forget, known_settings, names_of_pushed, settings_of
from submissions.queue.transactions import graders_verb, verb
from submissions.serializers import validated_job

Job = ExternalGraderDetail

# What other rooms may use: the verbs, and these. Nobody outside imports the modules behind them (`.importlinter`).
__all__ = [
    "ENDED",
    "ClaimedJob",
    "GradedJob",
    "claim",
    "complete",
    "create_delivery",
    "depth",
    "enqueue",
    "fail",
    "first_ids",
    "forget",
    "host_of",
    "key_of",
    "known_settings",
    "make_job",
    "names_for",
    "names_of_pushed",
    "release",
    "release_lease",
    "retire",
    "retry",
    "settings_of",
    "supersede",
    "take",
    "waiting_since",
]

# Kept with a job that an operator ended or released, where there is no other reason.
ENDED = "Ended by an operator."
RELEASED = "Released by an operator."


@verb
def enqueue(submission: Submission, queue_name: str, **given: Any) -> Job | QueueError:
    """Make the job of `submission`, with all its files, or nothing at all. Takes and raises what `make_job` does."""
    return make_job(submission, queue_name, **given)


def make_job(
    submission: Submission,
    queue_name: str,
    *,
    known: GraderQueue | None = None,
    files: Mapping[str, object] | None = None,
    kept: Mapping[str, object] | None = None,
    arrived: datetime | None = None,
    **fields: object,
) -> Job:
    """The same, for who has a transaction open already, and undoes it where this raises.

    `fields`: queue_key, grader_file_name, points_possible, grader_payload, student_info. `files` maps the learner's
    file names to bytes, text, or anything that can be read. `kept`: further columns, checked by the caller: body,
    points_known, file_links. `arrived`: when it came, if it waited elsewhere before; its place in the queue. `known`:
    the queue's settings, where the caller has them. Raises SubmissionRequestError, ExternalGraderQueueEmptyError,
    InvalidFileTypeError, FileProcessingError, UnknownQueue, QueueFull.
    """
    values = validated_job(queue_name=queue_name, **fields)
    queue = known or settings.for_enqueue(values["queue_name"])
    _require_room(queue, submission)
    now = sql.now(connections[router.db_for_write(Job)])
    came = min(arrived or now, now)
    due = came + timedelta(seconds=queue.initial_delay_seconds)
    job = Job(submission=submission, available_at=due, created_at=came, status_time=now, **values, **(kept or {}))
    job.save(force_insert=True)
    if files:
        stored_files.store(job, files, queue)
    owed.owe(job, queue)
    if queue.supersede:
        supersede(job)
    signals.announce(signals.job_enqueued, job=job)
    return job


def claim(queue_name: str, *, grader: str, limit: int = 1, pushing: bool = False) -> list[ClaimedJob]:
    """Hand out up to `limit` jobs to the account `grader`; an empty list where nothing is due.

    `pushing`: for a grader that is sent its jobs; nobody else gets those of its queue. Raises UnknownQueue.
    """
    queue = grants.for_push(queue_name, grader) if pushing else grants.for_grader(queue_name, grader)
    sightings.note_poll(queue, grader)
    if queue.row.paused or pushing != bool(queue.row.push_url):
        return []
    taken = fast.claim(queue, grader) if limit == 1 else None
    if taken is None:
        # A look before the lock: most polls find nothing, and need no transaction to say so.
        return [] if line.is_empty(queue, grader) else _claim(queue, grader, limit)
    for job in taken:
        signals.announce(signals.job_claimed, job=job)
    return taken


@verb
def _claim(queue: QueueView, grader: str, limit: int) -> list[ClaimedJob]:
    taken: list[ClaimedJob] = []
    while len(taken) < limit:
        due = line.lock_due(queue, grader, limit - len(taken))
        if not due:
            break
        # Each row that is not handed out leaves the index that the claim walks, so this ends.
        moves.attach_submissions([locked.row for locked, _ in due])
        for locked, has_files in due:
            if moves.hand_out(locked, queue.row, grader):
                job = ClaimedJob.of(locked.row, has_files=has_files)
                signals.announce(signals.job_claimed, job=job)
                taken.append(job)
    return taken


@graders_verb
def complete(submission_id: int, key: str, *, score: object, reply: str) -> GradedJob:
    """End a claim with a score. `score` is what the reply says, `reply` the grader's text, kept verbatim.

    The same reply again with the same key is the same result. Raises UnknownJob, LeaseLost, AlreadyGraded, and
    BadReply for what is no score in this queue: the failure is then already counted.
    """
    done, was_lost = None, False
    try:
        done = fast.complete(submission_id, key, score=score, reply=reply)
    except fast.AnswerLost:
        was_lost = True
    if done is None:
        done = _complete(submission_id, key, score, reply)
        if not was_lost or done.is_new:
            return done
    # Also where the statement was committed and its answer lost: told twice is better than never.
    scoring.announce(done)
    return done


@verb
def _complete(submission_id: int, key: str, score: object, reply: str) -> GradedJob | QueueError:
    locked = moves.lock_held(submission_id, key)
    job = locked.row
    moves.attach_submissions([job])
    if job.status == Status.RETIRED:
        return scoring.graded_before(job) if moves.is_same_reply(job.grader_reply, reply) else AlreadyGraded()
    if job.submission.status == DELETED:
        moves.retire(locked, "The submission was deleted.")
        return LeaseLost("The submission was deleted; nobody waits for its result.")
    queue = settings.settings_of(job.queue_name)
    try:
        points = queue.points(score, job.points_possible if job.points_known else None)
    except BadReply as bad:
        moves.count_failure(locked, queue, str(bad), reply)
        return bad
    possible = scoring.possible_for(points, job.points_possible, known=job.points_known)
    scoring.record(job.submission, points, possible)
    noted = claim_log.note(job, locked.now, claim_log.COMPLETED)
    ended = {"returned_at": locked.now, "pulls": noted, "available_at": None, "last_error": None}
    moves.move(locked, Status.RETIRED, grader_reply=reply, **ended)
    done = GradedJob.of(job, points, possible, is_owed=owed.scored(locked, points, queue))
    scoring.announce(done)
    return done


@graders_verb
@verb
def fail(submission_id: int, key: str, *, reason: str, reply: str | None = None) -> Job | QueueError:
    """End a claim without a score: try again later, or give up at the queue's limit.

    `reason` is for the operator; `reply` is kept, if there was one. Counted once per claim, however often it is said.
    Raises UnknownJob, LeaseLost, AlreadyGraded.
    """
    locked = moves.lock_held(submission_id, key)
    if locked.row.status == Status.RETIRED:
        raise AlreadyGraded
    moves.count_failure(locked, settings.settings_of(locked.row.queue_name), reason, reply)
    return locked.row


@graders_verb
@verb
def release(submission_id: int, key: str, *, reason: str = "") -> Job | QueueError:
    """Give a claimed job back, uncounted; it is due at once. `reason` is for the operator.

    Raises UnknownJob, LeaseLost, AlreadyGraded.
    """
    locked = moves.lock_held(submission_id, key)
    if locked.row.status == Status.RETIRED:
        raise AlreadyGraded
    if locked.row.status == Status.PULLED:
        moves.let_go(locked, reason)
    return locked.row


@verb
def release_lease(submission_id: int) -> Job | QueueError:
    """Take a job away from the grader that holds it, for an operator. Raises UnknownJob, NotAllowed."""
    locked = moves.lock(submission_id)
    moves.require(locked, "released", Status.PULLED)
    moves.let_go(locked, RELEASED)
    return locked.row


@verb
def take(submission_id: int, *, grader: str) -> Job | QueueError:
    """Claim this one waiting job, out of turn: its result is there already. Raises UnknownJob, NotAllowed."""
    locked = moves.lock(submission_id)
    moves.require(locked, "taken", *Status.waiting())
    moves.attach_submissions([locked.row])
    moves.hand_out(locked, settings.settings_of(locked.row.queue_name), grader)
    return locked.row


@verb
def retry(submission_id: int) -> Job | QueueError:
    """Put a failed job back, failures cleared, for an operator. Raises UnknownJob, NotAllowed."""
    locked = moves.lock(submission_id)
    moves.require(locked, "retried", Status.FAILED)
    noted = claim_log.note(locked.row, locked.now, claim_log.RETRIED, claim=False)
    moves.move(locked, Status.PENDING, available_at=locked.now, num_failures=0, pullkey=None, pulls=noted)
    owed.take_back(locked.row)
    signals.announce(signals.job_retried, job=locked.row)
    return locked.row


@verb
def retire(submission_id: int, reason: str = ENDED) -> Job | QueueError:
    """End an unfinished job without a score, for an operator; `reason` is kept. Raises UnknownJob, NotAllowed."""
    locked = moves.lock(submission_id)
    moves.require(locked, "retired", *Status.unfinished())
    moves.retire(locked, reason, settings.settings_of(locked.row.queue_name))
    return locked.row


@verb
def supersede(newer: Job, *, called_back_at: str | None = None) -> int | QueueError:
    """Retire the waiting jobs of the same learner at the same item that are older than `newer`; how many.

    `called_back_at`: only those whose result goes to this destination (its key, see `key_of`).
    What another transaction holds is passed over: it is being claimed or finished, so it no longer waits.
    """
    older = Job.objects.waiting().filter(
        submission__student_item_id=newer.submission.student_item_id, submission_id__lt=newer.submission_id
    )
    if called_back_at is not None:
        older = older.filter(deliveries__destination_key=called_back_at)
    waiting = moves.lock_waiting(list(older.values_list("pk", flat=True)))
    for locked in waiting:
        moves.retire(locked, f"Superseded by submission {newer.submission_id}.")
    return len(waiting)


def depth(queue_name: str, *, grader: str | None = None) -> int:
    """How many jobs a claim would find now. Raises UnknownQueue, also where `grader` may not know of the queue."""
    queue = QueueView(settings.settings_of(queue_name)) if grader is None else grants.for_grader(queue_name, grader)
    if queue.row.pk is None:
        raise UnknownQueue
    if queue.row.paused or (grader is not None and queue.row.push_url):
        return 0
    return int(line.claimable(queue.name, grader or "", others=queue.others).count())


def _require_room(queue: GraderQueue, submission: Submission) -> None:
    """Raises QueueFull. Nothing is locked for it: enqueues at the same time may go over the cap by their number."""
    if not (conf.QUEUE_MAX_WAITING or conf.STUDENT_MAX_WAITING):
        return
    waiting = Job.objects.waiting().filter(queue_name=queue.name).order_by()
    of_student = waiting.filter(submission__student_item__student_id=submission.student_item.student_id)
    for rows, most, whose in (
        (waiting, int(conf.QUEUE_MAX_WAITING), ""),
        (of_student, int(conf.STUDENT_MAX_WAITING), " of this student"),
    ):
        # Never more than `most` entries of the index are read, however many wait.
        if most and len(rows.values_list("pk", flat=True)[:most]) >= most:
            waiting_jobs = f"1 job{whose} waits" if most == 1 else f"{most} jobs{whose} wait"
            raise QueueFull(f"Queue {queue.name!r} is full: {waiting_jobs} already. Try again later.")
