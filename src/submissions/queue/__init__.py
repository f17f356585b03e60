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
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

from django.db import connections, router
from django.db.models import Case, Exists, F, OuterRef, When
from django.db.models.signals import post_save
from django.utils.crypto import constant_time_compare

from submissions import files as stored_files
from submissions import prepared, signals, writes
from submissions.conf import conf
from submissions.errors import (
    AlreadyGraded,
    BadReply,
    LeaseLost,
    NotAllowed,
    QueueError,
    QueueFull,
    UnknownJob,
    UnknownQueue,
)
from submissions.models import (
    DELETED,
    ClaimEnd,
    ClaimOutcome,
    DatabaseNow,
    Delivery,
    DeliveryState,
    ExternalGraderDetail,
    GraderQueue,
    Score,
    Status,
    Submission,
    SubmissionFile,
)
from submissions.models.score import heard_by_others
from submissions.queue import claim_log, owed, registry
from submissions.queue.transactions import in_one_statement, in_transaction
from submissions.serializers import validated_job

Job = ExternalGraderDetail

_IS_THERE = Exists(Submission.objects.filter(pk=OuterRef("submission_id")))
_HAS_FILES = Exists(SubmissionFile.objects.filter(external_grader=OuterRef("pk")))

# Each column costs both sides more than its bytes: it is named, converted and stored with every claim.
UNREAD_BY_GRADERS = (
    *("queue_key", "status_time", "available_at", "returned_at", "num_failures", "points_known"),
    *(f"submission__{name}" for name in ("uuid", "attempt_number", "submitted_at", "created_at", "team_submission")),
    *(f"submission__student_item__{name}" for name in ("course_id", "item_id", "item_type")),
)


@in_transaction
def enqueue(
    submission: Submission,
    queue_name: str,
    *,
    files: Mapping[str, Any] | None = None,
    kept: Mapping[str, Any] | None = None,
    arrived: datetime | None = None,
    **fields: Any,
) -> Job:
    """Make the job of `submission`: all of it, with all its files, or nothing.

    `fields`: queue_key, grader_file_name, points_possible, grader_payload, student_info. `files` maps the learner's
    file names to bytes, text, or anything that can be read. `kept`: further columns, checked by the caller: body,
    points_known, file_links. `arrived`: when it came, if it waited elsewhere before; its place in the queue.
    Raises SubmissionRequestError, ExternalGraderQueueEmptyError, InvalidFileTypeError, FileProcessingError, QueueFull.
    """
    values = validated_job(queue_name=queue_name, **fields)
    queue = registry.for_enqueue(values["queue_name"])
    _require_room(queue, submission)
    came = min(arrived or queue.now, queue.now)
    due = came + timedelta(seconds=queue.initial_delay_seconds)
    job = Job(submission=submission, available_at=due, created_at=came, status_time=queue.now, **values, **(kept or {}))
    job.save(force_insert=True)
    stored_files.store(job, stored_files.fitting(files or {}, queue))
    owed.owe(job, queue)
    if queue.supersede:
        supersede(job)
    signals.announce(signals.job_enqueued, job=job)
    return job


def claim(queue_name: str, *, grader: str, limit: int = 1, pushing: bool = False) -> list[Job]:
    """Hand out up to `limit` jobs to the account `grader`; an empty list where nothing is due.

    `pushing`: for a grader that is sent its jobs; nobody else gets those of its queue. The jobs come with
    ``submission`` and its ``student_item``. Raises UnknownQueue.
    """
    queue = registry.for_push(queue_name, grader) if pushing else registry.for_grader(queue_name, grader)
    if queue.pk:
        registry.note_poll(queue, grader)
    if queue.paused or pushing != bool(queue.push_url):
        return []
    # A look before the lock: most polls find nothing, and need no transaction to say so.
    if not registry.seems_busy(queue_name) and not _due(queue, grader, limit=1, lock=False):
        return []
    since = registry.claimed_since(queue.name, grader)
    plainly = _claim_plainly(queue, grader, since) if limit == 1 else []
    taken = plainly or _claim(queue, grader, limit)
    registry.note_busy(queue_name, busy=bool(taken))
    registry.note_claimed(queue_name, grader, plainly[0].created_at if plainly else None, since)
    return taken


@in_one_statement
def _claim_plainly(queue: Any, grader: str, since: datetime | None) -> list[Job]:
    """What `_claim` does, for the plain case and where the database can be told all of it at once (ADR 0092): the
    next job was never lost by anybody, and its submission is there. An empty list where it is not so."""
    if not prepared.can_fetch_changed(Job):
        return []

    def pick(name: str, grader: str, since: datetime | None = None, **_: Any) -> Any:
        jobs = _claimable(name, grader, others=queue.others).select_for_update(skip_locked=True)
        return jobs if since is None else jobs.filter(available_at__gte=since)

    def change(picked: Any, grader: str, key: str, **_: Any) -> tuple[Any, dict[str, Any]]:
        # One value, not IN: PostgreSQL may run a subquery with a lock more than once for that.
        rows = Job.objects.waiting().filter(_IS_THERE, pk=picked)
        return rows, {
            "status": Status.PULLED,
            "status_time": DatabaseNow(),
            "pullkey": key,
            "available_at": DatabaseNow() + timedelta(seconds=queue.lease),
            "pulled_at": DatabaseNow(),
            "grader": grader,
            "num_pulls": F("num_pulls") + 1,
        }

    values = {"name": queue.name, "grader": grader, "key": secrets.token_urlsafe(32)}
    # What was claimed before may still stand at the index's beginning, for the database to step over (ADR 0095).
    values |= {} if since is None else {"since": since}
    name = ("claim", queue.others, queue.lease, since is None)
    taken = prepared.fetch_changed(name, Job, _handed_with_job, pick, change, **values)
    for job in taken:
        signals.announce(signals.job_claimed, job=job)
    return taken


def _handed_with_job(key: Any, **_: Any) -> Any:
    jobs = Job.objects.order_by().filter(pullkey=key).select_related("submission__student_item")
    jobs = jobs.annotate(has_files=_HAS_FILES)  # type: ignore[no-redef]  # the attribute is declared for its readers
    # Without what earlier claims left, which may be megabytes, too.
    return jobs.defer("grader_reply", "last_error", "pulls", *UNREAD_BY_GRADERS)


@in_transaction
def _claim(queue: Any, grader: str, limit: int) -> list[Job]:
    taken: list[Job] = []
    while len(taken) < limit:
        due = _due(queue, grader, limit=limit - len(taken), lock=True)
        if not due:
            break
        # Each row that is not handed out leaves the index that the claim walks, so this ends.
        _attach_submissions(due)
        taken += [job for job in due if _hand_out(job, queue, grader)]
    return taken


def _due(queue: Any, grader: str, *, limit: int, lock: bool) -> list[Job]:
    limit = 1 if _is_mysql() else limit

    def rows(name: str, grader: str) -> Any:
        jobs = _claimable(name, grader, others=queue.others)
        if not lock:
            return jobs.only("pk")[:limit]
        if _is_mysql():
            # Nothing but what stands in the index, or it would walk, and lock, all that is finished (ADR 0093).
            jobs = Job.objects.filter(pk=jobs.locked_ids()[:1]).order_by()
        return jobs.locked(skip_locked=True).annotate(has_files=_HAS_FILES)[:limit]

    return prepared.fetch(("due", queue.others, limit, lock), Job, rows, name=queue.name, grader=grader)


def _is_mysql() -> bool:
    return connections[router.db_for_write(Job)].vendor == "mysql"


def _claimable(queue_name: str, grader: str, *, others: bool) -> Any:
    """What `grader` may be given now. What it failed at last is kept for others, where there are any: a grader that
    fails at everything must not use up the failures that a job may have. A lost lease is no such failure: many
    machines share one account, and the next one of them may take the job."""
    jobs = Job.objects.claimable(queue_name)
    if not others:
        return jobs
    failed_at = {"grader": grader, "status": Status.RETRY, "num_failures__gt": 0}
    if not _is_mysql():
        return jobs.exclude(**failed_at)
    # In a row of its own: here only the index may be read (ADR 0093).
    return jobs.filter(~Exists(Job.objects.filter(pk=OuterRef("pk"), **failed_at)))


def _hand_out(job: Job, queue: GraderQueue, grader: str) -> bool:
    if job.status in (Status.RETIRED, Status.FAILED):
        # edx-submissions, still running beside us during an upgrade, knows no available_at.
        _move(job, job.status, available_at=None)
        return False
    if job.submission.status == DELETED:
        _retire(job, "The submission was deleted.")
        return False
    lost: dict[str, Any] = {}
    if job.status == Status.PULLED:
        job.num_failures += 1
        job.last_error = f"{job.grader or 'A grader'} took the job and let the lease run out."
        lost["pulls"] = claim_log.noted(job, claim_log.LOST)
        given_up = job.num_failures >= queue.failure_limit
        _note_claim_end(job, ClaimOutcome.LOST, gave_up=given_up)
        if given_up:
            _give_up(job, queue, job.last_error, **lost)
            return False
    _move(
        job,
        Status.PULLED,
        pullkey=secrets.token_urlsafe(32),
        available_at=job.now + timedelta(seconds=queue.lease),
        pulled_at=job.now,
        grader=grader,
        num_pulls=job.num_pulls + 1,
        num_failures=job.num_failures,
        last_error=job.last_error,
        **lost,
    )
    signals.announce(signals.job_claimed, job=job)
    return True


def complete(submission_id: int, key: str, *, score: object, reply: str) -> Job:
    """End a claim with a score. `score` is what the reply says, `reply` the grader's text, kept verbatim.

    The same reply again with the same key is the same result. Raises UnknownJob, LeaseLost, AlreadyGraded, and
    BadReply for what is no score in this queue: the failure is then already counted.
    """
    with _refusals_told(submission_id):
        # Who has a transaction open may have more to do before it ends, and learns of errors where they belong.
        alone = prepared.is_alone(Job)
        outcome = _complete(submission_id, key, score, reply, fresh=registry.inside_transaction(), alone=alone)
        if isinstance(outcome, QueueError):
            # Raised only now: inside, it would roll back the failure that it tells of.
            raise outcome
    return outcome


@in_transaction
def _complete(submission_id: int, key: str, score: object, reply: str, *, fresh: bool, alone: bool) -> Job | QueueError:
    # Whatever else is sent as a key is nobody's, and may be what no database can compare with.
    can_be_key = key.isascii() and key.isprintable()
    job = _held_with_submission(submission_id, key, reserve=alone and can_be_key and writes.can_reserve(Score))
    if job.status == Status.RETIRED:
        return job if _same_reply(job.grader_reply, reply) else AlreadyGraded()
    if job.submission.status == DELETED:
        _retire(job, "The submission was deleted.")
        return LeaseLost("The submission was deleted; nobody waits for its result.")
    queue = registry.settings_of(job.queue_name, fresh=fresh)
    try:
        points = queue.points(score, job.points_possible if job.points_known else None)
    except BadReply as bad:
        _count_failure(job, queue, str(bad), reply)
        return bad
    _record_score(job, points, travels=alone and writes.can_fail_later(Score))
    ended = {"returned_at": job.now, "pulls": claim_log.noted(job, claim_log.COMPLETED)}
    _move(job, Status.RETIRED, grader_reply=reply, available_at=None, last_error=None, **ended)
    owed.scored(job, points, queue)
    signals.announce(signals.job_completed, job=job, points_earned=points)
    return job


def fail(submission_id: int, key: str, *, reason: str, reply: str | None = None) -> Job:
    """End a claim without a score: try again later, or give up at the queue's limit.

    `reason` is for the operator; `reply` is kept, if there was one. Counted once per claim, however often it is said.
    Raises UnknownJob, LeaseLost, AlreadyGraded.
    """
    with _refusals_told(submission_id):
        return _fail(submission_id, key, reason, reply, fresh=registry.inside_transaction())


@in_transaction
def _fail(submission_id: int, key: str, reason: str, reply: str | None, *, fresh: bool) -> Job:
    job = _held(submission_id, key)
    if job.status == Status.RETIRED:
        raise AlreadyGraded
    _count_failure(job, registry.settings_of(job.queue_name, fresh=fresh), reason, reply)
    return job


def release(submission_id: int, key: str) -> Job:
    """Give a claimed job back, uncounted; it is due at once. Raises UnknownJob, LeaseLost, AlreadyGraded."""
    with _refusals_told(submission_id):
        return _release(submission_id, key)


@in_transaction
def _release(submission_id: int, key: str) -> Job:
    job = _held(submission_id, key)
    if job.status == Status.RETIRED:
        raise AlreadyGraded
    if job.status == Status.PULLED:
        _let_go(job)
    return job


@in_transaction
def release_lease(submission_id: int) -> Job:
    """Take a job away from the grader that holds it, for an operator. Raises UnknownJob, NotAllowed."""
    job = _locked(submission_id)
    _require(job, "released", Status.PULLED)
    _let_go(job, "Taken away by an operator.")
    return job


@in_transaction
def take(submission_id: int, *, grader: str) -> Job:
    """Claim this one waiting job, out of turn: its result is there already. Raises UnknownJob, NotAllowed."""
    job = _locked(submission_id)
    _require(job, "taken", Status.PENDING, Status.RETRY)
    _attach_submissions([job])
    _hand_out(job, registry.settings_of(job.queue_name, fresh=True), grader)
    return job


@in_transaction
def retry(submission_id: int) -> Job:
    """Put a failed job back, failures cleared, for an operator. Raises UnknownJob, NotAllowed."""
    job = _locked(submission_id)
    _require(job, "retried", Status.FAILED)
    noted = claim_log.noted(job, claim_log.RETRIED, claim=False)
    _move(job, Status.PENDING, available_at=job.now, num_failures=0, pullkey=None, pulls=noted)
    owed.taken_back(job)
    signals.announce(signals.job_retried, job=job)
    return job


@in_transaction
def retire(submission_id: int, reason: str = "Retired by an operator.") -> Job:
    """End an unfinished job without a score, for an operator; `reason` is kept. Raises UnknownJob, NotAllowed."""
    job = _locked(submission_id)
    _require(job, "retired", Status.PENDING, Status.RETRY, Status.PULLED, Status.FAILED)
    _retire(job, reason, tell=True)
    return job


@in_transaction
def supersede(newer: Job, *, called_back_at: str | None = None) -> int:
    """Retire the waiting jobs of the same learner at the same item that are older than `newer`; how many.

    `called_back_at`: only those whose result goes to this destination (its key, see `outbox.key_of`).
    What another transaction holds is passed over: it is being claimed or finished, so it no longer waits.
    """
    older = Job.objects.waiting().filter(
        submission__student_item_id=newer.submission.student_item_id, submission_id__lt=newer.submission_id
    )
    if called_back_at is not None:
        older = older.filter(deliveries__destination_key=called_back_at)
    waiting = list(
        Job.objects.waiting().filter(pk__in=list(older.values_list("pk", flat=True))).locked(skip_locked=True)
    )
    for job in waiting:
        _retire(job, f"Superseded by submission {newer.submission_id}.")
    return len(waiting)


def depth(queue_name: str, *, grader: str | None = None) -> int:
    """How many jobs a claim would find now. Raises UnknownQueue, also where `grader` may not know of the queue."""
    queue: Any = (
        registry.settings_of(queue_name, fresh=True) if grader is None else registry.for_grader(queue_name, grader)
    )
    if not queue.pk:
        raise UnknownQueue
    jobs = _claimable(queue_name, grader or "", others=grader is not None and queue.others)
    nobodys = queue.paused or (grader is not None and queue.push_url)
    return 0 if nobodys else int(jobs.count())


def _require_room(queue: GraderQueue, submission: Submission) -> None:
    """Raises QueueFull. Nothing is locked for it: enqueues at the same moment may go over the cap by their number."""
    waiting = Job.objects.waiting().filter(queue_name=queue.name).order_by()
    of_student = waiting.filter(submission__student_item__student_id=submission.student_item.student_id)
    for rows, most, whose in (
        (waiting, int(conf.QUEUE_MAX_WAITING), ""),
        (of_student, int(conf.STUDENT_MAX_WAITING), " of this student"),
    ):
        # Never more than `most` entries of the index are read, however many wait.
        if most and len(rows.values_list("pk", flat=True)[:most]) >= most:
            raise QueueFull(f"Queue {queue.name!r} is full: {most} jobs{whose} wait already. Try again later.")


# What the verbs are made of. ----------------------------------------------------------------------------------------


def _locked(submission_id: int) -> Job:
    found = prepared.fetch("locked", Job, _lockable, submission_id=submission_id)
    if not found:
        raise UnknownJob
    return cast(Job, found[0])


def _lockable(submission_id: Any) -> Any:
    owes = Exists(Delivery.objects.filter(job=OuterRef("pk"), state=DeliveryState.WAITING))
    # Without what may be megabytes and is needed by `claim` alone.
    told = ("body", "grader_payload", "student_info", "file_links", "grader_file_name", "queue_key")
    written = ("available_at", "status_time", "created_at", "returned_at", "num_pulls", "last_error")
    locked: Any = Job.objects.filter(submission_id=submission_id).order_by().defer(*told, *written).locked()
    return locked.annotate(owes_deliveries=owes)


def _held(submission_id: int, key: str) -> Job:
    """The job, locked, if `key` is its key: good in pulled and retry, and remembered with the score."""
    return _proven(_locked(submission_id), key)


def _held_with_submission(submission_id: int, key: str, *, reserve: bool) -> Job:
    """The same, with its submission, and with what a new score is held against: read after the lock.

    `reserve`: with the id of its score, too, if the key is right.
    """
    graded = {"pk": submission_id} | ({"key": key} if reserve else {})
    found, submissions = prepared.fetch_both(
        ("locked", Job, _lockable, {"submission_id": submission_id}),
        (("graded", reserve), Submission, _graded, graded),
    )
    if not found:
        raise UnknownJob
    job = _proven(found[0], key)
    _attach(job, submissions[0])
    return job


def _attach(job: Job, submission: Submission) -> None:
    """One way only: if they named each other, they would be left to Python's collector, with each result."""
    Job._meta.get_field("submission").set_cached_value(job, submission)


def _proven(job: Job, key: str) -> Job:
    held = job.status in (Status.PULLED, Status.RETRY, Status.RETIRED) and job.pullkey
    if not held or not constant_time_compare(key.encode("utf-8", "replace"), str(job.pullkey).encode()):
        raise LeaseLost
    return job


def _require(job: Job, done: str, *statuses: Status) -> None:
    if job.status not in statuses:
        raise NotAllowed(f"Submission {job.submission_id} is {job.status}; only {_listed(statuses)} can be {done}.")


def _listed(statuses: tuple[Status, ...]) -> str:
    return " or ".join(statuses)


def _move(job: Job, status: str, **changes: Any) -> None:
    if status != job.status:
        changes["status_time"] = job.now
    job.status = status
    for name, value in changes.items():
        setattr(job, name, value)
    writes.update(job, ("status", *changes))


def _let_go(job: Job, reason: str = "") -> None:
    _note_claim_end(job, ClaimOutcome.RELEASED)
    _move(job, Status.RETRY, available_at=job.now, pulls=claim_log.noted(job, claim_log.RELEASED, reason))
    signals.announce(signals.job_released, job=job)


def _note_claim_end(job: Job, outcome: ClaimOutcome, *, gave_up: bool = False) -> None:
    """For the numbers: a claim that brings a score is told by the job's own row, and needs no further statement."""
    ended = {"queue_name": job.queue_name, "grader": job.grader, "submission_id": job.submission_id, "at": job.now}
    ClaimEnd.objects.create(outcome=outcome, gave_up=gave_up, **ended)


def _count_failure(job: Job, queue: GraderQueue, reason: str, reply: str | None) -> None:
    """Once per claim: in `retry` this claim's failure (or its release) was already written down."""
    kept = {"last_error": reason} | ({} if reply is None else {"grader_reply": reply})
    if job.status == Status.RETRY:
        _move(job, Status.RETRY, **kept)
        return
    job.num_failures += 1
    ended: dict[str, Any] = {"returned_at": job.now, "pulls": claim_log.noted(job, claim_log.FAILED, reason), **kept}
    given_up = job.num_failures >= queue.failure_limit
    _note_claim_end(job, ClaimOutcome.FAILED, gave_up=given_up)
    if given_up:
        _give_up(job, queue, reason, **ended)
        return
    due = job.now + timedelta(seconds=queue.backoff(job.num_failures))
    _move(job, Status.RETRY, available_at=due, num_failures=job.num_failures, **ended)
    signals.announce(signals.job_failed, job=job, reason=reason)


def _give_up(job: Job, queue: GraderQueue, reason: str, **changes: Any) -> None:
    changes["last_error"] = reason
    _move(job, Status.FAILED, available_at=None, pullkey=None, num_failures=job.num_failures, **changes)
    owed.failed(job, queue)
    signals.announce(signals.job_given_up, job=job, reason=reason)


def _retire(job: Job, reason: str, *, tell: bool = False) -> None:
    """`tell`: somebody may still wait for the result."""
    noted = claim_log.noted(job, claim_log.RETIRED, reason, claim=job.status == Status.PULLED)
    _move(job, Status.RETIRED, available_at=None, pullkey=None, last_error=reason, pulls=noted)
    if tell:
        owed.failed(job, registry.settings_of(job.queue_name, fresh=True), final=True)
    else:
        owed.dropped(job)
    signals.announce(signals.job_retired, job=job, reason=reason)


def _record_score(job: Job, points: float, *, travels: bool) -> None:
    """`travels`: as much of it as can, together with the COMMIT (ADR 0094)."""
    item = job.submission.student_item
    possible = job.points_possible if job.points_known else max(points, job.points_possible)
    score = Score(student_item=item, submission=job.submission, points_earned=points, points_possible=possible)
    score.keeps_order_of_attempts, score.summary_travels = True, travels
    reserved: int | None = getattr(job.submission, "score_id", None)
    if reserved is not None:
        score.pk = reserved
        writes.insert_later(score)
    elif travels and writes.can_insert_nameless(Score) and not heard_by_others():
        writes.insert_nameless_later(score)
    else:
        writes.insert(score)
    post_save.send(sender=Score, instance=score, created=True, raw=False, update_fields=None, using=score._state.db)
    signals.announce(
        signals.score_set,
        points_possible=possible,
        points_earned=points,
        anonymous_user_id=item.student_id,
        course_id=item.course_id,
        item_id=item.item_id,
        created_at=score.created_at,
    )


def _attach_submissions(jobs: list[Job]) -> None:
    """Fetched after the lock, not joined to it: the lock must be on the job's row alone."""
    if len(jobs) == 1:
        _attach(jobs[0], prepared.fetch("submission", Submission, _handed, pk=jobs[0].submission_id)[0])
        return
    found = Submission._objects.select_related("student_item").in_bulk([job.submission_id for job in jobs])
    for job in jobs:
        job.submission = found[job.submission_id]


def _handed(pk: Any) -> Any:
    return Submission._objects.filter(pk=pk).order_by().select_related("student_item")


def _graded(pk: Any, key: Any = None) -> Any:
    summary = "student_item__scoresummary"
    rows = _handed(pk).select_related("student_item", f"{summary}__latest__submission", f"{summary}__highest")
    if key is not None:
        # Ids must not be used up by whoever asks.
        held = {"external_grader_detail__pullkey": key, "external_grader_detail__status": Status.PULLED}
        rows = rows.annotate(score_id=Case(When(**held, then=writes.Reserved(Score))))
    of_submission = ["answer", "uuid", "submitted_at", "created_at", "team_submission"]
    unread = {
        "": of_submission,
        f"{summary}__latest__submission__": [*of_submission, "student_item", "status"],
        f"{summary}__latest__": ["student_item", "points_earned", "points_possible", "created_at", "reset"],
        f"{summary}__highest__": ["student_item", "submission", "created_at", "reset"],
    }
    return rows.defer(*(f"{where}{name}" for where, names in unread.items() for name in names))


def _same_reply(first: str | None, second: str) -> bool:
    if first == second:
        return True
    try:  # A client that sends again may write the same JSON anew.
        return bool(json.loads(first or "") == json.loads(second))
    except (ValueError, RecursionError):
        return False


@contextmanager
def _refusals_told(submission_id: int) -> Iterator[None]:
    try:
        yield
    except QueueError as refusal:
        signals.claim_refused.send_robust(sender=None, submission_id=submission_id, reason=refusal)
        raise
