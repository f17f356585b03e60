"""The event bus of the tests: a real Redis, streams of one test alone, and a consumer in a process of its own."""

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
    # The last line may be half there.
    yield lambda: [json.loads(line) for line in heard.read_text().rpartition("\n")[0].splitlines()]
    process.kill()
    process.wait()


def bus(url: str, prefix: str) -> dict[str, str]:
    return {"GRADEQUEUE_EVENT_BUS_URL": url, "GRADEQUEUE_EVENT_BUS_PREFIX": prefix}
