"""The jobs whose results reached their platform, or did not: a walk of the deliveries by state and host."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import QuerySet

from submissions.models import DatabaseNow, Delivery, DeliveryState
from submissions.statistics.jobs_list import bounds
from submissions.statistics.jobs_list.filters import DELIVERED, DUE, OVERDUE, Filters
from submissions.statistics.jobs_list.keys import Key, Match, behind
from submissions.statistics.lights import LATE

HOUR = timedelta(hours=1)


def of_deliveries(filters: Filters, after: Key | None) -> Iterator[Match]:
    rows = _in_state(filters.delivery)
    if filters.host:
        rows = rows.filter(host=filters.host)
    while True:
        ordered = behind(rows, "due_at", after).order_by("-due_at", "-id")
        part = list(ordered.values_list("due_at", "pk", "job_id")[: bounds.WINDOW])
        yield from (Match((at, pk), job) for at, pk, job in part)
        if len(part) < bounds.WINDOW:
            return
        after = part[-1][:2]


def _in_state(delivery: str) -> QuerySet[Delivery]:
    """Those that are due have a time to go by; the others have none, and go by their ids."""
    due = Delivery.objects.filter(state=DeliveryState.DUE)
    if delivery == DUE:
        return due
    if delivery == OVERDUE:
        return due.filter(due_at__lt=DatabaseNow() - LATE)
    if delivery == DELIVERED:
        lately = DatabaseNow() - HOUR
        return Delivery.objects.filter(state=DeliveryState.DELIVERED, due_at=None, delivered_at__gte=lately)
    return Delivery.objects.filter(state=DeliveryState.GIVEN_UP, due_at=None)
