"""What an operator does to a delivery."""

from __future__ import annotations

from datetime import datetime

from submissions.deliveries import history
from submissions.errors import QueueError
from submissions.models import DatabaseNow, Delivery, DeliveryState, Told
from submissions.queue.transactions import in_transaction


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
        raise NotAllowedNow(f"Delivery {row.pk} is {row.state}; there is nothing to send.")
    later = Delivery.objects.to_same_destination(row).filter(pk__gt=row.pk)
    if later.filter(result__in=(Told.SCORE, Told.FAILURE)).exists():
        raise NotAllowedNow(f"Delivery {row.pk} tells of a result that a later one has replaced.")
    row.state, row.due_at, row.delivered_at = DeliveryState.DUE, now, None
    # Counted on, not from 0: who still sends it must not be taken for who sends it next.
    row.ready_at = now
    row.history = history.add(row.history, now, history.RETRIED)
    row.save(update_fields=["state", "due_at", "delivered_at", "ready_at", "history"])
    return row


@in_transaction
def give_up(delivery_id: int, reason: str = "Given up by an operator.") -> Delivery:
    """Send it no more, until an operator retries it. Raises UnknownDelivery, NotAllowedNow."""
    row, now = _lock(delivery_id)
    if row.state != DeliveryState.DUE:
        raise NotAllowedNow(f"Delivery {row.pk} is {row.state}; only due ones can be given up.")
    row.state, row.due_at, row.last_error = DeliveryState.GIVEN_UP, None, reason
    row.history = history.add(row.history, now, history.GIVEN_UP, reason)
    row.save(update_fields=["state", "due_at", "last_error", "history"])
    return row


def _lock(delivery_id: int) -> tuple[Delivery, datetime]:
    """The row, and the database's time."""
    row = Delivery.objects.filter(pk=delivery_id).locked().annotate(now=DatabaseNow()).first()
    if row is None:
        raise UnknownDelivery
    return row, row.now
