"""A Django signal, for a platform that embeds the app: ``submissions.signals.result_ready``."""

from __future__ import annotations

from submissions.deliveries.message import Message
from submissions.deliveries.transports.base import Failed
from submissions.signals import result_ready


def send(message: Message) -> None:
    if not result_ready.has_listeners():
        # In another process, or of a receiver that was collected, as nothing but its connection held it.
        raise Failed("Nobody listens to result_ready in this process.", unreachable=False)
    # All of them get it, though one raises; then it is sent again, to all of them.
    for _, response in result_ready.send_robust(sender=None, message=message):
        if isinstance(response, Exception):
            raise response
