"""Results on Open edX's event bus: the real Redis, the real producer, and a consumer in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from submissions.models import Delivery
from tests.deliveries.owed import deliver, graded, later, wait_for
from tests.queue.jobs import make
from tests.server import free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")

# What a service of Open edX does with `manage.py consume_events`, and its receiver.
CONSUMER = """
import json, sys
import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["openedx_events"],
    EVENT_BUS_REDIS_CONNECTION_URL=sys.argv[1],
    EVENT_BUS_TOPIC_PREFIX=sys.argv[2],
    EVENT_BUS_REDIS_CONSUMER_POLL_TIMEOUT=1,
)
django.setup()
from edx_event_bus_redis import RedisEventConsumer
from openedx_events.learning.signals import EXTERNAL_GRADER_SCORE_SUBMITTED

def receive(signal, sender, score, **_):
    print(json.dumps([json.loads(score.score_msg)["score"], vars(score)]), flush=True)

EXTERNAL_GRADER_SCORE_SUBMITTED.connect(receive)
RedisEventConsumer("learning-external-grader", "lms", "one", check_backlog=True).consume_indefinitely()
"""


@pytest.fixture
def prefix() -> Iterator[str]:
    """The streams of this test alone."""
    name = f"gq-{uuid.uuid4().hex[:10]}"
    yield name
    with redis.Redis.from_url(REDIS) as client:
        for key in client.scan_iter(f"{name}*"):
            client.delete(key)


@pytest.fixture
def consumed(prefix: str, tmp_path: Path) -> Iterator[Any]:
    """Reads what the consumer has printed so far."""
    heard = tmp_path / "heard"
    with heard.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", CONSUMER, REDIS, prefix], stdout=out, stderr=subprocess.DEVNULL
        )
    yield lambda: [json.loads(line) for line in heard.read_text().splitlines()]
    process.kill()
    process.wait()


def due_event(settings: Any, **fields: Any) -> Any:
    settings.SUBMISSIONS_TRANSPORTS = ["event"]
    job = make(**fields)
    graded(job, 0.7)
    return job


def bus(url: str, prefix: str) -> dict[str, str]:
    return {"GRADEQUEUE_EVENT_BUS_URL": url, "GRADEQUEUE_EVENT_BUS_PREFIX": prefix}


def test_a_result_reaches_another_service_over_the_event_bus(settings: Any, prefix: str, consumed: Any) -> None:
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


def test_a_bus_that_is_down_loses_nothing(settings: Any, prefix: str, consumed: Any) -> None:
    """Its own producer logs the error and returns: without ours the result would count as told."""
    due_event(settings)
    assert deliver("--once", **bus(f"redis://127.0.0.1:{free_port()}/0", prefix)).wait(60) == 0
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.last_error) == ("due", 1, "It did not reach the event bus; the log says why.")
    later(10)
    assert deliver("--once", **bus(REDIS, prefix)).wait(60) == 0
    assert Delivery.objects.get().state == "delivered"
    wait_for(lambda: len(consumed()) == 1)
