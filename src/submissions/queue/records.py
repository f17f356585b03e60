"""What the verbs hand around and hand out: typed rows, so that nothing is stuck on a model that is no column of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from submissions.models import ExternalGraderDetail, GraderQueue, Status
from submissions.models.fields import read_json


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
    has_files: bool

    status = Status.PULLED

    @property
    def answer(self) -> object:
        """What the learner sent. Read on use: where there is a `body`, nobody asks."""
        return read_json(self.stored_answer)

    @property
    def row(self) -> ExternalGraderDetail:
        """The whole row, read now."""
        return ExternalGraderDetail.objects.get(pk=self.pk)

    @classmethod
    def of(cls, job: ExternalGraderDetail, *, has_files: bool) -> ClaimedJob:
        """Of a row with its submission and student item."""
        field = job.submission._meta.get_field("answer")
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
            stored_answer=field.stored_text(job.submission.answer),
            student_id=job.submission.student_item.student_id,
            has_files=has_files,
        )


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

    status = Status.RETIRED

    @classmethod
    def of(
        cls, job: ExternalGraderDetail, points: float, possible: float, *, is_owed: bool, is_new: bool = True
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
        )


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
