"""What a platform submits over HTTP becomes one job, with a delivery to the platform's callback address."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, connections, router

from submissions import api, queue
from submissions import files as stored_files
from submissions.accounts.permissions import Account, may_submit_to
from submissions.deliveries.transports import callback
from submissions.errors import BadReply, SubmissionRequestError, UnknownQueue
from submissions.intake.requests import BadSubmitRequest, SubmitRequest
from submissions.models import Delivery, ExternalGraderDetail, Submission, Transport
from submissions.outbound import http
from submissions.queue.transactions import in_transaction
from submissions.text import is_name, storable

# A platform is told how many wait; nobody needs to know more exactly, and counting them must not take long.
MOST_COUNTED = 10_000
# With everything else that one statement holds (bytes).
SURELY_FITS = 1024 * 1024


@dataclass(frozen=True)
class Accepted:
    submission_id: int
    waiting: int
    """How many jobs wait in the queue, this one among them; never more than MOST_COUNTED."""


@dataclass(frozen=True)
class Result:
    """What a grader sent, and its platform never received."""

    grader: str
    score: object
    reply: str


@dataclass(frozen=True)
class TakenOver:
    submission_id: int
    scored: bool


def submit(handed: SubmitRequest, user: Account, files: Mapping[str, object] | None = None) -> Accepted:
    """Make the job of what `user` handed in, and its callback: all of it, or nothing. The same again is one job.

    Raises BadSubmitRequest (a callback that cannot be), UnknownQueue (also where the account may not submit to it),
    QueueFull, SubmissionRequestError, InvalidFileTypeError, FileProcessingError.
    """
    _require_queue(handed.queue_name, user)
    _require_callback(handed)
    _require_packet(handed.body)
    read = stored_files.prepare(files)
    key = make_submit_key(handed, user.get_username(), read)
    known = _find(key)
    if known is None:
        try:
            known = _make(handed, key, read, user.get_username())
        except IntegrityError:
            # The same POST at the same time: the other one was faster, and it has committed.
            known = _find(key)
            if known is None:
                raise
    return Accepted(known, _waiting(handed.queue_name))


def take_over(
    handed: SubmitRequest, key: str, *, arrived: datetime, file_links: str | None = None, result: Result | None = None
) -> TakenOver | None:
    """Make the job of what waited elsewhere, in its old place in the queue; None where `key` was taken over before.

    `result`: what a grader has said already; it is recorded, and the platform is told.

    Raises UnknownQueue, QueueFull, SubmissionRequestError.
    """
    _require_packet(handed.body)
    try:
        return None if is_known(key) else _take_over(handed, key, arrived, file_links, result)
    except IntegrityError:
        # Somebody else takes over the same at the same time, was faster, and has committed.
        if not is_known(key):
            raise
        return None


@in_transaction
def _take_over(
    handed: SubmitRequest, key: str, arrived: datetime, file_links: str | None, result: Result | None
) -> TakenOver:
    submission_id = _enqueue(handed, key, arrived=arrived, file_links=file_links).submission_id
    if result is None:
        return TakenOver(submission_id, scored=False)
    claimed = queue.take(submission_id, grader=result.grader)
    try:
        queue.complete(submission_id, str(claimed.pullkey), score=result.score, reply=result.reply)
    except BadReply:  # kept and counted: the job is graded again
        return TakenOver(submission_id, scored=False)
    return TakenOver(submission_id, scored=True)


def make_submit_key(handed: SubmitRequest, account: str, files: Mapping[str, stored_files.AnyFile]) -> str:
    """What is one POST of one platform, as hex. The body and the files are in it: a platform whose lms_key is always
    the same must not have its second submission taken for the first one again."""
    words = [account, handed.queue_name, handed.callback_url, handed.lms_key]
    digest = hashlib.sha256(json.dumps(words).encode())
    digest.update(hashlib.sha256(handed.body.encode()).digest())
    for name, file in sorted(files.items()):
        digest.update(hashlib.sha256(name.encode()).digest())
        digest.update(bytes.fromhex(stored_files.digest(file.chunks(stored_files.BLOCK)).sha256))
    return digest.hexdigest()


def _require_queue(name: str, user: Account) -> None:
    possible = 0 < len(name) <= 128 and is_name(name) and name.strip()
    if not possible or not may_submit_to(user, name):
        raise UnknownQueue


def _require_callback(handed: SubmitRequest) -> None:
    try:
        http.require_possible(handed.callback_url, callback.hosts_of(handed.queue_name))
    except http.Refused as refused:
        raise BadSubmitRequest(f"lms_callback_url: {refused}") from None


def _require_packet(body: str) -> None:
    """MySQL closes the connection on a statement that is larger than it takes, and nobody would know why."""
    connection = connections[router.db_for_write(ExternalGraderDetail)]
    if connection.vendor != "mysql" or len(body) < SURELY_FITS:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_allowed_packet")
        most = int(cursor.fetchone()[0])
    escaped = len(body.encode()) + sum(body.count(character) for character in "'\"\\\n\r\x1a")
    if escaped + SURELY_FITS > most:
        raise SubmissionRequestError(field_errors={"xqueue_body": ["The database takes no text of this length."]})


def is_known(key: str) -> bool:
    return _find(key) is not None


def _find(key: str) -> int | None:
    """The submission that was made of this POST before."""
    return Delivery.objects.filter(submit_key=key).values_list("job__submission_id", flat=True).first()


@in_transaction
def _make(handed: SubmitRequest, key: str, files: Mapping[str, stored_files.AnyFile], account: str) -> int:
    job = _enqueue(handed, key, files=files, account=account)
    if handed.learner is not None:
        # Where nobody says who the learner is, two with one callback may be two learners (ADR 0052).
        queue.supersede(job, called_back_at=queue.key_of(handed.callback_url), account=account)
    return job.submission_id


def _enqueue(
    handed: SubmitRequest,
    key: str,
    *,
    files: Mapping[str, stored_files.AnyFile] | None = None,
    file_links: str | None = None,
    arrived: datetime | None = None,
    account: str | None = None,
) -> ExternalGraderDetail:
    job = api.create_job(
        handed.student_item,
        _kept_answer(handed),
        queue_name=handed.queue_name,
        queue_key=handed.lms_key if storable(handed.lms_key) else None,
        grader_file_name=handed.grader_file_name,
        grader_payload=handed.grader_payload,
        student_info=handed.student_info,
        kept={"body": handed.body, "points_known": False, "file_links": file_links},
        files=files,
        arrived=arrived,
        account=account,
    )
    owed = {"header": handed.header, "submit_key": key, "account": account}
    queue.create_delivery(job, Transport.CALLBACK, handed.callback_url, **owed)
    return job


def _kept_answer(handed: SubmitRequest) -> object:
    """The answer, beside the body that the grader gets; left there alone where it is larger than an answer may be."""
    answer = handed.answer
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return "" if len(text.encode("utf-8", "surrogatepass")) > Submission.MAXSIZE else answer


def _waiting(queue_name: str) -> int:
    jobs = ExternalGraderDetail.objects.waiting().filter(queue_name=queue_name).order_by()
    return int(jobs.values("pk")[:MOST_COUNTED].count())
