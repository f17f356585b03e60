"""Results that did not reach their platform: given up, or overdue, by queue and host."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from django.db.models import QuerySet
from django.db.models.functions import Left

from submissions.models import DatabaseNow, Delivery, DeliveryState, Transport
from submissions.models.delivery import failing
from submissions.statistics.lights import LATE, Undelivered

MOST = 2000
"""Deliveries, of all queues, that are grouped."""
REASON_LENGTH = 200
MOST_SHOWN = 5

Undeliverable = tuple[str, str, str | None, int]
COLUMNS = ("job__queue_name", "host", Left("last_error", REASON_LENGTH), "job__submission_id")


def given_up() -> QuerySet[Delivery]:
    """The deliveries that were given up, newest first."""
    # Their due_at is NULL; named, it makes this a walk of (state, due_at, id), not one over all deliveries by id.
    return Delivery.objects.filter(state=DeliveryState.GIVEN_UP).order_by("-due_at", "-id")


def plain_reason(host: str, reason: str) -> str:
    """What a receiver of the platform raised may quote a learner, and lights go to observers and chats: its kind
    alone. The whole of it stands with the delivery."""
    return reason.partition(": ")[0] if host in Transport.in_process() else reason


def by_queue(names: Iterable[str]) -> dict[str, tuple[Undelivered, ...]]:
    """The newest that were given up, by queue and host; the reason that most of a host have stands for it."""
    found = _newest(given_up())
    return _grouped(found, names, more=len(found) == MOST)


def _newest(rows: QuerySet[Delivery]) -> list[Undeliverable]:
    return list(rows.values_list(*COLUMNS)[:MOST])


def _grouped(
    values: Iterable[Undeliverable], names: Iterable[str], *, more: bool
) -> dict[str, tuple[Undelivered, ...]]:
    reasons: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    ids: dict[tuple[str, str], list[int]] = defaultdict(list)
    known = set(names)
    for name, host, reason, submission_id in values:
        if name in known:
            reasons[name, host][plain_reason(host, reason or "")] += 1
            ids[name, host].append(submission_id)
    found: dict[str, tuple[Undelivered, ...]] = {}
    for (name, host), counter in reasons.items():
        some = tuple(ids[name, host][:MOST_SHOWN])
        one = Undelivered(host, counter.total(), counter.most_common(1)[0][0], some, more=more)
        found[name] = (*found.get(name, ()), one)
    return found


def late(names: Iterable[str]) -> dict[str, tuple[Undelivered, ...]]:
    """Those that are overdue, by queue and host: of the MOST deliveries that have been due for longest, and of the
    MOST that are due last, which have failed for longest."""
    since = DatabaseNow() - LATE
    due = Delivery.objects.filter(state=DeliveryState.DUE)
    waiting = _newest(due.filter(due_at__lt=since).order_by("due_at", "id"))
    # Told of each and not filtered: a database would read on until it has found so many.
    others = due.filter(due_at__gte=since).annotate(fails=failing(since)).order_by("-due_at", "-id")
    last = list(others.values_list(*COLUMNS, "fails")[:MOST])
    refused = [tuple(columns) for *columns, fails in last if fails]
    return _grouped(waiting + refused, names, more=MOST in (len(waiting), len(last)))
