"""The path that platforms have in EVENT_BUS_PRODUCER: ``submissions.deliveries.event.create_producer``.

The transport itself is `submissions.deliveries.transports.event`.
"""

from __future__ import annotations


def create_producer() -> object:
    """A producer for edx-event-bus-redis that raises where a message did not reach Redis."""
    # Only now: openedx-events need not be there.
    from submissions.deliveries.transports import event

    return event.create_producer()
