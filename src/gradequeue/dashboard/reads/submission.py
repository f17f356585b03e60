"""One submission: its job, answer, reply, files, deliveries, and its life as a timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from django.http import Http404
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.figures import points
from gradequeue.dashboard.reads.activity import of_job
from gradequeue.dashboard.reads.timeline import Event, timeline
from gradequeue.dashboard.reads.why import DeliveryShown, Why, deliveries_shown, why
from submissions import markup, operators
from submissions.models import (
    DELETED,
    DatabaseNow,
    DeliveryState,
    ExternalGraderDetail,
    GraderQueue,
    Score,
    Status,
    StudentItem,
    SubmissionFile,
)
from submissions.rest import result
from submissions.text import LARGEST_ID, made_storable
from submissions.xqueue import replies

MOST_FILES, MOST_DELIVERIES, MOST_TESTS = 100, 50, 200
# Other attempts that are listed, and that are counted.
MOST_OTHERS, MOST_COUNTED = 6, 100
# Of a long history so many events are shown; the earlier ones are folded.
MOST_EVENTS = 5
# How much of each text of a test is shown (characters).
LONGEST_OF_TEST = 4000


# The words of the document of results, as people read them.
STATUSES = {
    "passed": _("passed"),
    "failed": pgettext_lazy("of a test", "failed"),
    "skipped": _("skipped"),
    "error": _("error"),
    "timeout": _("timeout"),
}
VISIBILITIES = {
    "hidden": _("hidden"),
    "after_due_date": _("after due date"),
    "after_published": _("after published"),
}
TEXTS = {"message": _("message"), "output": _("output"), "expected": _("expected"), "actual": _("actual")}


class TestShown(NamedTuple):
    name: str
    status: str
    points: str
    visibility: str
    """"" where the learner sees it now."""
    texts: list[tuple[str, str]]


class ResultShown(NamedTuple):
    tests: list[TestShown]
    more: int
    """How many tests are not listed."""
    stdout: str
    grader: str


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
    result: ResultShown | None
    """The result as it came by REST."""
    why: Why
    """Why the job has no result yet, and how long each part took."""
    files: list[SubmissionFile]
    deliveries: list[DeliveryShown]
    events: list[Event]
    other_attempts: list[ExternalGraderDetail]
    """The newest of this learner at this item."""
    more_attempts: str
    """How many more there are; "" for none."""

    @property
    def moves(self) -> list[str]:
        """The names of those that the job's state allows."""
        return [name for name, move in operators.OF_JOBS.items() if move.starts(self.job)]

    @property
    def given_up(self) -> bool:
        """Whether a delivery was given up, and may be sent again."""
        return any(one.row.state == DeliveryState.GIVEN_UP for one in self.deliveries)

    @property
    def earlier_events(self) -> list[Event]:
        """Those that a long history folds."""
        return self.events[:-MOST_EVENTS]

    @property
    def latest_events(self) -> list[Event]:
        return self.events[-MOST_EVENTS:]

    @property
    def is_still(self) -> bool:
        """Whether nothing changes here unless somebody does something: finished, and nothing left to deliver."""
        return self.job.status == Status.RETIRED and all(one.row.state != DeliveryState.DUE for one in self.deliveries)

    @property
    def deleted(self) -> bool:
        return bool(self.job.submission.status == DELETED)


def submission_page(viewer: Viewer, submission_id: int) -> SubmissionPage:
    """Raises Http404. A fixed number of statements; for an open job also those that tell how its queue stands."""
    job = job_of(viewer, submission_id)
    item = job.submission.student_item
    others = _others(viewer, job)
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
        result=result_of(job),
        why=why(viewer, job),
        files=list(job.files.order_by("id")[:MOST_FILES]),
        deliveries=deliveries_shown(deliveries, names=viewer.everything),
        events=timeline(job, score, deliveries, of_job(submission_id), names=viewer.everything),
        other_attempts=others[:MOST_OTHERS],
        more_attempts="many" if len(others) == MOST_COUNTED else str(max(len(others) - MOST_OTHERS, 0) or ""),
    )


def job_of(viewer: Viewer, submission_id: int) -> ExternalGraderDetail:
    """The job with its submission, student item and the database's time as ``now``. Raises Http404."""
    rows = viewer.jobs().filter(submission_id=submission_id)
    jobs = rows.annotate(now=DatabaseNow())  # type: ignore[no-redef]  # the attribute is declared for its readers
    job = jobs.select_related("submission__student_item").first() if submission_id <= LARGEST_ID else None
    if job is None:
        raise Http404
    return job


def result_of(job: ExternalGraderDetail) -> ResultShown | None:
    """What a person reads of the result; all of it is escaped by the page."""
    data = result.kept(job.result)
    if data is None:
        return None
    tests = data.get("tests", [])
    grader = data.get("grader", {})
    return ResultShown(
        tests=[_test_shown(test, data) for test in tests[:MOST_TESTS]],
        more=max(len(tests) - MOST_TESTS, 0),
        stdout=markup.shortened(data.get("stdout", {}).get("text", "")),
        grader=" ".join(str(grader[name]) for name in ("name", "version", "image") if name in grader),
    )


def _test_shown(test: dict[str, Any], data: dict[str, Any]) -> TestShown:
    word = result.visibility_of(test, data)
    texts = [
        (str(TEXTS.get(name, name)), test[name][:LONGEST_OF_TEST]) for name in result.CUT_OF_TEST if test.get(name)
    ]
    visibility = "" if word == result.VISIBLE else str(VISIBILITIES.get(word, word.replace("_", " ")))
    name = test.get("name") or test.get("id") or gettext("Test")
    return TestShown(name, str(STATUSES.get(test["status"], test["status"])), _points(test), visibility, texts)


def _points(test: dict[str, Any]) -> str:
    if "points" not in test:
        return ""
    earned = points(test["points"])
    if "max_points" not in test:
        return earned
    return gettext("%(earned)s of %(possible)s") % {"earned": earned, "possible": points(test["max_points"])}


def _others(viewer: Viewer, job: ExternalGraderDetail) -> list[ExternalGraderDetail]:
    """The other attempts of this learner at this item, the newest first."""
    jobs = viewer.jobs().filter(submission__student_item_id=job.submission.student_item_id).exclude(pk=job.pk)
    columns = ("submission_id", "status", "available_at", "last_error")
    return list(jobs.only(*columns).order_by("-submission_id")[:MOST_COUNTED])


def text_of(answer: object) -> str:
    """A program as it is; anything else as JSON that a person can read."""
    text = answer if isinstance(answer, str) else replies.indented(answer)
    return markup.shortened(made_storable(text))
