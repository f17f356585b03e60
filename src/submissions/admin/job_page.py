"""The page of one job: submission, state, result, times and claims."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from submissions.admin import display
from submissions.admin.base import ReadOnly
from submissions.models import (
    Delivery,
    ExternalGraderDetail,
    GraderQueue,
    Score,
    Status,
    Submission,
    SubmissionFile,
)
from submissions.queue import claim_log, settings_of
from submissions.statistics.expectation import expect, waits
from submissions.words import duration
from submissions.xqueue import replies

Job = ExternalGraderDetail


class JobPage(ReadOnly):
    """Fields that are methods. Fields of other tables are shown only with the permission to view these tables."""

    belongs_to: ClassVar[dict[str, type[models.Model]]] = {
        "answer": Submission,
        "files": SubmissionFile,
        "scores": Score,
        "delivery_table": Delivery,
    }
    fieldsets = (
        (
            _("Submission"),
            {"fields": ("submission_link", "student_link", "course", "item", "attempt", "files", "answer")},
        ),
        (_("Status"), {"fields": ("badge", "why", "failures", "pulls_so_far", "grader_name")}),
        (_("Result"), {"fields": ("scores", "message", "reply")}),
        (_("Queue"), {"fields": ("queue_link", "queue_key", "grader_file_name", "points_possible")}),
        (_("Timing"), {"fields": ("created", "changed", "next_moment", "pulled", "returned")}),
        (_("Deliveries"), {"fields": ("delivery_table",)}),
        (_("Claims"), {"fields": ("pull_table",)}),
        (_("Sent by the platform"), {"fields": ("payload", "info"), "classes": ["collapse"]}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        """Without those that are empty."""
        found = super().get_fieldsets(request, obj)
        if not isinstance(obj, Job):
            return found
        filled = {
            gettext("Result"): obj.grader_reply or obj.status == Status.RETIRED,
            gettext("Deliveries"): obj.deliveries.exists(),
            gettext("Claims"): obj.pulls,
            gettext("Sent by the platform"): obj.grader_payload or obj.student_info,
        }
        return [(title, options) for title, options in found if filled.get(str(title), True)]

    # Submission. ------------------------------------------------------------------------------------------------------

    @admin.display(description=_("Submission"))
    def submission_link(self, job: Job) -> str:
        deleted = display.badge("deleted", gettext("deleted")) if job.submission.status == "D" else ""
        text = f"{job.submission_id} ({job.submission.uuid})"
        return format_html("{} {}", self.page(job.submission, text), deleted)

    @admin.display(description=_("Student"))
    def student_link(self, job: Job) -> str:
        item = job.submission.student_item
        others = self.list_link(Job, gettext("all jobs of this student"), q=item.student_id)
        return format_html("{} ({})", self.page(item, item.student_id), others)

    @admin.display(description=_("Course"))
    def course(self, job: Job) -> str:
        return job.submission.student_item.course_id

    @admin.display(description=_("Item"))
    def item(self, job: Job) -> str:
        item = job.submission.student_item
        return f"{item.item_id} ({item.item_type})"

    @admin.display(description=_("Attempt"))
    def attempt(self, job: Job) -> int:
        return job.submission.attempt_number

    @admin.display(description=_("Answer"))
    def answer(self, job: Job) -> str:
        return display.value(job.submission.answer)

    @admin.display(description=_("Files"))
    def files(self, job: Job) -> str:
        return display.lines([self.page(row, row.original_filename) for row in job.files.all()])

    # Status. ----------------------------------------------------------------------------------------------------------

    @admin.display(description=_("Status"))
    def badge(self, job: Job) -> SafeString:
        return display.badge_of(job)

    @admin.display(description=_("Why"))
    def why(self, job: Job) -> str:
        """The last error; of a job that waits, what it waits for."""
        if not waits(job):
            return display.code(job.last_error)
        note = expect(job).note
        return display.lines([note, display.code(job.last_error)] if job.last_error else [note])

    @admin.display(description=_("Failures"))
    def failures(self, job: Job) -> str:
        words = gettext("%(count)s, at most %(limit)s")
        return words % {"count": job.num_failures, "limit": self._queue(job).failure_limit}

    @admin.display(description=_("Claims"))
    def pulls_so_far(self, job: Job) -> int:
        return job.num_pulls

    @admin.display(description=_("Grader"))
    def grader_name(self, job: Job) -> str:
        return job.grader or display.EMPTY

    # Result. ----------------------------------------------------------------------------------------------------------

    @admin.display(description=_("Scores"))
    def scores(self, job: Job) -> str:
        found = [
            self.page(score, display.points(score))
            for score in Score.objects.filter(submission_id=job.submission_id).order_by("-id")[:20]
        ]
        return display.lines(found)

    @admin.display(description=_("Message"))
    def message(self, job: Job) -> str:
        return display.sandbox(replies.html_of(job.grader_reply))

    @admin.display(description=_("Reply"))
    def reply(self, job: Job) -> str:
        return display.code(replies.pretty(job.grader_reply))

    # Queue and times. -------------------------------------------------------------------------------------------------

    @admin.display(description=_("Queue"))
    def queue_link(self, job: Job) -> str:
        settings = self.page(row, row.name) if (row := self._queue(job)).pk else job.queue_name
        return format_html("{} ({})", settings, self.list_link(Job, gettext("its jobs"), queue_name=job.queue_name))

    @staticmethod
    def _queue(job: Job) -> GraderQueue:
        """Read once for a page: two fields need it."""
        if not hasattr(job, "settings_of_queue"):
            job.settings_of_queue = settings_of(job.queue_name)  # type: ignore[attr-defined]
        return job.settings_of_queue  # type: ignore[attr-defined,no-any-return]

    @admin.display(description=_("Created"))
    def created(self, job: Job) -> str:
        return display.moment(job.created_at)

    @admin.display(description=_("Status since"))
    def changed(self, job: Job) -> str:
        return display.moment(job.status_time)

    @admin.display(description=_("Available"))
    def next_moment(self, job: Job) -> str:
        """What `available_at` means depends on the state (docs/states.md)."""
        meanings: dict[str, str] = {Status.PULLED: gettext("end of the lease"), Status.RETRY: gettext("next attempt")}
        meaning = meanings.get(job.status, "")
        return format_html("{} {}", display.moment(job.available_at), meaning)

    @admin.display(description=_("Claimed"))
    def pulled(self, job: Job) -> str:
        return display.moment(job.pulled_at)

    @admin.display(description=_("Reply received"))
    def returned(self, job: Job) -> str:
        return display.moment(job.returned_at)

    # What happened. ---------------------------------------------------------------------------------------------------

    @admin.display(description=_("Deliveries"))
    def delivery_table(self, job: Job) -> str:
        rows = (
            (
                self.page(row, row.transport),
                display.badge(row.state, row.get_state_display()),
                row.destination or display.EMPTY,
                row.attempts,
                display.moment(row.delivered_at or row.due_at),
                row.last_error or "",
            )
            for row in job.deliveries.order_by("id")[:50]
        )
        heads = (
            *(gettext("Transport"), gettext("State"), gettext("Destination")),
            *(gettext("Attempts"), gettext("When"), gettext("Last error")),
        )
        return display.table(gettext("Deliveries"), heads, rows)

    @admin.display(description=_("Claims"))
    def pull_table(self, job: Job) -> str:
        rows = (
            (
                display.outcome(pull.outcome),
                pull.grader or display.EMPTY,
                display.moment(pull.since),
                display.moment(pull.until),
                duration(pull.until - pull.since) if pull.since else "",
                pull.reason,
            )
            for pull in reversed(claim_log.of(job))
        )
        heads = (
            *(gettext("Outcome"), gettext("Grader"), gettext("From")),
            *(gettext("Until"), gettext("Took"), gettext("Reason")),
        )
        return display.table(gettext("Claims"), heads, rows)

    @admin.display(description="grader_payload")
    def payload(self, job: Job) -> str:
        return display.code(replies.pretty(job.grader_payload))

    @admin.display(description="student_info")
    def info(self, job: Job) -> str:
        return display.code(replies.pretty(job.student_info))
