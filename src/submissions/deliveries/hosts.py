"""Hosts that do not answer: left alone by all workers, then tried once by one of them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F

from submissions.models import DatabaseNow, Delivery, DeliveryHost, DeliveryState, Transport
from submissions.queue.transactions import in_transaction

# In a row. One call in three that fails is no dead host.
FAILURES_TO_HOLD = 5
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 300.0
# However long the host itself asks for: an hour later somebody asks again.
LONGEST_REQUEST = 3600.0
# How many postponed rows of a host that is back one statement brings forward.
BATCH = 500
# So many of them per second, at the most.
PER_SECOND = 50


# For how long a process remembers whether a host has answered (seconds), and of how many.
KNOWN_SECONDS = 60.0
MOST_KNOWN = 10_000


class Proven:
    """Which hosts answer: those that took a result before, and did not fail since, as far as this process knows."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, bool]] = {}

    def __call__(self, host: str) -> bool:
        until, answers = self._known.get(host, (0.0, False))
        if time.monotonic() < until:
            return answers
        took = Delivery.objects.filter(state=DeliveryState.DELIVERED, host=host)
        answers = host in Transport.in_process() or took.exists()
        self.note(host, answers)
        return answers

    def note(self, host: str, answers: bool) -> None:
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[host] = (time.monotonic() + KNOWN_SECONDS, answers)


def in_trouble(hosts: Iterable[str]) -> dict[str, DeliveryHost]:
    """Those of `hosts` that failed lately."""
    return {row.host: row for row in DeliveryHost.objects.filter(host__in=list(hosts))}


def begin_probe(row: DeliveryHost, lease: timedelta) -> bool:
    """Whether this worker is the one that tries the held host, once its pause is over. All others go on waiting."""
    mine = DeliveryHost.objects.filter(pk=row.pk, held_until=row.held_until, held_until__lte=DatabaseNow())
    return bool(mine.update(held_until=DatabaseNow() + lease))


def end_probe_without(row: DeliveryHost) -> None:
    """There was nothing to try it with."""
    DeliveryHost.objects.filter(pk=row.pk).update(held_until=row.held_until)


def end_probe(host: str) -> None:
    """Nothing was sent after all: the next one may be, without waiting for the end of the lease."""
    DeliveryHost.objects.filter(host=host, held_until__isnull=False).update(held_until=DatabaseNow())


def is_held(row: DeliveryHost, now: datetime) -> bool:
    return row.held_until is not None and row.held_until > now


def note_failure(host: str, now: datetime, reason: str, pause: float | None = None) -> None:
    """Nobody answered there. `pause`: for how long the host itself asked to be left alone (seconds)."""
    rows = DeliveryHost.objects.filter(host=host)
    if not rows.update(failures=F("failures") + 1, last_error=reason):
        DeliveryHost.objects.bulk_create(
            [DeliveryHost(host=host, failures=1, last_error=reason)], ignore_conflicts=True
        )
    row = rows.first()
    if row is not None and (pause or row.failures >= FAILURES_TO_HOLD):
        seconds = min(pause, LONGEST_REQUEST) if pause else _pause(row.failures - FAILURES_TO_HOLD)
        rows.update(held_until=now + timedelta(seconds=seconds))


def _pause(times: int) -> float:
    """With jitter, so that not all hosts behind one dead line are tried at the same time."""
    pause: float = min(FIRST_PAUSE * 2 ** min(times, 20), LONGEST_PAUSE)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


def note_answer(host: str, lease: timedelta) -> None:
    """It answers again. What was postponed while it did not is sent soon, and not all at once."""
    if DeliveryHost.objects.filter(host=host).delete()[0]:
        _bring_forward(host, lease)


def _bring_forward(host: str, lease: timedelta) -> None:
    start = 0
    while moved := _bring_batch_forward(host, lease, start):
        start += moved


@in_transaction
def _bring_batch_forward(host: str, lease: timedelta, start: int) -> int:
    """Rows that are due within a lease may be on their way just now; they are left alone, and due soon anyway."""
    due = Delivery.objects.filter(state=DeliveryState.DUE, host=host, attempts__gt=0)
    soon = DatabaseNow() + lease + timedelta(seconds=(start + BATCH) / PER_SECOND)
    late = list(
        due.filter(due_at__gt=soon).order_by("due_at").locked(skip_locked=True).annotate(now=DatabaseNow())[:BATCH]
    )
    for number, row in enumerate(late):
        row.due_at = row.now + lease + timedelta(seconds=(start + number) / PER_SECOND)
    Delivery.objects.bulk_update(late, ["due_at"])
    return len(late)
