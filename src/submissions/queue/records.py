"""What the verbs hand around and hand out: typed rows, so that nothing is stuck on a model that is no column of it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from submissions.models import ExternalGraderDetail, GraderQueue, ScoreMeaning, Status
from submissions.models.fields import read_json


@dataclass(frozen=True, slots=True)
class Terms:
    """What a claim asks for beside a job."""

    seconds: int | None = None
    """How long it is to hold; the queue's own lease is the longest, and the usual one (seconds)."""
    named: bool = False
    """Whether it is to have a name: a dialect that knows no keys."""

    room: int | None = None
    """How much the jobs may be together (characters); None: no limit."""
    is_first: bool = True
    """Whether there is room for one, however large."""

    def lease(self, queue: GraderQueue) -> int:
        return queue.lease if self.seconds is None else min(self.seconds, queue.lease)

    def draw_id(self) -> UUID | None:
        return uuid4() if self.named else None


@dataclass(frozen=True, slots=True)
class Given:
    """What a grader sent as the result of a claim."""

    score: object
    """As the reply says it; a number, or it is none."""
    reply: str
    """The grader's text, kept verbatim."""
    meaning: ScoreMeaning | None = None
    """What the score means; None: as the queue says."""
    result: str | None = None
    """The same as REST's Result, as JSON, where it came so; and the SHA-256 of what was sent."""
    digest: str = ""

    def columns(self) -> dict[str, str | None]:
        """As the job's row keeps it."""
        return {"grader_reply": self.reply, "result": self.result, "result_digest": self.digest}

    def is_same(self, job: ExternalGraderDetail) -> bool:
        """Whether the job was graded by this very result: a client that sends again may write the same JSON anew."""
        if self.digest or job.result_digest:
            return self.digest == job.result_digest
        return is_same_reply(job.grader_reply, self.reply)


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job as the grader that has just claimed it is told of it."""

    pk: int
    submission_id: int
    queue_name: str
    grader: str
    pullkey: str
    num_pulls: int
    created_at: datetime
    grader_file_name: str
    grader_payload: str | None
    student_info: str | None
    body: str | None
    """The whole xqueue_body, where the platform sent one."""
    file_links: str | None
    stored_answer: str
    """As the table has it; see `answer`."""
    student_id: str
    course_id: str
    item_id: str
    item_type: str
    submission_uuid: str
    attempt_number: int
    points_possible: float
    points_known: bool
    claimed_at: datetime
    leased_until: datetime
    last_error: str | None
    has_json_payload: bool
    """Whether grader_payload came as JSON, and not as text."""
    has_files: bool
    claim_id: UUID | None = None
    """The claim's name in REST, where it was asked for."""

    status = Status.PULLED

    @property
    def answer(self) -> object:
        """What the learner sent. Read on use: where there is a `body`, nobody asks."""
        return read_json(self.stored_answer)

    @property
    def size(self) -> int:
        """About how much the grader is told (characters)."""
        return _size(self.stored_answer, self.body, self.grader_payload, self.student_info)

    @property
    def row(self) -> ExternalGraderDetail:
        """The whole row, read now."""
        return ExternalGraderDetail.objects.get(pk=self.pk)

    @classmethod
    def of(cls, job: ExternalGraderDetail, *, has_files: bool, has_json_payload: bool = False) -> ClaimedJob:
        """Of a claimed row with its submission and student item."""
        field = job.submission._meta.get_field("answer")
        item = job.submission.student_item
        return cls(
            pk=job.pk,
            submission_id=job.submission_id,
            queue_name=job.queue_name,
            grader=job.grader,
            pullkey=str(job.pullkey),
            num_pulls=job.num_pulls,
            created_at=job.created_at,
            grader_file_name=job.grader_file_name,
            grader_payload=job.grader_payload,
            student_info=job.student_info,
            body=job.body,
            file_links=job.file_links,
            stored_answer=field.get_prep_value(job.submission.answer),
            student_id=item.student_id,
            course_id=item.course_id,
            item_id=item.item_id,
            item_type=item.item_type,
            submission_uuid=str(job.submission.uuid),
            attempt_number=job.submission.attempt_number,
            points_possible=job.points_possible,
            points_known=job.points_known,
            # Each claim writes them; edx-submissions, beside us, does not.
            claimed_at=job.pulled_at or job.status_time,
            leased_until=job.available_at or job.status_time,
            last_error=job.last_error,
            has_json_payload=has_json_payload,
            has_files=has_files,
            claim_id=job.claim_id,
        )


def size_of(job: ExternalGraderDetail) -> int:
    """The `size` that the job, a row with its submission, would have."""
    stored = job.submission._meta.get_field("answer").get_prep_value(job.submission.answer)
    return _size(stored, job.body, job.grader_payload, job.student_info)


def _size(*texts: str | None) -> int:
    return sum(len(text or "") for text in texts)


@dataclass(frozen=True, slots=True)
class GradedJob:
    """A job that has its score, with what the score's listeners are told."""

    pk: int
    submission_id: int
    queue_name: str
    grader: str
    points_possible: float
    """What the job says. `score_possible` is what the score says: more, where only the platform knows the maximum."""
    points_earned: float
    score_possible: float
    student_id: str
    course_id: str
    item_id: str
    returned_at: datetime | None
    is_owed: bool
    """Whether somebody is to be told by a delivery."""
    is_new: bool = True
    """False where it had its score before, from the same result."""
    late_seconds: float | None = None
    """From the claim to the result, where that was longer than the lease."""
    points_known: bool = True
    """Whether anybody told what the problem is worth (ADR 0051)."""

    status = Status.RETIRED

    @classmethod
    def of(
        cls,
        job: ExternalGraderDetail,
        points: float,
        possible: float,
        *,
        is_owed: bool,
        is_new: bool = True,
        late_seconds: float | None = None,
    ) -> GradedJob:
        """Of a row with its submission and student item."""
        item = job.submission.student_item
        return cls(
            pk=job.pk,
            submission_id=job.submission_id,
            queue_name=job.queue_name,
            grader=job.grader,
            points_possible=job.points_possible,
            points_earned=points,
            score_possible=possible,
            student_id=item.student_id,
            course_id=item.course_id,
            item_id=item.item_id,
            returned_at=job.returned_at,
            is_owed=is_owed,
            is_new=is_new,
            late_seconds=late_seconds,
            points_known=job.points_known,
        )


class Claimed(Protocol):
    """What tells whether a claim's lease is over; heartbeats may have made it longer."""

    @property
    def status(self) -> str: ...

    @property
    def pulled_at(self) -> datetime | None: ...

    @property
    def available_at(self) -> datetime | None: ...


def late_seconds(job: Claimed, now: datetime) -> float | None:
    """How long the claim took, where its result comes after the lease (seconds); None where it is in time."""
    if job.status != Status.PULLED or job.pulled_at is None or job.available_at is None or now <= job.available_at:
        return None
    return (now - job.pulled_at).total_seconds()


@dataclass(frozen=True, slots=True)
class DueJob:
    """A job that a claim has found and locked."""

    locked: LockedJob
    has_files: bool
    has_json_payload: bool

    def claimed(self) -> ClaimedJob:
        """Once it was handed out."""
        return ClaimedJob.of(self.locked.row, has_files=self.has_files, has_json_payload=self.has_json_payload)


@dataclass(frozen=True, slots=True)
class LockedJob:
    """A job's row, locked until the transaction ends, and the database's time."""

    row: ExternalGraderDetail
    now: datetime


@dataclass(slots=True)
class QueueView:
    """A queue as one grader may see it, for some seconds."""

    row: GraderQueue
    """Unsaved, with the defaults, where the queue has none."""
    is_open: bool = True
    """Whether this grader may pull from it."""
    others: bool = False
    """Whether somebody else polled it lately, to whom a job may go that this grader failed at."""
    is_drained: bool = False
    """Whether this grader is to get no further job."""
    seen_at: datetime | None = None
    """When this grader was last written down as polling it."""
    now: datetime | None = None
    """The database's time when this was read; None where nothing was read."""

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def lease(self) -> int:
        """How long a claim holds (seconds)."""
        return self.row.lease


def is_same_reply(first: str | None, second: str) -> bool:
    """Whether two replies are one result: a client that sends again may write the same JSON anew."""
    if first == second:
        return True
    try:
        return _is_equal(json.loads(first or ""), json.loads(second))
    except (ValueError, RecursionError):
        return False


def _is_equal(one: object, other: object) -> bool:
    """Whether two values of JSON say the same; a number may have been written with fewer digits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)
