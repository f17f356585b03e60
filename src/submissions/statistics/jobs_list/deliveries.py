"""The jobs whose results reached their platform, or did not: a walk of the deliveries by state and host."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import QuerySet

from submissions.models import DatabaseNow, Delivery, DeliveryState
from submissions.statistics.depths import distinct
from submissions.statistics.hosts import MOST_HOSTS
from submissions.statistics.jobs_list import bounds
from submissions.statistics.jobs_list.filters import DELIVERED, DUE, OVERDUE, Filters
from submissions.statistics.jobs_list.keys import Key, Match, behind
from submissions.statistics.lights import LATE

HOUR = timedelta(hours=1)


def of_deliveries(filters: Filters, after: Key | None) -> Iterator[Match]:
    rows = _in_state(filters.delivery)
    if filters.host:
        rows = rows.filter(host=filters.host)
    # What was delivered has no due_at; its index begins with the host, and without that all that ever was is walked.
    column = "delivered_at" if filters.delivery == DELIVERED else "due_at"
    if filters.delivery == DELIVERED and not filters.host:
        rows = rows.filter(host__in=distinct(Delivery, "host", MOST_HOSTS))
    while True:
        ordered = behind(rows, column, after).order_by(f"-{column}", "-id")
        part = list(ordered.values_list(column, "pk", "job_id")[: bounds.WINDOW])
        yield from (Match((at, pk), job) for at, pk, job in part)
        if len(part) < bounds.WINDOW:
            return
        after = part[-1][:2]


def _in_state(delivery: str) -> QuerySet[Delivery]:
    """Those that were given up have no time to go by, and go by their ids."""
    due = Delivery.objects.filter(state=DeliveryState.DUE)
    if delivery == DUE:
        return due
    if delivery == OVERDUE:
        return Delivery.objects.overdue(DatabaseNow() - LATE)
    if delivery == DELIVERED:
        return Delivery.objects.filter(state=DeliveryState.DELIVERED, delivered_at__gte=DatabaseNow() - HOUR)
    return Delivery.objects.filter(state=DeliveryState.GIVEN_UP, due_at=None)
