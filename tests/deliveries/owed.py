"""Jobs that are owed something, their results, and the hands of the clock."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.db import connection
from django.db.models import F

from submissions import deliveries, queue
from submissions.models import Delivery, DeliveryHost
from submissions.models import ExternalGraderDetail as Job
from tests.make import make
from tests.server import GRADEQUEUE, Server
from tests.settings import KIND, SERVER

CODE = """
import json, sys
from submissions import deliveries
from submissions.models import ExternalGraderDetail as Job
for line in json.load(sys.stdin):
    deliveries.create_delivery(Job.objects.get(submission_id=line[0]), "callback", line[1], header=line[2])
"""


def owe(server: Server, submission_id: int, url: str, header: str) -> None:
    """A callback for a job that a real server has, as `submit` makes it."""
    server.run("shell", "--no-imports", "-c", CODE, given=json.dumps([[submission_id, url, header]]))


def owed(url: str, queue_name: str = "q", *, header: str = '{"lms_key": "k"}', **fields: Any) -> Job:
    """A waiting job whose result is owed to `url`."""
    job = make(queue_name, **fields)
    deliveries.create_delivery(job, "callback", url, header=header)
    return job


def graded(job: Job, score: float = 1, **more: Any) -> Job:
    """Claimed and completed."""
    (claimed,) = queue.claim(job.queue_name, grader="grader")
    assert claimed.pk == job.pk
    reply = json.dumps({"correct": True, "score": score, "msg": "<p>ok</p>", **more})
    queue.complete(job.submission_id, claimed.pullkey, score=score, reply=reply)
    return Job.objects.get(pk=job.pk)


def given_up(job: Job) -> None:
    """Failed at until it is given up; the queue's limit must be 1."""
    (claimed,) = queue.claim(job.queue_name, grader="grader")
    assert claimed.pk == job.pk
    queue.fail(job.submission_id, str(claimed.pullkey), reason="broken")


def later(seconds: float) -> None:
    """Let time pass for deliveries and hosts."""
    step = timedelta(seconds=seconds)
    Delivery.objects.update(due_at=F("due_at") - step, ready_at=F("ready_at") - step)
    DeliveryHost.objects.update(held_until=F("held_until") - step)


def wait_for(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "It did not come about."
        time.sleep(0.05)


def states(job: Job) -> list[tuple[str, str, int]]:
    """State, what is told and attempts of the job's deliveries, oldest first."""
    rows = Delivery.objects.filter(job=job).order_by("pk")
    return [(str(row.state), str(row.result), row.attempts) for row in rows]


def owed_many(count: int, url: str, *, first: int = 0, account: str | None = None) -> list[str]:
    """So many results that are due, each at a path of its own below `url`; the paths. All are of one job.

    `account`: who has submitted it.
    """
    job = Job.objects.order_by("pk").last() or graded(make())
    returned = job.returned_at
    paths = [f"/{first + number}" for number in range(count)]
    Delivery.objects.bulk_create(
        Delivery(
            job=job,
            transport="callback",
            destination=url + path,
            destination_key=queue.key_of(url + path),
            host=queue.host_of("callback", url),
            header=json.dumps({"lms_key": path}),
            state="due",
            result="score",
            points=1,
            due_at=returned,
            ready_at=returned,
            account=account,
        )
        for path in paths
    )
    return paths


def environment(**more: str) -> dict[str, str]:
    """For processes of the service's own commands on the database of this test."""
    name = str(connection.settings_dict["NAME"])
    url = f"sqlite:///{name}" if KIND == "sqlite" else urlunsplit(urlsplit(str(SERVER))._replace(path=f"/{name}"))
    usual = {"DATABASE_URL": url, "GRADEQUEUE_OUTBOUND_NETWORKS": "127.0.0.0/8", "GRADEQUEUE_LOG_LEVEL": "ERROR"}
    found = os.environ | usual | more
    for unwanted in ("DJANGO_SETTINGS_MODULE", "PYTHONDONTWRITEBYTECODE"):
        found.pop(unwanted, None)
    return found


def deliver(*words: str, **more: str) -> subprocess.Popen[bytes]:
    """`gradequeue deliver`, running."""
    return subprocess.Popen([GRADEQUEUE, "deliver", *words], env=environment(**more), stderr=subprocess.DEVNULL)
