"""Redis, as the event bus and as the cache, goes away for a minute."""

from __future__ import annotations

import json
import subprocess
import time

import django
from django.conf import settings

from tests.ha.machines import Machine
from tests.ha.postgresql import PostgreSQL
from tests.ha.trial import Stage, Trial
from tests.ha.web import WebHost
from tests.nemesis.journal import Told
from tests.nemesis.ledger import Ledger

AWAY = 60  # seconds


class Redis:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.url = f"redis://{machine.back}:6379"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ("--bind", self.machine.back, "--protected-mode", "no", "--appendonly", "yes", "--save", "")
        self.process = self.machine.start("redis-server", *words, "--dir", str(self.machine.folder))

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def events(self) -> list[Told]:
        """What stands in the stream, for whoever consumes it."""
        import redis

        with redis.Redis.from_url(self.url) as client:
            (stream,) = client.scan_iter("*external-grader*")
            found = [fields for _, fields in client.xrange(stream)]
        return [_told(fields[b"event_data"]) for fields in found]


def _told(data: bytes) -> Told:
    if not settings.configured:
        settings.configure(INSTALLED_APPS=["openedx_events"])
        django.setup()
    from openedx_events.event_bus.avro.deserializer import deserialize_bytes_to_event_data
    from openedx_events.learning.signals import EXTERNAL_GRADER_SCORE_SUBMITTED

    score = deserialize_bytes_to_event_data(data, EXTERNAL_GRADER_SCORE_SUBMITTED)["score"]
    return Told(time.time(), score.submission_id, float(json.loads(score.score_msg)["score"]))


def run(stage: Stage) -> Ledger:
    store = PostgreSQL(stage.machine("db", 11))
    redis = Redis(stage.machine("redis", 41))
    redis.start()
    environment = {
        **stage.environment,
        "GRADEQUEUE_WEBHOOK_URL": "",
        "GRADEQUEUE_EVENT_BUS_URL": f"{redis.url}/0",
        "GRADEQUEUE_EVENT_BUS_PREFIX": "ha",
        "CACHE_URL": f"{redis.url.replace('redis', 'rediscache', 1)}/1",
    }
    web = WebHost(stage.machine("web1", 21), store.url, environment)
    web.run("migrate", "-v", "0")
    web.start()
    trial = Trial(stage, store, [web], {"web1": [web]}, heard=redis.events)
    trial.begin()

    def go_away() -> None:
        redis.kill()
        time.sleep(AWAY)
        redis.start()

    trial.fault(f"Redis is away for {AWAY} s", go_away)

    def stand_still() -> None:
        redis.machine.freeze()
        time.sleep(30)
        redis.machine.thaw()

    trial.fault("Redis stands still for 30 s", stand_still)
    return trial.end()
