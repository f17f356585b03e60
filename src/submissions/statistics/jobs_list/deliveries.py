"""The jobs whose results did not reach their platform: a walk of the deliveries by state and host."""

from __future__ import annotations

from collections.abc import Iterator

from submissions.models import DatabaseNow, Delivery, DeliveryState
from submissions.statistics.jobs_list import bounds
from submissions.statistics.jobs_list.filters import OVERDUE, Filters
from submissions.statistics.jobs_list.keys import Key, Match, behind
from submissions.statistics.lights import LATE


def of_deliveries(filters: Filters, after: Key | None) -> Iterator[Match]:
    rows = Delivery.objects.filter(state=DeliveryState.GIVEN_UP, due_at=None)
    if filters.delivery == OVERDUE:
        rows = Delivery.objects.filter(state=DeliveryState.DUE, due_at__lt=DatabaseNow() - LATE)
    if filters.host:
        rows = rows.filter(host=filters.host)
    while True:
        ordered = behind(rows, "due_at", after).order_by("-due_at", "-id")
        part = list(ordered.values_list("due_at", "pk", "job_id")[: bounds.WINDOW])
        yield from (Match((at, pk), job) for at, pk, job in part)
        if len(part) < bounds.WINDOW:
            return
        after = part[-1][:2]
