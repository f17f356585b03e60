"""claims/: a grader takes jobs, and looks at those that it holds."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, IntegrityError, InterfaceError
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import HttpRequest, HttpResponseBase
from rest_framework import exceptions, serializers

from submissions import queue
from submissions.accounts import tokens
from submissions.conf import conf
from submissions.errors import FileProcessingError, LeaseLost, QueueError
from submissions.files import name_for_graders, require_intact
from submissions.handing import HandedOut, NoRoom
from submissions.models import ClaimRequest, DatabaseNow, ExternalGraderDetail, Scope, Status, SubmissionFile
from submissions.queue import Terms
from submissions.queue.transactions import in_transaction
from submissions.rest import base, bodies, fields, idempotency, problems
from submissions.rest.base import Resource, answer, http
from submissions.rest.problems import Problem
from submissions.rest.result import digest_of
from submissions.waiting import Outcome, room

logger = logging.getLogger("submissions.rest")

Job = ExternalGraderDetail

MOST_CLAIMS, MOST_QUEUES = 50, 50
LONGEST_WAIT = 20
LONGEST_LEASE = 2**31 - 1
# When to ask again (seconds): where nothing is due, and where the queues are paused.
ASK_AGAIN, PAUSED = 2, 30
# How long an Idempotency-Key is known (seconds).
REMEMBERED = 600


class WorkerIn(fields.Body):
    """The program that asks."""

    name = fields.Text(max_length=100, required=False)
    version = fields.Text(max_length=100, required=False)
    labels = fields.Labels(required=False)


class ClaimsIn(fields.Body):
    """What a grader asks for."""

    queue_name = fields.QueueName(required=False)
    queues = fields.Many(child=fields.QueueName(), min_length=1, max_length=MOST_QUEUES, required=False)
    max_claims = fields.Whole(min_value=1, max_value=MOST_CLAIMS, default=1)
    wait_seconds = fields.Whole(min_value=0, max_value=LONGEST_WAIT, default=0)
    lease_seconds = fields.Whole(min_value=1, required=False)
    worker = WorkerIn(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("queue_name" in attrs) == ("queues" in attrs):
            raise serializers.ValidationError({"queue_name": ["Exactly one of queue_name and queues is needed."]})
        return attrs


class Claims(Resource):
    scopes = {"create": (Scope.CLAIM,), "retrieve": (Scope.CLAIM,), "destroy": (Scope.CLAIM,)}

    def create(self, request: Any) -> HttpResponseBase:
        value = bodies.read_json(http(request))
        asked = fields.checked(ClaimsIn, value)
        names = asked.get("queues") or [asked["queue_name"]]
        for name in names:
            self.require_queue(name)
        key = idempotency.request_key(http(request), self.account, "claims")
        base.absolute(http(request), "/")  # before the claim: what fails here must not hold a job
        attempt = partial(claim_once, names, self.account, asked, key, digest_of(value))
        jobs, ask_again, had_room = _wait(names, self.account, asked["wait_seconds"], attempt, self._require_good_token)
        claims = claims_of(jobs, http(request))
        later = 0 if claims else ask_again
        told_now = base.answer_text(f'{{"claims":[{",".join(claims)}],"poll_after_seconds":{later}}}')
        if not had_room:
            return NoRoom(told_now)
        # With a key the same request may have been given these claims again meanwhile, and be at work.
        return HandedOut(told_now, [one.job for one in jobs]) if claims and key is None else told_now

    def _require_good_token(self) -> None:
        """Raises AuthenticationFailed where the token has ended while the request waited."""
        if not tokens.is_good(self.token.public_id, Scope.CLAIM):
            raise exceptions.AuthenticationFailed(base.NOT_GOOD)

    def retrieve(self, request: Any, claim_id: str) -> HttpResponseBase:
        found = held(self, claim_id)
        found.require_key()
        if found.status == Status.RETIRED:
            raise problems.of_refusal(LeaseLost())
        return answer(read_claim(found, http(request)))

    def destroy(self, request: Any, claim_id: str) -> HttpResponseBase:
        # Also where there is nothing to give back: to say so twice is no fault.
        with suppress(LeaseLost, Problem):
            queue.give_back(held(self, claim_id).claim_id, self.account)
        return base.no_content()


def _wait(
    names: Sequence[str], account: str, seconds: int, attempt: Callable[[], list[Taken]], check: Callable[[], None]
) -> tuple[list[Taken], int, bool]:
    """The jobs that `attempt` has claimed; otherwise when to ask again (seconds), and whether there was room to wait.

    `check` raises where nothing may be claimed any more; asked before each attempt but the first.
    """

    def again() -> list[Taken]:
        check()
        return attempt()

    if found := attempt():
        return found, 0, True
    if all(queue.settings_of(name).paused for name in names):
        return [], PAUSED, True
    if not seconds:
        return [], ASK_AGAIN, True
    found, outcome = room.wait(names, account, seconds, again)
    return found, {Outcome.CLOSED: 1, Outcome.FULL: ASK_AGAIN}.get(outcome, 0), outcome is not Outcome.FULL


@dataclass(frozen=True, slots=True)
class Taken:
    """A claim that the account holds."""

    job: queue.ClaimedJob
    seconds_left: int
    """Of its lease."""

    @classmethod
    def now(cls, job: queue.ClaimedJob) -> Taken:
        """One that has just been made."""
        return cls(job, int((job.leased_until - job.claimed_at).total_seconds()))

    @classmethod
    def of(cls, row: Job) -> Taken:
        """Of a row of `_held`."""
        handed = getattr(row, "submit_request", None)
        has_json = bool(handed and handed.has_json_payload)
        job = queue.ClaimedJob.of(row, has_files=True, has_json_payload=has_json)
        left = int((job.leased_until - row.now).total_seconds()) if row.status == Status.PULLED else 0
        return cls(job, max(left, 0))


def _held(**chosen: object) -> Any:
    rows: Any = Job.objects.filter(**chosen).select_related("submission__student_item", "submit_request")
    return rows.annotate(now=DatabaseNow()).order_by()


def claim_once(names: Sequence[str], account: str, asked: dict[str, Any], key: str | None, digest: str) -> list[Taken]:
    """The jobs that were claimed; with a key, those that the same request has claimed before and that are still held.

    Raises Problem, UnknownQueue.
    """
    if key is None:
        return [Taken.now(job) for job in claim(names, account, asked)]
    record = _remembered(key)
    if known := _still_held(record, account, digest):
        return known
    with suppress(IntegrityError):
        if jobs := _claim_and_remember(names, account, asked, record, ClaimRequest(request_key=key, digest=digest)):
            return jobs
    # The same request at the same time may have been faster: it has taken all, or its key stands there already.
    return _still_held(_remembered(key), account, digest)


def _remembered(key: str) -> Any:
    return ClaimRequest.objects.filter(request_key=key).annotate(is_fresh=_is_fresh()).first()


def _is_fresh() -> Any:
    fresh = Q(created_at__gt=DatabaseNow() - timedelta(seconds=REMEMBERED))
    return ExpressionWrapper(fresh, output_field=BooleanField())


def _still_held(record: Any, account: str, digest: str) -> list[Taken]:
    """The jobs. Raises Problem where the key came with another request, and some of its claims are still held."""
    if record is None or not record.is_fresh:
        return []
    names = [UUID(name) for name in record.claim_ids.split()]
    held_now = {row.claim_id: row for row in _held(claim_id__in=names, grader=account, status=Status.PULLED)}
    found = [Taken.of(held_now[name]) for name in names if name in held_now]
    if found:
        idempotency.require_same(record.digest, digest)
    return found


@in_transaction
def _claim_and_remember(
    names: Sequence[str], account: str, asked: dict[str, Any], old: ClaimRequest | None, new: ClaimRequest
) -> list[Taken]:
    """`old`: a request with the same key, of which nothing is left."""
    jobs = claim(names, account, asked)
    if jobs:
        past = ClaimRequest.objects.filter(created_at__lt=DatabaseNow() - timedelta(seconds=REMEMBERED))
        gone = list(past.values_list("pk", flat=True)[:20]) + ([] if old is None else [old.pk])
        ClaimRequest.objects.filter(pk__in=gone).delete()
        new.claim_ids, new.created_at = " ".join(str(job.claim_id) for job in jobs), DatabaseNow()
        new.save(force_insert=True)
    return [Taken.now(job) for job in jobs]


def claim(names: Sequence[str], account: str, asked: dict[str, Any]) -> list[queue.ClaimedJob]:
    """Raises UnknownQueue where the account may not pull from one of the queues."""
    seconds = asked.get("lease_seconds")
    # No lease is that long; a larger number has no place in a row.
    terms = Terms(seconds=seconds and min(seconds, LONGEST_LEASE), named=True)
    known = [name for name in dict.fromkeys(names) if _may_have_jobs(name)]
    jobs = queue.claim_from(known, grader=account, limit=asked["max_claims"], terms=terms)
    worker = asked.get("worker")
    if jobs and (worker or terms.seconds):
        queue.note_claims(jobs, seconds=terms.seconds, worker=json.dumps(worker) if worker else "")
    return jobs


def _may_have_jobs(name: str) -> bool:
    """Not in a queue that nobody has used: to ask is no fault."""
    return not conf.STRICT_QUEUES or queue.known_settings(name) is not None


def held(view: Resource, claim_id: str) -> queue.Named:
    """The account's claim of this id. Raises Problem, LeaseLost."""
    name = base.parse_uuid(claim_id)
    if name is None:
        raise LeaseLost
    found = queue.find_named(name, view.account)
    view.require_queue(found.queue_name)
    return found


# As a grader is told. ------------------------------------------------------------------------------------------------


def claims_of(taken: Sequence[Taken], request: HttpRequest) -> list[str]:
    """These claims as JSON, which have just been made; without those that cannot be handed out."""
    files = _files_of([one.job for one in taken if one.job.has_files])
    found = (_told_or_failed(one, files.get(one.job.pk, []), request) for one in taken)
    return [claim for claim in found if claim is not None]


def _told_or_failed(one: Taken, files: Sequence[SubmissionFile], request: HttpRequest) -> str | None:
    """A Claim as JSON. None where its files are damaged, or no answer can hold it: that is the job's own failure, as in
    XQueue, and no harm to those that were claimed with it."""
    try:
        require_intact(files)
        return base.encode(told(one, files, request))
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:  # old sites have answers with NaN; each storage has exceptions of its own
        if not isinstance(error, FileProcessingError):
            logger.exception("submission %s could not be handed out", one.job.submission_id)
        with suppress(QueueError):  # somebody has ended the claim meanwhile
            reason = f"The job could not be handed out: {error}"
            queue.fail(one.job.submission_id, one.job.pullkey, reason=reason)
        return None


def read_claim(named: queue.Named, request: HttpRequest) -> dict[str, Any]:
    """Raises LeaseLost where it is none any more: never is another one's claim of the same job told."""
    row = _held(claim_id=named.claim_id, grader=named.grader).first()
    if row is None:
        raise LeaseLost
    taken = Taken.of(row)
    return told(taken, _files_of([taken.job]).get(row.pk, []), request)


def _files_of(jobs: Sequence[queue.ClaimedJob]) -> dict[int, list[SubmissionFile]]:
    files: dict[int, list[SubmissionFile]] = {}
    if jobs:
        for row in SubmissionFile.objects.filter(external_grader_id__in=[job.pk for job in jobs]).order_by("pk"):
            files.setdefault(int(row.external_grader_id or 0), []).append(row)
    return files


def told(taken: Taken, files: Sequence[SubmissionFile], request: HttpRequest) -> dict[str, Any]:
    """A Claim."""
    job = taken.job
    known = queue.settings_of(job.queue_name)
    return {
        "id": str(job.claim_id),
        "submission": {
            "uuid": job.submission_uuid,
            "attempt_number": job.attempt_number,
            "course_id": job.course_id,
            "item_id": job.item_id,
            "item_type": job.item_type,
            "learner_id": job.student_id,
        },
        "queue_name": job.queue_name,
        "answer": job.answer,
        "grader_payload": grader_payload(job),
        "student_info": job.student_info,
        **_attached(job, files, request),
        "points_possible": job.points_possible if job.points_known else None,
        "score_meaning": known.score_meaning if job.points_known else "points",
        "lease_expires_at": base.time(job.leased_until),
        "lease_seconds_left": taken.seconds_left,
        "next_heartbeat_seconds": next_heartbeat(taken.seconds_left or known.lease),
        "deadline_at": base.time(known.deadline(job.claimed_at)),
        "previous_claims": max(job.num_pulls - 1, 0),
        "last_error": job.last_error,
        "traceparent": None,
    }


def _attached(job: queue.ClaimedJob, files: Sequence[SubmissionFile], request: HttpRequest) -> dict[str, Any]:
    """Files and links, under names that lead out of no folder."""
    links = json.loads(job.file_links or "{}")
    names = name_for_graders([*(row.original_filename for row in files), *links])
    return {
        "files": [
            {
                "name": name,
                "url": base.address(request, "rest-claim-file", job.claim_id, number),
                "size": row.size,
                "sha256": row.sha256,
            }
            for number, (row, name) in enumerate(zip(files, names[: len(files)], strict=True), 1)
        ],
        "links": [{"name": name, "url": url} for name, url in zip(names[len(files) :], links.values(), strict=True)],
    }


def next_heartbeat(seconds: int) -> int:
    """After a third of the lease: two may get lost."""
    return max(seconds // 3, 1)


def grader_payload(job: queue.ClaimedJob) -> Any:
    """As the platform sent it: text stays text. Where it named a grader's file alone, that."""
    if job.grader_payload is None:
        return {"grader": job.grader_file_name} if job.grader_file_name else None
    return json.loads(job.grader_payload) if job.has_json_payload else job.grader_payload
