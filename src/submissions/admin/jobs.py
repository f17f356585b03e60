"""The list of jobs, what can be done with them, and the page of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from submissions.admin import filters, job_list
from submissions.admin.base import may
from submissions.admin.job_page import JobPage
from submissions.admin.verbs import RELEASE, RETIRE, RETRY, Doer, Verb, Work, skipped
from submissions.models import ExternalGraderDetail
from submissions.serializers import storable

Job = ExternalGraderDetail

LIST_COLUMNS = (
    "submission__uuid",
    "submission__status",
    "submission__student_item__student_id",
    "submission__student_item__course_id",
    "submission__student_item__item_id",
    *("queue_name", "status", "status_time", "created_at", "num_failures", "num_pulls", "grader"),
)

COUNTED = ("after", "done", "refused", "skipped")


@admin.register(ExternalGraderDetail)
class JobAdmin(JobPage):
    list_display = ("subject", "queue_name", "badge", "failures_and_pulls", "grader_name", "changed", "created")
    list_filter = ("status", filters.QueueFilter, filters.FailuresFilter, filters.ChangedFilter, filters.CreatedFilter)
    list_select_related = ("submission__student_item",)
    search_help_text = (
        "Exactly: a submission's id or uuid, the name of a queue, a queue key, a grader file, a student, course or "
        "item id. The first that there is counts. Superusers: also the key of a claim."
    )
    actions = ("retry_failed", "release_leases", "retire_jobs")
    actions_on_bottom = True
    seconds_per_request = 10.0
    """How long an action works before it shows how far it has come."""

    def get_queryset(self, request: HttpRequest) -> Any:
        return Job.objects.select_related(*self.list_select_related)

    # The list. --------------------------------------------------------------------------------------------------------

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = job_list.search(queryset, term, keys=request.user.is_superuser)
        request.job_search = found  # type: ignore[attr-defined]
        return found.jobs, False

    def first_ids(self, request: HttpRequest, queryset: Any, most: int) -> list[int]:
        found = getattr(request, "job_search", None)
        narrow = found is not None and found.narrow
        return job_list.first_ids(queryset, most, **job_list.chosen(request), narrow=narrow)

    def rows(self, ids: list[int]) -> list[Job]:
        rows = Job.objects.filter(pk__in=ids).order_by().select_related(*self.list_select_related)
        found = {job.pk: job for job in rows.only(*LIST_COLUMNS)}
        return [found[pk] for pk in ids if pk in found]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().changelist_view(request, extra_context)
        found = getattr(request, "job_search", None)
        if found is not None and isinstance(response, TemplateResponse) and response.context_data is not None:
            response.context_data["subtitle"] = f"found by {found.words}"
        return response

    @admin.display(description="Submission")
    def subject(self, job: Job) -> SafeString:
        item = job.submission.student_item
        return format_html(
            '<span class="gq-subject">{}<br><span class="gq-note">{}<br>{}<br>{}</span></span>',
            job.submission_id,
            *(item.student_id, item.course_id, item.item_id),
        )

    @admin.display(description="Failures / pulls")
    def failures_and_pulls(self, job: Job) -> str:
        return f"{job.num_failures} / {job.num_pulls}"

    # What can be done. ------------------------------------------------------------------------------------------------

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return may(request, RETRY.permission)

    def has_release_permission(self, request: HttpRequest) -> bool:
        return may(request, RELEASE.permission)

    def has_retire_permission(self, request: HttpRequest) -> bool:
        return may(request, RETIRE.permission)

    @admin.action(description="Reset failed to pending: try again", permissions=["retry"])
    def retry_failed(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._work(request, queryset, RETRY)

    @admin.action(description="Release a stuck lease now", permissions=["release"])
    def release_leases(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._work(request, queryset, RELEASE)

    @admin.action(description="Retire without a score...", permissions=["retire"])
    def retire_jobs(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        return self._work(request, queryset, RETIRE)

    def _work(self, request: HttpRequest, selection: Any, verb: Verb) -> HttpResponse | None:
        work = _work_so_far(request)
        if verb.asks_reason and "reason" not in request.POST:
            return self._ask(request, verb, work, going_on=False)
        reason = request.POST.get("reason", "").strip()[:200]
        if not storable(reason):
            messages.error(request, "This reason cannot be stored.")
            return self._ask(request, verb, work, going_on=False)
        if not work.after:
            work.skipped = skipped(selection, verb)
        doer = Doer(verb, int(request.user.pk or 0), reason)
        if not doer.work_through(selection, work, seconds=self.seconds_per_request):
            return self._ask(request, verb, work, going_on=True)
        self._tell(request, verb, work)
        return self._back(request)

    def _ask(self, request: HttpRequest, verb: Verb, work: Work, *, going_on: bool) -> HttpResponse:
        """A page between: for the reason, or because there is more to do than one request may take."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Jobs to be {verb.done}",
            "opts": self.opts,
            "verb": verb,
            "work": work,
            "going_on": going_on,
            "kept": _kept(request, going_on=going_on),
            "numbers": [(name, getattr(work, name)) for name in COUNTED],
            "back": self.url(Job, "changelist"),
        }
        return TemplateResponse(request, "admin/submissions/externalgraderdetail/work.html", context)

    def _tell(self, request: HttpRequest, verb: Verb, work: Work) -> None:
        if work.done:
            messages.success(request, f"{_jobs(work.done)} {verb.done}.")
        if work.skipped:
            messages.warning(request, f"{_jobs(work.skipped)} skipped: not {' or '.join(verb.starts_from)}.")
        if work.refused:
            more = work.refused - len(work.errors)
            tail = f" And {more} more." if more else ""
            messages.error(request, f"{_jobs(work.refused)} refused. {' '.join(work.errors)}{tail}")
        if not (work.done or work.skipped or work.refused):
            messages.warning(request, "There was nothing to be done.")

    def _back(self, request: HttpRequest) -> HttpResponse | None:
        """To the page that the button was on; None lets Django go back to the list."""
        page = request.POST.get("page", "")
        return HttpResponseRedirect(self.url(Job, "change", int(page))) if page.isascii() and page.isdigit() else None

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """With a button for each verb that is legal now, for those who may."""
        job = kwargs.get("obj")
        context["verbs"] = [
            (verb, label)
            for verb, label in ((RETRY, "Try again"), (RELEASE, "Release the lease"), (RETIRE, "Retire..."))
            if job is not None and job.status in verb.starts_from and may(request, verb.permission)
        ]
        context["list_url"] = self.url(Job, "changelist")
        return super().render_change_form(request, context, *args, **kwargs)


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _work_so_far(request: HttpRequest) -> Work:
    """From the page between. What it says only concerns the words at the end, and which jobs are not met again."""
    numbers = {name: request.POST.get(name, "") for name in COUNTED}
    read = {name: int(text) for name, text in numbers.items() if text.isascii() and text.isdigit() and len(text) < 11}
    return Work(**read, errors=request.POST.getlist("error")[:20])


def _kept(request: HttpRequest, *, going_on: bool) -> list[tuple[str, str]]:
    """What the page between sends again: which action, and on what."""
    names = ("action", "index", "select_across", "_selected_action", "page", *(("reason",) if going_on else ()))
    return [(name, value) for name in names for value in request.POST.getlist(name)]
