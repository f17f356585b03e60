"""The settings of the queues, who may pull, and pausing."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from submissions.admin import display
from submissions.admin.actions import Working
from submissions.admin.base import may
from submissions.admin.terms import Text
from submissions.conf import conf
from submissions.models import ExternalGraderDetail, GraderQueue, Status
from submissions.operators import PAUSE, RESUME, Move
from submissions.text import storable

Job = ExternalGraderDetail

LONGEST_LEASE = 7 * 24 * 3600
LONGEST_DELAY = 30 * 24 * 3600
RESULTS = ("callback_hosts", "webhook_url", "webhook_secrets", "notify_failures")


class QueueForm(forms.ModelForm):  # type: ignore[type-arg]
    """Numbers that contradict one another are refused before a grader meets them."""

    class Meta:
        model = GraderQueue
        fields = (
            *("name", "paused", "score_meaning", "lease_seconds", "max_failures", "backoff_seconds"),
            *("initial_delay_seconds", "supersede", "files_max_count", "files_max_bytes"),
            *("restricted", "graders", "push_url", "submitters", "observers"),
            *RESULTS,
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("lease_seconds", "max_failures", "backoff_seconds"):
            if field := self.fields.get(name):
                default = getattr(conf, name.upper())
                field.help_text = f"{field.help_text} Empty: {default}, as SUBMISSIONS_{name.upper()} says."
        if paused := self.fields.get("paused"):
            # What counts as changed is what this page showed, not what stands by now.
            paused.show_hidden_initial = True

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not (name.isprintable() and storable(name)):
            raise ValidationError("A queue's name has printable characters only.")
        return name

    def clean_lease_seconds(self) -> int | None:
        return self._at_most("lease_seconds", LONGEST_LEASE, "a grader that dies would hold its job for too long")

    def clean_initial_delay_seconds(self) -> int | None:
        return self._at_most("initial_delay_seconds", LONGEST_DELAY, "learners would wait for a month")

    def clean_backoff_seconds(self) -> int | None:
        ceiling = int(conf.BACKOFF_CEILING_SECONDS)
        return self._at_most("backoff_seconds", ceiling, "SUBMISSIONS_BACKOFF_CEILING_SECONDS cuts what is longer")

    def _at_most(self, name: str, most: int, why: str) -> int | None:
        seconds: int | None = self.cleaned_data.get(name)
        if seconds is not None and seconds > most:
            raise ValidationError(f"At most {most} seconds: {why}.")
        return seconds


@admin.register(GraderQueue)
class QueueAdmin(Working):
    form = QueueForm
    # On a phone three columns are to be seen: what needs somebody is one of them.
    list_display = ("name", "state", "failed", "waiting", "again", "being_graded", "polled", "pulled_by")
    list_filter = ("paused", "restricted")
    ordering = ("name",)
    routes = {"name": Text}
    search_help_text = "Exactly: the name of a queue"
    filter_horizontal = ("graders",)
    raw_id_fields = ("submitters", "observers")  # a platform has more users than a list can hold
    actions = ("pause", "resume")
    moves: ClassVar[dict[str, Move]] = {"pause": PAUSE, "resume": RESUME}
    readonly_fields = ("numbers", "polled")
    fieldsets = (
        (None, {"fields": ("name", "paused", "numbers", "polled")}),
        ("Grading", {"fields": ("score_meaning", "lease_seconds", "max_failures", "backoff_seconds")}),
        ("Intake", {"fields": ("initial_delay_seconds", "supersede", "files_max_count", "files_max_bytes")}),
        ("Who may pull", {"fields": ("restricted", "graders", "push_url")}),
        ("Who may submit, who may look", {"fields": ("submitters", "observers"), "classes": ["collapse"]}),
        (
            "Results",
            {
                "fields": ("callback_hosts", "webhook_url", "webhook_secrets", "notify_failures"),
                "classes": ["collapse"],
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: GraderQueue | None = None) -> tuple[str, ...]:
        # Jobs name their queue by its name.
        return (*self.readonly_fields, "name") if obj else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        """Secrets only for those who may set them."""
        if self.has_change_permission(request, obj) or self.has_add_permission(request):
            return super().get_fieldsets(request, obj)
        return [
            (title, {**options, "fields": tuple(name for name in options["fields"] if name != "webhook_secrets")})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Not while it has jobs: they would be in a queue that no list knows."""
        in_use = isinstance(obj, GraderQueue) and Job.objects.filter(queue_name=obj.name).order_by().exists()
        return super().has_delete_permission(request, obj) and not in_use

    def get_actions(self, request: HttpRequest) -> Any:
        """Queues are deleted one by one, where it is asked whether they have jobs."""
        found = super().get_actions(request)
        found.pop("delete_selected", None)
        return found

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Accounts that can log in as graders, and those that are listed already."""
        if db_field.name == "graders":
            users = get_user_model()._default_manager
            graders = Q(groups__name=conf.GRADER_GROUP) | Q(granted_queues__isnull=False)
            kwargs["queryset"] = users.filter(pk__in=users.filter(graders).values("pk"))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: GraderQueue, form: Any, change: bool) -> None:
        """Only what was changed on the page: who paused the queue meanwhile, or polled it, is not undone."""
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in columns] if change else None)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        queue = GraderQueue.objects.get(pk=form.instance.pk)
        if queue.restricted and not queue.graders.exists() and not queue.push_url:
            warning = f"No grader may pull from {queue.name} now: it is restricted, and nobody is listed."
            messages.warning(request, warning)

    # Numbers. ---------------------------------------------------------------------------------------------------------

    def rows(self, ids: list[int]) -> list[Any]:
        """With the jobs of all of them counted in one statement; finished ones are never touched."""
        rows: list[Any] = super().rows(ids)
        counted = _counted([row.name for row in rows])
        for row in rows:
            row.counted = {status: counted.get((row.name, status), 0) for status in Status.unfinished()}
        return rows

    def _count(self, queue: Any, status: Status) -> Any:
        count = queue.counted[status]
        return count and self.list_link(Job, count, queue_name=queue.name, status__exact=status.value)

    @admin.display
    def waiting(self, queue: Any) -> Any:
        return self._count(queue, Status.PENDING)

    @admin.display(description="Retry")
    def again(self, queue: Any) -> Any:
        return self._count(queue, Status.RETRY)

    @admin.display(description="Graded now")
    def being_graded(self, queue: Any) -> Any:
        return self._count(queue, Status.PULLED)

    @admin.display
    def failed(self, queue: Any) -> Any:
        count = queue.counted[Status.FAILED]
        text = display.badge("failed", f"{count} failed")
        return count and self.list_link(Job, text, queue_name=queue.name, status__exact=Status.FAILED.value)

    @admin.display(description="State")
    def state(self, queue: GraderQueue) -> Any:
        return display.badge("paused", "paused") if queue.paused else display.badge("open", "open")

    @admin.display(description="Last polled")
    def polled(self, queue: GraderQueue) -> Any:
        if queue.last_polled_at is None:
            return "never"
        return display.lines([display.moment_short(queue.last_polled_at), f"by {queue.last_polled_by}"])

    @admin.display(description="Graders")
    def pulled_by(self, queue: GraderQueue) -> str:
        return "listed" if queue.restricted else "all"

    @admin.display(description="Jobs")
    def numbers(self, queue: GraderQueue) -> Any:
        if not queue.name:
            return display.EMPTY
        counted = _counted([queue.name])
        rows = []
        for status in Status.unfinished():
            filters = {"queue_name": queue.name, "status__exact": status.value}
            link = self.list_link(Job, counted.get((queue.name, status), 0), **filters)
            rows.append((display.badge(status, status.label), link))
        return display.table(("State", "Jobs"), rows)

    # Actions. ---------------------------------------------------------------------------------------------------------

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return may(request, PAUSE.permission)

    @admin.action(description=f"{PAUSE.label}: graders receive no jobs", permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[GraderQueue]) -> HttpResponse | None:
        return self.work(request, queryset, PAUSE)

    @admin.action(description=RESUME.label, permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[GraderQueue]) -> HttpResponse | None:
        return self.work(request, queryset, RESUME)


def _counted(names: list[str]) -> dict[tuple[str, str], int]:
    jobs = Job.objects.filter(queue_name__in=names, status__in=Status.unfinished()).order_by()
    return {
        (name, status): count for name, status, count in jobs.values_list("queue_name", "status").annotate(Count("pk"))
    }
