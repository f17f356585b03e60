"""What an operator does to a delivery."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext_noop

from submissions.deliveries import claims, history, hosts
from submissions.errors import QueueError
from submissions.models import DatabaseNow, Delivery, DeliveryState, Told
from submissions.models.delivery import DeliveryQuerySet
from submissions.queue.transactions import in_transaction

BY_OPERATOR = "Given up by an operator."
NO_DELIVERY = gettext_noop("There is no such delivery.")
NOTHING_TO_SEND = gettext_noop("Delivery %(id)s is %(state)s; there is nothing to send.")
REPLACED = gettext_noop("Delivery %(id)s tells of a result that a later one has replaced.")
ONLY_DUE = gettext_noop("Delivery %(id)s is %(state)s; only due ones can be given up.")


class UnknownDelivery(QueueError):
    """There is no such delivery."""


class NotAllowedNow(QueueError):
    """The delivery's state does not allow this."""


@in_transaction
def retry(delivery_id: int) -> Delivery:
    """Send it again, at once, its pauses as at first: given up, delivered, or waiting for its next attempt.

    Raises UnknownDelivery, NotAllowedNow.
    """
    row, now = _lock(delivery_id)
    if row.state not in (DeliveryState.GIVEN_UP, DeliveryState.DELIVERED, DeliveryState.DUE) or not row.result:
        raise NotAllowedNow(NOTHING_TO_SEND, id=row.pk, state=row.state)
    later = Delivery.objects.to_same_destination(row).filter(pk__gt=row.pk)
    if later.filter(result__in=(Told.SCORE, Told.FAILURE)).exists():
        raise NotAllowedNow(REPLACED, id=row.pk)
    row.state, row.due_at, row.delivered_at = DeliveryState.DUE, now, None
    # Counted on, not from 0: who still sends it must not be taken for who sends it next.
    row.ready_at = now
    row.history = history.add(row.history, now, history.RETRIED)
    row.save(update_fields=["state", "due_at", "delivered_at", "ready_at", "history"])
    return row


@in_transaction
def give_up(delivery_id: int, reason: str = BY_OPERATOR) -> Delivery:
    """Send it no more, until an operator retries it. Raises UnknownDelivery, NotAllowedNow."""
    row, now = _lock(delivery_id)
    if row.state != DeliveryState.DUE:
        raise NotAllowedNow(ONLY_DUE, id=row.pk, state=row.state)
    row.state, row.due_at, row.last_error = DeliveryState.GIVEN_UP, None, reason
    row.history = history.add(row.history, now, history.GIVEN_UP, reason)
    row.save(update_fields=["state", "due_at", "last_error", "history"])
    return row


def due_to(host: str) -> DeliveryQuerySet:
    """What is to be sent to `host`, now or later, and what is on its way."""
    return Delivery.objects.filter(state=DeliveryState.DUE, host=host)


def due_later(host: str) -> DeliveryQuerySet:
    """What waits there for a later attempt.

    What is due within a worker's lease may be on its way just now, and comes soon anyway.
    """
    return due_to(host).filter(due_at__gt=DatabaseNow() + claims.lease())


@in_transaction
def try_now(host: str, most: int, *, ask_host: bool = True) -> list[int]:
    """Let the deliveries to `host` that wait for a later attempt be due now, up to `most`; their ids.

    `ask_host`: also where it is left alone, as it does not answer.
    """
    if ask_host:
        hosts.end_probe(host)
    later = due_later(host).order_by("due_at", "id")
    ids = list(later.locked(skip_locked=True).values_list("pk", flat=True)[:most])
    Delivery.objects.filter(pk__in=ids).update(due_at=DatabaseNow())
    return ids


@in_transaction
def give_up_host(host: str, reason: str, most: int) -> list[int]:
    """Send no more of what is due to `host`, up to `most`, until an operator sends it again; their ids."""
    due = due_to(host).order_by("due_at", "id")
    rows = list(due.locked(skip_locked=True).annotate(now=DatabaseNow())[:most])
    for row in rows:
        row.state, row.due_at, row.last_error = DeliveryState.GIVEN_UP, None, reason
        row.history = history.add(row.history, row.now, history.GIVEN_UP, reason)
    Delivery.objects.bulk_update(rows, ["state", "due_at", "last_error", "history"], batch_size=100)
    return [row.pk for row in rows]


def _lock(delivery_id: int) -> tuple[Delivery, datetime]:
    """The row, and the database's time."""
    row = Delivery.objects.filter(pk=delivery_id).locked().annotate(now=DatabaseNow()).first()
    if row is None:
        raise UnknownDelivery(NO_DELIVERY)
    return row, row.now
