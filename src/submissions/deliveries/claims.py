"""Taking due deliveries, and writing down what became of them. Short transactions; the network is between them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Min, OuterRef, Subquery

from submissions import signals
from submissions.conf import conf
from submissions.deliveries import history, hosts
from submissions.models import DatabaseNow, Delivery, DeliveryState, Told
from submissions.queue.transactions import in_transaction

# How many hosts are looked at in one round, where some have something due now. The next round goes on there: else the
# last ones in the alphabet would never be told while so many others wait for their next attempt.
MOST_HOSTS = 1000
_walked_to: str | None = None


def lease() -> timedelta:
    """How long a worker has a row for itself: an attempt and what it needs of the database, twice."""
    return timedelta(seconds=2 * int(conf.DELIVERY_TIMEOUT_SECONDS) + 30)


def take(free: int, room: Callable[[str], int]) -> list[Any]:
    """Up to `free` deliveries that are due, at most ``room(host)`` for a host, each with the database's ``now``.

    They are this worker's until the lease ends. ``in_trouble``: whether the host did not answer lately.
    """
    ripe, now = _ripe_hosts()
    if not ripe:
        return []
    trouble = hosts.troubled(ripe)
    random.shuffle(ripe)
    taken: list[Any] = []
    for host in ripe:
        wanted = min(free - len(taken), room(host))
        if wanted > 0:
            taken += _take_from(host, wanted, trouble.get(host), now)
    for row in taken:
        row.in_trouble = row.host in trouble
    return taken


def _ripe_hosts() -> tuple[list[str], Any]:
    """The hosts for which something is due now, found by one step of the index each, however much is due."""
    global _walked_to
    begun = at = _walked_to
    found: list[str] = []
    now: Any = None
    steps = 0
    while not found or steps < MOST_HOSTS:
        first = _first_due_after(at)
        if first is None:
            at = None
            if found or begun is None:
                break
            begun = None  # once more, from the first one on
            continue
        at, now = first.host, first.now
        steps += 1
        if first.due_at is not None and first.due_at <= now:
            found.append(first.host)
    _walked_to = at
    return found, now


def _first_due_after(host: str | None) -> Any:
    due = Delivery.objects.filter(state=DeliveryState.DUE).order_by("host", "due_at").annotate(now=DatabaseNow())
    rows = due if host is None else due.filter(host__gt=host)
    return rows.only("host", "due_at").first()


def _take_from(host: str, wanted: int, row: Any, now: datetime) -> list[Any]:
    if row is None or row.held_until is None:
        return _take(host, wanted)
    if hosts.is_held(row, now) or not hosts.begin_probe(row, lease()):
        return []
    taken = _take(host, 1)
    if not taken:
        hosts.end_probe_without(row)
    return taken


@in_transaction
def _take(host: str, wanted: int) -> list[Any]:
    taken: list[Any] = []
    while len(taken) < wanted:
        due = Delivery.objects.filter(state=DeliveryState.DUE, host=host, due_at__lte=DatabaseNow())
        rows: Any = due.order_by("due_at", "id").locked(skip_locked=True).annotate(earlier=_earlier())
        found = list(rows[: wanted - len(taken)])
        if not found:
            break
        # What is held back is due no more, so this ends.
        for row in found:
            if row.earlier is not None:
                _hold_back(row)
        taken += _begun([row for row in found if row.earlier is None])
    return taken


def _begun(rows: list[Any]) -> list[Any]:
    if rows:
        mine = Delivery.objects.filter(pk__in=[row.pk for row in rows])
        mine.update(due_at=DatabaseNow() + lease(), attempts=F("attempts") + 1)
    for row in rows:
        row.attempts += 1
    return rows


def _earlier() -> Subquery:
    """When an earlier result of the same job is due at the same place: the later one must not overtake it."""
    before = Delivery.objects.filter(
        job=OuterRef("job"),
        transport=OuterRef("transport"),
        destination_key=OuterRef("destination_key"),
        state=DeliveryState.DUE,
        pk__lt=OuterRef("pk"),
    )
    return Subquery(before.order_by().values("job").annotate(at=Min("due_at")).values("at")[:1])


def _hold_back(row: Any) -> None:
    free = row.now + lease()
    if row.earlier > free:
        # Nobody is sending it, or it would be due within a lease. A failure is dropped when it is taken next: what
        # replaces it must not wait out its pause, which may be a day.
        overtaken = Delivery.objects.filter(
            job=row.job_id, transport=row.transport, destination_key=row.destination_key, pk__lt=row.pk
        ).filter(state=DeliveryState.DUE, result=Told.FAILURE, due_at__gt=free)
        if overtaken.update(due_at=row.now):
            row.earlier = row.now
    Delivery.objects.filter(pk=row.pk).update(due_at=max(row.now, row.earlier) + timedelta(seconds=1))


# What became of one. ------------------------------------------------------------------------------------------------


def _mine(delivery: Any) -> Any:
    """The row, if nobody took it over meanwhile."""
    return Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.DUE, attempts=delivery.attempts)


def is_overtaken(delivery: Any) -> bool:
    """Whether it tells of a failure, and a later result is on its way to the same place."""
    if delivery.result != Told.FAILURE:
        return False
    later = Delivery.objects.filter(
        job=delivery.job_id, transport=delivery.transport, destination_key=delivery.destination_key, pk__gt=delivery.pk
    )
    return bool(later.exists())


def delivered(delivery: Any) -> bool:
    """False where another worker has taken the row over."""
    done = _mine(delivery).update(
        state=DeliveryState.DELIVERED,
        delivered_at=DatabaseNow(),
        due_at=None,
        last_error=None,
        history=history.noted(delivery.history, delivery.now, history.DELIVERED),
    )
    if done:
        signals.announce(signals.delivered, delivery=delivery)
    return bool(done)


def drop(delivery: Any) -> None:
    _mine(delivery).update(
        state=DeliveryState.DROPPED, due_at=None, last_error="A later result of the job takes its place."
    )


def failed(delivery: Any, now: datetime, reason: str, retry_after: float | None = None) -> None:
    """To be tried again, unless that has gone on for too long. `now`: the database's time, about."""
    oldest = now - timedelta(seconds=int(conf.DELIVERY_MAX_AGE_SECONDS))
    if delivery.ready_at is not None and delivery.ready_at < oldest:
        days = f"{int(conf.DELIVERY_MAX_AGE_SECONDS) / 86_400:g}"
        give_up(delivery, f"Not told within {days} days. {reason}", outcome=history.FAILED)
        return
    pause = max(backoff(history.failures(delivery.history) + 1), retry_after or 0.0)
    noted = history.noted(delivery.history, delivery.now, history.FAILED, reason)
    if _mine(delivery).update(due_at=now + timedelta(seconds=pause), last_error=reason, history=noted):
        signals.announce(signals.delivery_failed, delivery=delivery, reason=reason, pause=pause)


def give_up(delivery: Any, reason: str, *, outcome: str = history.REFUSED) -> None:
    noted = history.noted(delivery.history, delivery.now, outcome, reason)
    if _mine(delivery).update(state=DeliveryState.GIVEN_UP, due_at=None, last_error=reason, history=noted):
        signals.announce(signals.delivery_given_up, delivery=delivery, reason=reason)


def backoff(failures: int) -> float:
    """The pause after so many failures in a row (seconds): doubled each time, up to the ceiling, with jitter."""
    first = float(conf.DELIVERY_BACKOFF_SECONDS)
    pause: float = min(first * 2 ** min(max(failures - 1, 0), 30), float(conf.DELIVERY_BACKOFF_CEILING_SECONDS))
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
