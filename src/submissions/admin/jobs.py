"""The list of jobs, what can be done with them, and the page of one."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from submissions.admin import display, filters, job_list
from submissions.admin.actions import Working
from submissions.admin.base import may
from submissions.admin.job_page import JobPage
from submissions.models import ExternalGraderDetail, OperatorMove
from submissions.operators import RELEASE, RETIRE, RETRY, Move
from submissions.words import number

Job = ExternalGraderDetail

LIST_COLUMNS = (
    "submission__uuid",
    "submission__status",
    "submission__student_item__student_id",
    "submission__student_item__course_id",
    "submission__student_item__item_id",
    *("queue_name", "status", "status_time", "created_at", "num_failures", "num_pulls", "grader", "last_error"),
)


@admin.register(ExternalGraderDetail)
class JobAdmin(Working, JobPage):
    list_display = ("subject", "where", "failures_and_grader", "since", "made")
    list_filter = (
        filters.StatusFilter,
        filters.QueueFilter,
        filters.GraderFilter,
        filters.CourseFilter,
        filters.FailuresFilter,
        filters.ChangedFilter,
        filters.CreatedFilter,
    )
    list_select_related = ("submission__student_item",)
    search_help_text = _(
        "Exactly: a submission's id or uuid, the name of a queue, a queue key, a grader file, a student, course or "
        "item id. The first kind that matches is used; then parts of names, and several words that narrow. Superusers: "
        "also the key of a claim."
    )
    actions = ("retry_failed", "release_leases", "retire_jobs")
    actions_on_bottom = True
    on_dashboard = ("dashboard:submission", "submission_id")
    moves: ClassVar[dict[str, Move]] = {"retry_failed": RETRY, "release_leases": RELEASE, "retire_jobs": RETIRE}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return Job.objects.select_related(*self.list_select_related)

    # The list. --------------------------------------------------------------------------------------------------------

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = job_list.search(queryset, term, keys=request.user.is_superuser)
        if found.jobs.query.is_empty():
            found = job_list.search_further(queryset, term)
        request.job_search = found  # type: ignore[attr-defined]
        return found.jobs, False

    def first_ids(self, request: HttpRequest, queryset: QuerySet[Job], most: int) -> list[int]:
        found = getattr(request, "job_search", None)
        queue, status = job_list.chosen(request)
        if found is not None and queue is None:
            queue = found.queue
        if found is not None and (ids := self.sampled(request, found.sample, most)):
            return ids
        narrow = found is not None and found.narrow
        return job_list.first_ids(queryset, most, queue=queue, status=status, narrow=narrow)

    def rows(self, ids: list[int]) -> list[Job]:
        rows = Job.objects.filter(pk__in=ids).order_by().select_related(*self.list_select_related)
        found = {job.pk: job for job in rows.only(*LIST_COLUMNS)}
        return [found[pk] for pk in ids if pk in found]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        found = getattr(request, "job_search", None)
        if found is not None and isinstance(response, TemplateResponse) and response.context_data is not None:
            words = gettext("%(found)s, the newest of many") if getattr(request, "is_sample", False) else "%(found)s"
            response.context_data["subtitle"] = words % {"found": found.words}
        return response

    @admin.display(description=_("Submission"))
    def subject(self, job: Job) -> SafeString:
        item = job.submission.student_item
        return display.subject(job.submission_id, item.student_id, item.course_id, item.item_id)

    @admin.display(description=_("Status, queue"))
    def where(self, job: Job) -> str:
        return display.lines([self.badge(job), job.queue_name])

    @admin.display(description=_("Since"))
    def since(self, job: Job) -> str:
        return display.moment_short(job.status_time)

    @admin.display(description=_("Created"))
    def made(self, job: Job) -> str:
        return display.moment_short(job.created_at)

    @admin.display(description=_("Grader"))
    def failures_and_grader(self, job: Job) -> str:
        if not job.num_pulls:
            return display.EMPTY
        words = ngettext(
            "failed %(failures)s of %(count)s claim", "failed %(failures)s of %(count)s claims", job.num_pulls
        ) % {"failures": number(job.num_failures), "count": number(job.num_pulls)}
        return display.lines([job.grader or display.EMPTY, format_html('<span class="gq-note">{}</span>', words)])

    def moved(self, row: Job) -> QuerySet[OperatorMove]:
        return OperatorMove.objects.filter(jobs__submission_id=row.submission_id).distinct()

    # What can be done. ------------------------------------------------------------------------------------------------

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return may(request, RETRY.permission)

    def has_release_permission(self, request: HttpRequest) -> bool:
        return may(request, RELEASE.permission)

    def has_retire_permission(self, request: HttpRequest) -> bool:
        return may(request, RETIRE.permission)

    @admin.action(description=RETRY.label, permissions=["retry"])
    def retry_failed(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        return self.work(request, queryset, RETRY)

    @admin.action(description=RELEASE.label, permissions=["release"])
    def release_leases(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        return self.work(request, queryset, RELEASE)

    @admin.action(description=format_lazy("{}…", RETIRE.label), permissions=["retire"])
    def retire_jobs(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        return self.work(request, queryset, RETIRE)
