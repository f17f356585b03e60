"""One submission: its job, answer, reply, files, deliveries, and its life as a timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from django.http import Http404

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads.timeline import Event, timeline
from submissions import operators
from submissions.models import (
    DELETED,
    DatabaseNow,
    Delivery,
    DeliveryState,
    ExternalGraderDetail,
    GraderQueue,
    Score,
    StudentItem,
    SubmissionFile,
)
from submissions.text import LARGEST_ID, made_storable
from submissions.xqueue import replies

MOST_FILES, MOST_DELIVERIES = 100, 50


class OtherAttempt(NamedTuple):
    submission_id: int
    status: str


@dataclass(frozen=True)
class SubmissionPage:
    job: ExternalGraderDetail
    item: StudentItem
    student: str
    queue: GraderQueue | None
    score: Score | None
    answer: str
    reply: str
    has_message: bool
    """Whether the reply has HTML to be shown in a frame."""
    files: list[SubmissionFile]
    deliveries: list[Delivery]
    events: list[Event]
    other_attempts: list[OtherAttempt]

    @property
    def moves(self) -> list[str]:
        """The names of those that the job's state allows."""
        return [name for name, move in operators.OF_JOBS.items() if move.starts(self.job)]

    @property
    def given_up(self) -> bool:
        """Whether a delivery was given up, and may be sent again."""
        return any(one.state == DeliveryState.GIVEN_UP for one in self.deliveries)

    @property
    def deleted(self) -> bool:
        return bool(self.job.submission.status == DELETED)


def submission_page(viewer: Viewer, submission_id: int) -> SubmissionPage:
    """Raises Http404. Seven statements."""
    job = job_of(viewer, submission_id)
    item = job.submission.student_item
    deliveries = list(job.deliveries.order_by("id")[:MOST_DELIVERIES])
    score = Score.objects.filter(submission_id=submission_id, reset=False).order_by("-pk").first()
    return SubmissionPage(
        job=job,
        item=item,
        student=viewer.student(item.student_id),
        queue=viewer.queues().filter(name=job.queue_name).first(),
        score=score,
        answer=text_of(job.submission.answer),
        reply=replies.pretty(job.grader_reply),
        has_message=bool(replies.html_of(job.grader_reply)),
        files=list(job.files.order_by("id")[:MOST_FILES]),
        deliveries=deliveries,
        events=timeline(job, score, deliveries),
        other_attempts=_others(viewer, job),
    )


def job_of(viewer: Viewer, submission_id: int) -> ExternalGraderDetail:
    """The job with its submission, student item and the database's time as ``now``. Raises Http404."""
    rows = viewer.jobs().filter(submission_id=submission_id)
    jobs = rows.annotate(now=DatabaseNow())  # type: ignore[no-redef]  # the attribute is declared for its readers
    job = jobs.select_related("submission__student_item").first() if submission_id <= LARGEST_ID else None
    if job is None:
        raise Http404
    return job


def _others(viewer: Viewer, job: ExternalGraderDetail) -> list[OtherAttempt]:
    """The newest other attempts of this learner at this item."""
    jobs = viewer.jobs().filter(submission__student_item_id=job.submission.student_item_id).exclude(pk=job.pk)
    return [OtherAttempt(*row) for row in jobs.order_by("-submission_id").values_list("submission_id", "status")[:6]]


def text_of(answer: object) -> str:
    """A program as it is; anything else as JSON that a person can read."""
    text = answer if isinstance(answer, str) else replies.indented(answer)
    return replies.shortened(made_storable(text))
