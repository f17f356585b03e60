"""The way in for a platform that speaks HTTP: one thing handed in is one job, with the callback that it is owed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.files.base import File
from django.db import IntegrityError, connections, router

from submissions import api, queue
from submissions import files as stored_files
from submissions.accounts.permissions import may_submit_to
from submissions.deliveries.transports import callback
from submissions.errors import BadReply, SubmissionRequestError, UnknownQueue
from submissions.intake.parse import HandedIn, NotHandedIn
from submissions.models import Delivery, ExternalGraderDetail, Submission, Transport
from submissions.outbound import http
from submissions.queue.transactions import in_transaction
from submissions.text import storable

# A platform is told how many wait; nobody needs to know more exactly, and counting them must not take long.
MOST_COUNTED = 10_000
# With everything else that one statement holds (bytes).
SURELY_FITS = 1024 * 1024
# How much of a file is hashed at once (bytes).
BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Accepted:
    submission_id: int
    waiting: int
    """How many jobs wait in the queue, this one among them; never more than MOST_COUNTED."""


@dataclass(frozen=True)
class Result:
    """A grader's word that never reached its platform."""

    grader: str
    score: object
    reply: str


@dataclass(frozen=True)
class TakenOver:
    submission_id: int
    scored: bool


def submit(handed: HandedIn, user: Any, files: Mapping[str, Any] | None = None) -> Accepted:
    """Make the job of what `user` handed in, and its callback: all of it, or nothing. The same again is one job.

    Raises NotHandedIn (a callback that cannot be), UnknownQueue (also where the account may not submit to it),
    QueueFull, SubmissionRequestError, InvalidFileTypeError, FileProcessingError.
    """
    _require_queue(handed.queue_name, user)
    _require_callback(handed)
    _require_packet(handed.body)
    read = stored_files.prepared(files)
    key = submit_key(handed, user.get_username(), read)
    known = _known(key)
    if known is None:
        try:
            known = _make(handed, key, files=read)
        except IntegrityError:
            # The same POST at the same moment: the other one was faster, and it has committed.
            known = _known(key)
            if known is None:
                raise
    return Accepted(known, _waiting(handed.queue_name))


@in_transaction
def take_over(
    handed: HandedIn, key: str, *, arrived: datetime, file_links: str | None = None, result: Result | None = None
) -> TakenOver | None:
    """Make the job of what waited elsewhere, in its old place in the queue; None where `key` was taken over before.

    `result`: what a grader has said already; it is recorded, and the platform is told.

    Raises UnknownQueue, QueueFull, SubmissionRequestError.
    """
    if _known(key) is not None:
        return None
    submission_id = _enqueue(handed, key, arrived=arrived, file_links=file_links).submission_id
    if result is None:
        return TakenOver(submission_id, scored=False)
    claimed = queue.take(submission_id, grader=result.grader)
    try:
        queue.complete(submission_id, str(claimed.pullkey), score=result.score, reply=result.reply)
    except BadReply:  # kept and counted: the job is graded again
        return TakenOver(submission_id, scored=False)
    return TakenOver(submission_id, scored=True)


def submit_key(handed: HandedIn, account: str, files: Mapping[str, File[Any]]) -> str:
    """What is one POST of one platform, as hex. The body and the files are in it: a platform whose lms_key is always
    the same must not have its second submission taken for the first one again."""
    words = [account, handed.queue_name, handed.callback_url, handed.lms_key]
    digest = hashlib.sha256(json.dumps(words).encode())
    digest.update(hashlib.sha256(handed.body.encode()).digest())
    for name, file in sorted(files.items()):
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(_digest_of(file))
    return digest.hexdigest()


def _digest_of(file: File[Any]) -> bytes:
    digest = hashlib.sha256()
    for chunk in file.chunks(BLOCK):
        digest.update(chunk if isinstance(chunk, bytes) else chunk.encode())
    return digest.digest()


def _require_queue(name: str, user: Any) -> None:
    possible = 0 < len(name) <= 128 and name.isprintable() and name == name.strip()
    if not possible or not may_submit_to(user, name):
        raise UnknownQueue


def _require_callback(handed: HandedIn) -> None:
    """What can be known without asking the network: the rest is looked at when the result is sent."""
    try:
        host = http.parsed(handed.callback_url, callback.hosts_of(handed.queue_name)).host
        with suppress(ValueError):  # a name, not an address
            if not http.is_allowed(host):
                raise http.Refused(f"{host} is not a public address.")
    except http.Refused as refused:
        raise NotHandedIn(f"lms_callback_url: {refused}") from None


def _require_packet(body: str) -> None:
    """MySQL closes the connection on a statement that is larger than it takes, and nobody would know why."""
    connection = connections[router.db_for_write(ExternalGraderDetail)]
    if connection.vendor != "mysql" or len(body) < SURELY_FITS:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        most = int(cursor.fetchone()[0])
    escaped = len(body.encode()) + sum(body.count(sign) for sign in "'\"\\\n\r\x1a")
    if escaped + SURELY_FITS > most:
        raise SubmissionRequestError(field_errors={"xqueue_body": ["The database takes no text of this length."]})


def is_known(key: str) -> bool:
    return _known(key) is not None


def _known(key: str) -> int | None:
    """The submission that was made of this POST before."""
    return Delivery.objects.filter(submit_key=key).values_list("job__submission_id", flat=True).first()


@in_transaction
def _make(handed: HandedIn, key: str, **more: Any) -> int:
    job = _enqueue(handed, key, **more)
    if handed.learner is not None:
        # Where nobody says who the learner is, two with one callback may be two learners (ADR 0052).
        queue.supersede(job, called_back_at=queue.key_of(handed.callback_url))
    return job.submission_id


def _enqueue(handed: HandedIn, key: str, *, file_links: str | None = None, **more: Any) -> ExternalGraderDetail:
    job = api.create_job(
        handed.student_item,
        _kept_answer(handed),
        queue_name=handed.queue_name,
        queue_key=handed.lms_key[:128] if storable(handed.lms_key) else None,
        grader_file_name=handed.grader_file_name,
        grader_payload=handed.grader_payload,
        student_info=handed.student_info,
        kept={"body": handed.body, "points_known": False, "file_links": file_links},
        **more,
    )
    queue.create_delivery(job, Transport.CALLBACK, handed.callback_url, header=handed.header, submit_key=key)
    return job


def _kept_answer(handed: HandedIn) -> Any:
    """The answer, beside the body that the grader gets; left there alone where it is larger than an answer may be."""
    answer = handed.answer
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return "" if len(text.encode("utf-8", "surrogatepass")) > Submission.MAXSIZE else answer


def _waiting(queue_name: str) -> int:
    jobs = ExternalGraderDetail.objects.waiting().filter(queue_name=queue_name).order_by()
    return int(jobs.values("pk")[:MOST_COUNTED].count())
