"""Filters of the list of jobs. They are in the URL; none reads the jobs to learn which values exist."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from submissions.models import DatabaseNow, GraderQueue, Status
from submissions.models import ExternalGraderDetail as Job

Jobs = QuerySet[Job]

WINDOWS = {
    "10min": ("Last 10 minutes", timedelta(minutes=10)),
    "1h": ("Last hour", timedelta(hours=1)),
    "1d": ("Last 24 hours", timedelta(days=1)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}


# What the counts of the queues lead to (docs/glossary.md).
CONDITIONS = {
    "waiting": ("Waiting", Q(status__in=Status.waiting()) | Q(status=Status.PULLED, available_at__lte=DatabaseNow())),
    "being_graded": ("Being graded", Q(status=Status.PULLED, available_at__gt=DatabaseNow())),
}


class StatusFilter(admin.SimpleListFilter):
    """As Django's own filter, in another SQL."""

    title = "status"
    parameter_name = "status__exact"  # as in the admin of edx-submissions: bookmarks keep working

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Job]) -> list[tuple[str, str]]:
        conditions = [(name, title) for name, (title, _) in CONDITIONS.items()]
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


class QueueFilter(admin.SimpleListFilter):
    title = "queue"
    parameter_name = "queue_name"  # as in the admin of edx-submissions: bookmarks keep working

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Job]) -> list[tuple[str, str]]:
        return [(name, name) for name in GraderQueue.objects.order_by("name").values_list("name", flat=True)]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs | None:
        name = self.value()
        if name is None:
            return None
        # No job can be in a queue with such a name, and PostgreSQL refuses to compare with NUL.
        return queryset.filter(queue_name=name) if name.isprintable() else queryset.none()


class FailuresFilter(admin.SimpleListFilter):
    title = "failures"
    parameter_name = "failures"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Job]) -> list[tuple[str, str]]:
        return [("0", "None"), ("1", "1 or more"), ("3", "3 or more"), ("5", "5 or more")]

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs | None:
        least = self.value()
        if least not in ("0", "1", "3", "5"):
            return None
        return queryset.filter(num_failures=0) if least == "0" else queryset.filter(num_failures__gte=int(least))


class Window(admin.SimpleListFilter):
    """From so long ago until now, by the database's clock."""

    column: str

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Job]) -> Iterator[tuple[str, str]]:
        yield from ((key, title) for key, (title, _) in WINDOWS.items())

    def queryset(self, request: HttpRequest, queryset: Jobs) -> Jobs | None:
        if (chosen := WINDOWS.get(self.value() or "")) is None:
            return None
        return queryset.filter(**{f"{self.column}__gte": DatabaseNow() - chosen[1]})


class ChangedFilter(Window):
    title = "status time"
    parameter_name = "changed"
    column = "status_time"


class CreatedFilter(Window):
    title = "created"
    parameter_name = "created"
    column = "created_at"
