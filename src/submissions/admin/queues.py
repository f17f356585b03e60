"""The queues: settings, permissions, pausing, and how each stands."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, TypeAlias

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from submissions.activity import note
from submissions.admin import display
from submissions.admin.actions import Working
from submissions.admin.base import actor_of, may
from submissions.admin.terms import Text
from submissions.conf import conf
from submissions.models import ExternalGraderDetail, GraderQueue, OperatorMove, Status
from submissions.operators import PAUSE, RESUME, Move
from submissions.outbound.http import Refused, require_possible, unusable_hosts
from submissions.statistics import lights, standing
from submissions.statistics.standing import Standing
from submissions.text import is_name, storable
from submissions.words import Words

Job = ExternalGraderDetail
ManyToMany: TypeAlias = "models.ManyToManyField[models.Model, models.Model]"

LONGEST_LEASE = 7 * 24 * 3600
LONGEST_DELAY = 30 * 24 * 3600
RESULTS = ("callback_hosts", "webhook_url", "webhook_secrets", "notify_failures")


class QueueForm(forms.ModelForm):  # type: ignore[type-arg]
    """Refuses numbers that contradict one another before they reach a grader."""

    class Meta:
        model = GraderQueue
        fields = (
            *("name", "paused", "score_meaning", "lease_seconds", "max_failures", "backoff_seconds"),
            *("max_grading_seconds", "wait_milliseconds"),
            *("initial_delay_seconds", "supersede", "files_max_count", "files_max_bytes"),
            *("restricted", "graders", "push_url", "submitters", "observers"),
            *RESULTS,
        )
        labels: ClassVar[dict[str, Words]] = {
            "lease_seconds": _("Lease (s)"),
            "max_grading_seconds": _("Maximum time of a grading, by REST (s)"),
            "wait_milliseconds": _("Wait of a poll by XQueue (ms)"),
            "max_failures": _("Maximum number of failures"),
            "backoff_seconds": _("Delay after a failure (s)"),
            "initial_delay_seconds": _("Initial delay (s)"),
            "supersede": _("Replace older attempts"),
            "files_max_count": _("Maximum number of files"),
            "files_max_bytes": _("Maximum size of files (bytes)"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("lease_seconds", "max_failures", "backoff_seconds"):
            if field := self.fields.get(name):
                default = getattr(conf, name.upper())
                words = gettext("%(help)s Empty: %(default)s, as %(setting)s says.")
                values = {"default": default, "setting": f"SUBMISSIONS_{name.upper()}"}
                field.help_text = words % {"help": field.help_text, **values}
        if paused := self.fields.get("paused"):
            # Changed means: different from what this page showed, not from the present value.
            paused.show_hidden_initial = True

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not (is_name(name) and storable(name)):
            raise ValidationError(_("The name of a queue can have printable characters only."))
        return name

    def clean_lease_seconds(self) -> int | None:
        words = _("At most %(most)s seconds: a grader that dies would hold its job for too long.")
        return self._at_most("lease_seconds", LONGEST_LEASE, words)

    def clean_initial_delay_seconds(self) -> int | None:
        words = _("At most %(most)s seconds: learners would wait for a month.")
        return self._at_most("initial_delay_seconds", LONGEST_DELAY, words)

    def clean_backoff_seconds(self) -> int | None:
        words = _("At most %(most)s seconds: SUBMISSIONS_BACKOFF_CEILING_SECONDS cuts what is longer.")
        return self._at_most("backoff_seconds", int(conf.BACKOFF_CEILING_SECONDS), words)

    def clean_push_url(self) -> str:
        return self._can_be_sent_to("push_url")

    def clean_webhook_url(self) -> str:
        return self._can_be_sent_to("webhook_url")

    def clean_callback_hosts(self) -> str:
        hosts = str(self.cleaned_data["callback_hosts"])
        if wrong := list(unusable_hosts(hosts.split())):
            raise ValidationError(wrong)
        return hosts

    def _can_be_sent_to(self, name: str) -> str:
        url = str(self.cleaned_data[name])
        if url:
            try:
                require_possible(url)
            except Refused as refused:
                raise ValidationError(str(refused)) from refused
        return url

    def _at_most(self, name: str, most: int, words: Words) -> int | None:
        seconds: int | None = self.cleaned_data.get(name)
        if seconds is not None and seconds > most:
            raise ValidationError(words, params={"most": most})
        return seconds


@admin.register(GraderQueue)
class QueueAdmin(Working):
    form = QueueForm
    # A phone shows three columns: failed jobs are among them.
    list_display = ("name", "state", "failed", "waiting", "again", "being_graded", "polled", "pulled_by")
    list_filter = ("paused", "restricted")
    ordering = ("name",)
    routes = {"name": Text}
    search_help_text = _("Exactly: the name of a queue")
    filter_horizontal = ("graders",)
    raw_id_fields = ("submitters", "observers")  # a platform has more users than a list can hold
    actions = ("pause", "resume")
    on_dashboard = ("dashboard:queue", "pk")
    moves: ClassVar[dict[str, Move]] = {"pause": PAUSE, "resume": RESUME}
    readonly_fields = ("numbers", "polled")
    fieldsets = (
        (None, {"fields": ("name", "paused", "numbers", "polled")}),
        (_("Grading"), {"fields": ("score_meaning", "lease_seconds", "max_failures", "backoff_seconds")}),
        (_("Claims"), {"fields": ("max_grading_seconds", "wait_milliseconds"), "classes": ["collapse"]}),
        (_("Submissions"), {"fields": ("initial_delay_seconds", "supersede", "files_max_count", "files_max_bytes")}),
        (_("Graders"), {"fields": ("restricted", "graders", "push_url")}),
        (_("Submitters and observers"), {"fields": ("submitters", "observers"), "classes": ["collapse"]}),
        (
            _("Results"),
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
        """Secrets only with the permission to set them."""
        if self.has_change_permission(request, obj) or self.has_add_permission(request):
            return super().get_fieldsets(request, obj)
        return [
            (title, {**options, "fields": tuple(name for name in options["fields"] if name != "webhook_secrets")})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Not while it has jobs: no list would show the queue of these jobs."""
        in_use = isinstance(obj, GraderQueue) and Job.objects.filter(queue_name=obj.name).order_by().exists()
        return super().has_delete_permission(request, obj) and not in_use

    def get_actions(self, request: HttpRequest, action_location: object = None) -> Any:
        """Queues are deleted one by one: that page checks for jobs."""
        # Django 6.1 says where the actions are to be shown; earlier ones do not know the word.
        found = super().get_actions(request, *([] if action_location is None else [action_location]))
        found.pop("delete_selected", None)
        return found

    def formfield_for_manytomany(self, db_field: ManyToMany, request: HttpRequest, **kwargs: Any) -> Any:
        """Accounts that can log in as graders, and those that are listed already."""
        if db_field.name == "graders":
            users = get_user_model()._default_manager
            graders = Q(groups__name=conf.GRADER_GROUP) | Q(granted_queues__isnull=False)
            kwargs["queryset"] = users.filter(pk__in=users.filter(graders).values("pk"))
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: GraderQueue, form: QueueForm, change: bool) -> None:
        """Only the fields changed on the page: a pause or a poll that came meanwhile is kept."""
        columns = {field.name for field in obj._meta.concrete_fields}
        obj.save(update_fields=[name for name in form.changed_data if name in columns] if change else None)

    def save_related(self, request: HttpRequest, form: QueueForm, formsets: object, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        _note_changes(request, form, change)
        queue = GraderQueue.objects.get(pk=form.instance.pk)
        if queue.restricted and not queue.graders.exists() and not queue.push_url:
            words = gettext("No grader may pull from %(queue)s: the queue is restricted, and no grader is listed.")
            messages.warning(request, words % {"queue": queue.name})

    def delete_model(self, request: HttpRequest, obj: GraderQueue) -> None:
        note(actor_of(request), "delete", queue_names=[obj.name])
        super().delete_model(request, obj)

    def moved(self, row: GraderQueue) -> QuerySet[OperatorMove]:
        return OperatorMove.objects.filter(queue_name=row.name)

    # Numbers. ---------------------------------------------------------------------------------------------------------

    def rows(self, ids: list[int]) -> list[Any]:
        """Each with how it stands, by the rules of the dashboard; a fixed number of statements for all of them."""
        rows: list[Any] = super().rows(ids)
        for row, one in zip(rows, standing.of(rows), strict=True):
            row.standing = one
        return rows

    def _jobs(self, one: Standing, number: int, state: str, text: object = None) -> str:
        """How many of its jobs are in this state, as a link to these."""
        shown = one.count.shown(number) if text is None else text
        return self.list_link(Job, shown, queue_name=one.name, status__exact=state) if number else "0"

    @admin.display(description=_("Waiting"))
    def waiting(self, row: Shown) -> str:
        return self._jobs(row.standing, row.standing.waiting, "waiting")

    @admin.display(description=_("Retry"))
    def again(self, row: Shown) -> str:
        return self._jobs(row.standing, row.standing.count.retry, Status.RETRY.value)

    @admin.display(description=_("Being graded"))
    def being_graded(self, row: Shown) -> str:
        return self._jobs(row.standing, row.standing.being_graded, "being_graded")

    @admin.display(description=_("Failed"))
    def failed(self, row: Shown) -> str:
        words = gettext("%(count)s failed") % {"count": row.standing.count.shown(row.standing.failed)}
        text = display.badge("failed", words)
        return self._jobs(row.standing, row.standing.failed, Status.FAILED.value, text)

    @admin.display(description=_("State"))
    def state(self, row: Shown) -> str:
        return _light(row.standing)

    @admin.display(description=_("Last polled"))
    def polled(self, queue: GraderQueue) -> str:
        if queue.last_polled_at is None:
            return gettext("never")
        return display.lines(
            [
                display.moment_short(queue.last_polled_at),
                gettext("by %(grader)s") % {"grader": queue.last_polled_by},
            ]
        )

    @admin.display(description=_("Graders"))
    def pulled_by(self, queue: GraderQueue) -> str:
        return gettext("listed") if queue.restricted else pgettext("graders", "all")

    @admin.display(description=_("Jobs"))
    def numbers(self, queue: GraderQueue) -> str:
        if not queue.pk:
            return display.EMPTY
        (one,) = standing.of([queue])
        rows = (
            (gettext("Waiting"), self._jobs(one, one.waiting, "waiting")),
            (gettext("of these in retry"), self._jobs(one, one.count.retry, Status.RETRY.value)),
            (gettext("Being graded"), self._jobs(one, one.being_graded, "being_graded")),
            (gettext("Failed"), self._jobs(one, one.failed, Status.FAILED.value)),
        )
        return format_html(
            "{}{}", _light(one), display.table(gettext("Jobs"), (gettext("State"), gettext("Jobs")), rows)
        )

    # Actions. ---------------------------------------------------------------------------------------------------------

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return may(request, PAUSE.permission)

    @admin.action(description=_("Pause: graders receive no jobs"), permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[GraderQueue]) -> HttpResponse | None:
        return self.work(request, queryset, PAUSE)

    @admin.action(description=RESUME.label, permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[GraderQueue]) -> HttpResponse | None:
        return self.work(request, queryset, RESUME)


def _note_changes(request: HttpRequest, form: QueueForm, change: bool) -> None:
    """Write down who changed what. A pause is told as the button tells it."""
    name, changed = form.instance.name, list(form.changed_data)
    if not change:
        note(actor_of(request), "create", queue_names=[name])
        return
    if "paused" in changed:
        changed.remove("paused")
        note(actor_of(request), (PAUSE if form.instance.paused else RESUME).name, queue_names=[name])
    if changed:
        told = ", ".join(_told(form, one) for one in changed)
        note(actor_of(request), "settings", subject=told, queue_names=[name])


def _told(form: QueueForm, name: str) -> str:
    """ "lease_seconds: 300 to 600"; of secrets and of lists of accounts only the name."""
    if name == "webhook_secrets" or isinstance(form.fields[name], forms.ModelMultipleChoiceField):
        return name
    was, now = (
        value if value not in (None, "") else "empty" for value in (form.initial.get(name), form.cleaned_data[name])
    )
    return f"{name}: {was} to {now}"


class Shown(Protocol):
    """A queue's row as `QueueAdmin.rows` gives it to the list."""

    standing: Standing


def _light(one: Standing) -> str:
    """The light of the dashboard with its causes."""
    colour = one.light.colour
    badges = [display.badge(colour, lights.WORDS[colour])]
    if one.queue.paused:
        badges.append(display.badge("paused", gettext("paused")))
    causes = (format_html('<span class="gq-note">{}</span>', cause) for cause in one.light.causes)
    return display.lines([format_html_join(" ", "{}", ((badge,) for badge in badges)), *causes])
