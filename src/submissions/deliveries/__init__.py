"""The outbox: results on their way to platforms (``docs/deliveries.md``).

`submissions.queue.owed` makes the rows, inside the queue's own transactions; what is here sends them, outside.
"""

from django.core import checks

from submissions import signals
from submissions.deliveries import at_once, destinations
from submissions.deliveries.attempt import Outcome
from submissions.deliveries.history import Attempt, attempts_of
from submissions.deliveries.message import Message
from submissions.deliveries.verbs import (
    BY_OPERATOR,
    NotAllowedNow,
    UnknownDelivery,
    due_later,
    due_to,
    give_up,
    give_up_host,
    retry,
    try_now,
)
from submissions.deliveries.worker import Worker, deliver_due
from submissions.queue import create_delivery

__all__ = [
    "BY_OPERATOR",
    "Attempt",
    "Message",
    "NotAllowedNow",
    "Outcome",
    "UnknownDelivery",
    "Worker",
    "attempts_of",
    "connect",
    "create_delivery",
    "deliver_due",
    "due_later",
    "due_to",
    "give_up",
    "give_up_host",
    "retry",
    "try_now",
]


def connect() -> None:
    """Called once, when the app is ready."""
    checks.register(destinations.are_usable, "submissions")
    signals.deliveries_due.connect(at_once.begin, dispatch_uid="submissions.deliveries.at_once")
