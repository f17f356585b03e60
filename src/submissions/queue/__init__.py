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

What graders do to a job stands here; what is done to one that somebody else may hold, by operators and for platforms,
in `queue.interventions`. The usual claim and result are one statement each (`queue.fast`); the rare ones, these verbs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connections, router

from submissions import files as stored_files
from submissions import signals, sql
from submissions.errors import AboveShare, AlreadyGraded, BadReply, LeaseLost, QueueError, UnknownQueue
from submissions.models import DELETED, ExternalGraderDetail, GraderQueue, ScoreMeaning, Status, Submission
from submissions.queue import (
    batch,
    claim_log,
    fast,
    grants,
    lateness,
    limits,
    line,
    moves,
    owed,
    scoring,
    settings,
    sightings,
)
from submissions.queue.draining import drain, undrain
from submissions.queue.grants import names_for, require_known
from submissions.queue.interventions import ENDED, cancel, move_to, release_lease, retire, retry, supersede, take
from submissions.queue.line import first_ids, waiting_since
from submissions.queue.moves import NO_TERMS
from submissions.queue.named import (
    FailureKind,
    Named,
    find_all_named,
    find_named,
    give_back,
    note_claims,
    renew,
    report_failure,
)
from submissions.queue.owed import create_delivery, host_in, host_of, key_of
from submissions.queue.owed import has_usual as has_usual_deliveries
from submissions.queue.records import ClaimedJob, Given, GradedJob, QueueView, Terms, late_seconds
from submissions.queue.settings import forget, kept_name, known_settings, names_of_pushed, settings_of
from submissions.queue.sightings import note_incomplete
from submissions.queue.transactions import graders_verb, verb
from submissions.serializers import validated_job

Job = ExternalGraderDetail

# What other rooms may use: the verbs, and these. Nobody outside imports the modules behind them (`.importlinter`).
__all__ = [
    "ENDED",
    "ClaimedJob",
    "FailureKind",
    "Given",
    "GradedJob",
    "Named",
    "Terms",
    "cancel",
    "claim",
    "claim_from",
    "complete",
    "complete_together",
    "create_delivery",
    "depth",
    "drain",
    "enqueue",
    "fail",
    "find_all_named",
    "find_named",
    "first_ids",
    "forget",
    "give_back",
    "has_usual_deliveries",
    "host_in",
    "host_of",
    "kept_name",
    "key_of",
    "known_settings",
    "make_job",
    "move_to",
    "names_for",
    "names_of_pushed",
    "note_claims",
    "note_incomplete",
    "release",
    "release_lease",
    "renew",
    "report_failure",
    "require_known",
    "retire",
    "retry",
    "settings_of",
    "supersede",
    "take",
    "undrain",
    "waiting_since",
]


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
    account: str | None = None,
    **fields: object,
) -> Job:
    """The same, for who has a transaction open already, and undoes it where this raises.

    `fields`: queue_key, grader_file_name, points_possible, grader_payload, student_info. `files` maps the learner's
    file names to bytes, text, or anything that can be read. `kept`: further columns, checked by the caller: body,
    points_known, file_links. `arrived`: when it came, if it waited elsewhere before; its place in the queue. `known`:
    the queue's settings, where the caller has them. `account`: who submitted it over HTTP. Raises
    SubmissionRequestError, ExternalGraderQueueEmptyError, InvalidFileTypeError, FileProcessingError, UnknownQueue,
    QueueFull.
    """
    values = validated_job(queue_name=queue_name, **fields)
    queue = known or settings.for_enqueue(values["queue_name"])
    values["queue_name"] = queue.name  # MySQL also finds it by its name in another case
    limits.require_room(queue, submission)
    now = sql.now(connections[router.db_for_write(Job)])
    came = min(arrived or now, now)
    due = came + timedelta(seconds=queue.initial_delay_seconds)
    job = Job(submission=submission, available_at=due, created_at=came, status_time=now, **values, **(kept or {}))
    job.save(force_insert=True)
    if files:
        stored_files.store(job, files, queue)
    owed.owe(job, queue, account)
    if queue.supersede:
        supersede(job, account=account)
    signals.announce(signals.job_enqueued, job=job)
    return job


def claim(
    queue_name: str, *, grader: str, limit: int = 1, pushing: bool = False, terms: Terms = NO_TERMS
) -> list[ClaimedJob]:
    """Hand out up to `limit` jobs to the account `grader`; an empty list where nothing is due, or all of it only ends.

    `pushing`: for a grader that is sent its jobs; nobody else gets those of its queue. Raises UnknownQueue.
    """
    queue = grants.for_push(queue_name, grader) if pushing else grants.for_grader(queue_name, grader)
    sightings.note_poll(queue, grader)
    if queue.row.paused or queue.is_drained or pushing != bool(queue.row.push_url):
        return []
    taken = fast.claim(queue, grader, terms) if limit == 1 and terms.room is None else None
    if taken is None:
        return [] if line.is_empty(queue, grader) else _claim(queue, grader, limit, terms)  # a look before the lock
    for job in taken:
        signals.announce(signals.job_claimed, job=job)
    return taken


_claim = verb(batch.claim)


def claim_from(queue_names: Sequence[str], *, grader: str, limit: int, terms: Terms = NO_TERMS) -> list[ClaimedJob]:
    """Claim from the first of these queues that has jobs, and on from the next ones. Raises UnknownQueue."""
    for name in queue_names if len(queue_names) > 1 else ():
        grants.for_grader(name, grader)  # what is refused must be so before a job is taken: nobody would be told of it
    return batch.collect(queue_names, limit, terms, partial(claim, grader=grader))


def complete(
    submission_id: int,
    key: str,
    *,
    score: object,
    reply: str,
    meaning: ScoreMeaning | None = None,
    result: str | None = None,
    digest: str = "",
) -> GradedJob:
    """End a claim with a score. `score` is what the reply says, `reply` the grader's text, kept verbatim; the rest is
    as in `Given`.

    The same reply again with the same key is the same result. Raises UnknownJob, LeaseLost, AlreadyGraded, and
    BadReply for what is no score in this queue: the failure is then already counted.
    """
    return _complete_one(submission_id, key, Given(score, reply, meaning, result, digest))


def complete_together(results: Sequence[tuple[int, str, Given]]) -> list[GradedJob | QueueError]:
    """Several results, each by itself: what `complete` returns or raises for each of them, in this order."""
    return batch.complete(results, _complete_one, _tell)


@graders_verb
def _complete_one(submission_id: int, key: str, given: Given, *, was_lost: bool = False) -> GradedJob:
    """`was_lost`: whether this result was sent before, and nobody said whether it was stored."""
    try:
        if done := fast.complete(submission_id, key, given):
            return _tell(done)
    except fast.AnswerLost:
        was_lost = True
    done = _complete(submission_id, key, given)
    # Where it is found stored, nobody may have been told: twice is better than never.
    return _tell(done, announce=was_lost and not done.is_new)


def _tell(done: GradedJob, *, announce: bool = True) -> GradedJob:
    if announce:
        scoring.announce(done)
    lateness.note_accepted(done)
    return done


@verb
def _complete(submission_id: int, key: str, given: Given) -> GradedJob | QueueError:
    locked = moves.lock(submission_id)
    job = locked.row
    if not moves.is_held(locked, key):
        lateness.note_refused(locked, key)
        return LeaseLost()
    moves.attach_submissions([job])
    if job.status == Status.RETIRED:
        return scoring.graded_before(job) if given.is_same(job) else AlreadyGraded()
    if job.submission.status == DELETED:
        moves.retire(locked, "The submission was deleted.")
        return LeaseLost("The submission was deleted; nobody waits for its result.")
    queue = settings.settings_of(job.queue_name)
    try:
        points = queue.points(given.score, job.points_possible if job.points_known else None, given.meaning)
    except BadReply as bad:
        moves.count_failure(locked, queue, str(bad), given.reply)
        if isinstance(bad, AboveShare):
            sightings.note_points(job.queue_name, locked.now)
        return bad
    possible = scoring.possible_for(points, job.points_possible, known=job.points_known)
    scoring.record(job.submission, points, possible)
    late, noted = late_seconds(job, locked.now), claim_log.note(job, locked.now, claim_log.COMPLETED)
    ended = {"returned_at": locked.now, "pulls": noted, "available_at": None, "last_error": None}
    moves.move(locked, Status.RETIRED, **ended, **given.columns())
    done = GradedJob.of(job, points, possible, is_owed=owed.scored(locked, points, queue), late_seconds=late)
    scoring.announce(done)
    return done


@graders_verb
@verb
def fail(submission_id: int, key: str, *, reason: str, reply: str | None = None) -> Job | QueueError:
    """End a claim without a score: try again later, or give up at the queue's limit.

    `reason` is for the operator; `reply` is kept, if there was one. Counted once per claim, however often it is said.
    Raises UnknownJob, LeaseLost, AlreadyGraded.
    """
    locked = moves.lock(submission_id)
    if not moves.is_held(locked, key):
        lateness.note_refused(locked, key)
        return LeaseLost()
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


def depth(queue_name: str, *, grader: str | None = None) -> int:
    """How many jobs a claim would find now. Raises UnknownQueue, also where `grader` may not know of the queue."""
    queue = QueueView(settings.settings_of(queue_name)) if grader is None else grants.for_grader(queue_name, grader)
    if queue.row.pk is None:
        raise UnknownQueue
    if queue.row.paused or queue.is_drained or (grader is not None and queue.row.push_url):
        return 0
    return int(line.claimable(queue.name, grader or "", others=queue.others).count())
