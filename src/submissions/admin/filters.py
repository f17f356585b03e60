"""Filters of the list of jobs. They are in the URL; none reads the jobs to learn which values exist."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from submissions.models import DatabaseNow, GraderQueue, GraderSighting, Status
from submissions.models import ExternalGraderDetail as Job
from submissions.statistics import jobs_list
from submissions.text import is_name
from submissions.words import Words

Jobs = QuerySet[Job]

# How many names a browser offers.
MOST_KNOWN = 1000

WINDOWS: dict[str, tuple[Words, timedelta]] = {
    "10min": (_("Last 10 minutes"), timedelta(minutes=10)),
    "1h": (_("Last hour"), timedelta(hours=1)),
    "1d": (_("Last 24 hours"), timedelta(days=1)),
    "7d": (_("Last 7 days"), timedelta(days=7)),
    "30d": (_("Last 30 days"), timedelta(days=30)),
}


# What the counts of the queues lead to (docs/glossary.md).
CONDITIONS: dict[str, tuple[Words, Q]] = {
    "waiting": (
        _("Waiting"),
        Q(status__in=Status.waiting()) | Q(status=Status.PULLED, available_at__lte=DatabaseNow()),
    ),
    "being_graded": (_("Being graded"), Q(status=Status.PULLED, available_at__gt=DatabaseNow())),
}


class StatusFilter(admin.SimpleListFilter):
    """As Django's own filter, in another SQL."""

    title = _("status")
    parameter_name = "status__exact"  # as in the admin of edx-submissions: bookmarks keep working

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Job]) -> list[tuple[str, Words]]:
        conditions = [(name, title) for name, (title, _rows) in CONDITIONS.items()]
        return [*((status.value, status.label) for status in Status), *conditions]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs | None:
        status = self.value()
        if status is None:
            return None
        if status in CONDITIONS:
            return queryset.filter(CONDITIONS[status][1])
        return queryset.filter(**exactly(status)) if status in Status.values else queryset.none()


def exactly(status: str) -> dict[str, str]:
    """A range with one value in it (ADR 0061).

    With an equality, PostgreSQL drops the column from ORDER BY and walks the index of the time alone: for rare and
    old rows, through all newer ones.
    """
    return {"status__gte": status, "status__lte": status}


class TextFilter(admin.SimpleListFilter):
    """A name that is typed: however many there are, the page stays as long as it is."""

    template = "admin/submissions/text_filter.html"
    most = 0
    """Of how many of the latest jobs the list is made, where that is less than all."""

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        super().__init__(request, *args)
        kept = [(name, value) for name, values in request.GET.lists() for value in values]
        self.kept = [(name, value) for name, value in kept if name not in (self.parameter_name, "p")]

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Job]) -> list[tuple[str, Words]]:
        return [("", _("All"))]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        yield {
            "name": self.parameter_name,
            "value": self.value() or "",
            "kept": self.kept,
            "known": self.known(),
            "all": changelist.get_query_string(remove=[str(self.parameter_name)]),
            "most": self.most,
        }

    def known(self) -> list[str]:
        """What a browser offers while somebody types."""
        return []


class QueueFilter(TextFilter):
    title = _("queue")
    parameter_name = "queue_name"  # as in the admin of edx-submissions: bookmarks keep working

    def known(self) -> list[str]:
        return list(GraderQueue.objects.order_by("name").values_list("name", flat=True)[:MOST_KNOWN])

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs | None:
        name = self.value()
        if not name:
            return None
        # No job can be in a queue with such a name, and PostgreSQL refuses to compare with NUL.
        return queryset.filter(queue_name=name) if is_name(name) else queryset.none()


class LatestFilter(TextFilter):
    """By what has no index in the order of the list: of the latest jobs that match, in bounded work."""

    most = 500

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs | None:
        name, queue = self.value() or "", request.GET.get("queue_name", "")
        if not name:
            return None
        try:
            filters = jobs_list.read({str(self.parameter_name): name, "queue": queue})
        except jobs_list.BadFilter:
            return queryset.none()
        return queryset.filter(pk__in=jobs_list.page(filters, size=self.most).jobs)


class GraderFilter(LatestFilter):
    title = _("grader")
    parameter_name = "grader"

    def known(self) -> list[str]:
        return sorted(set(GraderSighting.objects.order_by().values_list("grader", flat=True)[:MOST_KNOWN]))


class CourseFilter(LatestFilter):
    title = _("course")
    parameter_name = "course"


class FailuresFilter(admin.SimpleListFilter):
    title = _("failures")
    parameter_name = "failures"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Job]) -> list[tuple[str, Words]]:
        return [("0", _("None")), ("1", _("1 or more")), ("3", _("3 or more")), ("5", _("5 or more"))]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs | None:
        least = self.value()
        if least not in ("0", "1", "3", "5"):
            return None
        return queryset.filter(num_failures=0) if least == "0" else queryset.filter(num_failures__gte=int(least))


class Window(admin.SimpleListFilter):
    """From so long ago until now, by the database's clock."""

    column: str

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Job]) -> Iterator[tuple[str, Words]]:
        yield from ((key, title) for key, (title, _span) in WINDOWS.items())

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs | None:
        if (chosen := WINDOWS.get(self.value() or "")) is None:
            return None
        return queryset.filter(**{f"{self.column}__gte": DatabaseNow() - chosen[1]})


class ChangedFilter(Window):
    title = _("status time")
    parameter_name = "changed"
    column = "status_time"


class CreatedFilter(Window):
    title = _("created")
    parameter_name = "created"
    column = "created_at"
