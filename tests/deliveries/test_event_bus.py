"""Results on Open edX's event bus: the real Redis, the real producer, and a consumer in a process of its own."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.module_loading import import_string

from submissions.models import Delivery, DeliveryHost
from tests.deliveries.owed import deliver, graded, later, wait_for
from tests.event_bus import REDIS, bus, consumed, prefix  # noqa: F401 - fixtures
from tests.make import make
from tests.server import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]


def due_event(settings: Any, **fields: Any) -> Any:
    settings.SUBMISSIONS_TRANSPORTS = ["event"]
    job = make(**fields)
    graded(job, 0.7)
    return job


def test_a_result_reaches_another_service_over_the_event_bus(settings: Any, prefix: str, consumed: Any) -> None:  # noqa: F811
    jobs = [due_event(settings, points_possible=10, item=f"i{number}") for number in range(5)]
    assert deliver("--once", **bus(REDIS, prefix)).wait(60) == 0
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    wait_for(lambda: len(consumed()) == 5)
    assert sorted(consumed(), key=lambda pair: pair[1]["submission_id"]) == [
        [
            7,
            {
                "points_possible": 10,
                "points_earned": 7,
                "course_id": "c",
                "score_msg": '{"correct": true, "score": 7, "msg": "<p>ok</p>"}',
                "submission_id": job.submission_id,
                "user_id": job.submission.student_item.student_id,
                "module_id": f"i{number}",
                "queue_key": "key",
                "queue_name": "q",
            },
        ]
        for number, job in enumerate(jobs)
    ]


def test_the_path_in_platforms_settings_makes_our_producer(settings: Any, prefix: str) -> None:  # noqa: F811
    settings.EVENT_BUS_REDIS_CONNECTION_URL, settings.EVENT_BUS_TOPIC_PREFIX = REDIS, prefix
    producer: Any = import_string("submissions.deliveries.event.create_producer")()
    assert (type(producer).__name__, type(producer).__module__) == (
        "Producer",
        "submissions.deliveries.transports.event",
    )


def test_a_bus_that_is_down_loses_nothing(settings: Any, prefix: str, consumed: Any) -> None:  # noqa: F811
    """Its own producer logs the error and returns: without ours the result would count as told."""
    for number in range(12):
        due_event(settings, item=f"i{number}")
    assert deliver("--once", **bus(f"redis://127.0.0.1:{free_port()}/0", prefix)).wait(60) == 0
    rows = Delivery.objects.values_list("state", "attempts", "last_error")
    assert set(rows) == {("due", 1, "It did not reach the event bus; the log says why.")}
    # They failed together, which says no more of the bus than one: it is not left alone for minutes.
    assert list(DeliveryHost.objects.values_list("failures", "held_until")) == [(1, None)]
    later(10)
    assert deliver("--once", **bus(REDIS, prefix)).wait(60) == 0
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    wait_for(lambda: len(consumed()) == 12)
