"""A Django signal, for a platform that embeds the app: ``submissions.signals.result_ready``."""

from __future__ import annotations

from submissions.deliveries.message import Message
from submissions.signals import result_ready


def send(message: Message) -> None:
    # All of them get it, though one raises; then it is sent again, to all of them.
    for _, response in result_ready.send_robust(sender=None, message=message):
        if isinstance(response, Exception):
            raise response
