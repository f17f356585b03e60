"""Open edX's event EXTERNAL_GRADER_SCORE_SUBMITTED; the one file that knows openedx-events."""

from __future__ import annotations

import math
import threading
from datetime import UTC
from typing import Protocol

from openedx_events.learning.data import ExternalGraderScoreData
from openedx_events.learning.signals import EXTERNAL_GRADER_SCORE_SUBMITTED
from openedx_events.tooling import prepare_for_new_work_cycle

from submissions.deliveries.message import Message
from submissions.deliveries.transports.base import Failed


def send(message: Message) -> None:
    score = ExternalGraderScoreData(
        points_possible=math.ceil(message.points_possible),
        points_earned=_whole(message.points_earned, message.points_possible),
        course_id=message.course_id,
        score_msg=message.reply,
        submission_id=message.submission_id,
        user_id=message.student_id,
        module_id=message.item_id,
        queue_key=message.queue_key,
        queue_name=message.queue_name,
    )
    # Receivers are written for a web request: what one of them has cached for it must not reach the next result.
    prepare_for_new_work_cycle()
    # It takes UTC alone, by Python's own name for it. A receiver that raises: it is tried again.
    when = message.ready_at.astimezone(UTC)
    EXTERNAL_GRADER_SCORE_SUBMITTED.send_event(send_robust=False, time=when, score=score)


def _whole(earned: float, possible: float) -> int:
    """The event's points are whole numbers: the nearest one, but never full points for what is less.

    Who needs them as they are reads ``score`` in score_msg, as the platform does.
    """
    full = math.ceil(possible)
    if earned >= possible:
        return full
    return min(math.floor(earned + 0.5), full - 1)


# The event bus. -----------------------------------------------------------------------------------------------------


def create_producer() -> object:
    """For EVENT_BUS_PRODUCER: edx-event-bus-redis' producer, but it raises where Redis did not take the message.

    Theirs catches every exception, logs it and returns, also with `send_robust=False`: a result that never reached
    Redis would count as delivered. It leans on two names of theirs, `create_producer` and `client.Stream(topic).add`;
    a test with a real Redis, and with one that is not there, holds them.
    """
    import edx_event_bus_redis

    found = edx_event_bus_redis.create_producer()
    if found is None:
        return None

    class Producer(type(found)):  # type: ignore[misc]
        def send(self, **event: object) -> None:
            self.client.added.clear()
            super().send(**event)
            if not self.client.added.is_set():
                raise Failed("It did not reach the event bus; the log says why.")

    return Producer(_RememberingClient(found.client))


class _Stream(Protocol):
    def add(self, *args: object, **kwargs: object) -> object: ...


class _Client(Protocol):
    """What the producer uses of walrus' Redis client."""

    def Stream(self, topic: str) -> _Stream: ...  # noqa: N802 - walrus' name


class _RememberingClient:
    """A Redis client that remembers, per thread, whether a message was added."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._threads = threading.local()

    @property
    def added(self) -> threading.Event:
        if not hasattr(self._threads, "added"):
            self._threads.added = threading.Event()
        found: threading.Event = self._threads.added
        return found

    def Stream(self, topic: str) -> _RememberingStream:  # noqa: N802 - walrus' name
        return _RememberingStream(self._client.Stream(topic), self.added)


class _RememberingStream:
    def __init__(self, stream: _Stream, added: threading.Event) -> None:
        self._stream = stream
        self._added = added

    def add(self, *args: object, **kwargs: object) -> object:
        name = self._stream.add(*args, **kwargs)
        self._added.set()
        return name
