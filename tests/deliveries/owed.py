"""Jobs that are owed something, their results, and the hands of the clock."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import F

from submissions import deliveries, queue
from submissions.models import Delivery, DeliveryHost
from submissions.models import ExternalGraderDetail as Job
from tests.queue.jobs import make
from tests.server import Server

CODE = """
import json, sys
from submissions import deliveries
from submissions.models import ExternalGraderDetail as Job
for line in json.load(sys.stdin):
    deliveries.create_for(Job.objects.get(submission_id=line[0]), "callback", line[1], header=line[2])
"""


def owe(server: Server, submission_id: int, url: str, header: str) -> None:
    """A callback for a job that a real server has, as `submit` makes it."""
    server.run("shell", "--no-imports", "-c", CODE, given=json.dumps([[submission_id, url, header]]))


def owed(url: str, queue_name: str = "q", *, header: str = '{"lms_key": "k"}', **fields: Any) -> Job:
    """A waiting job whose result is owed to `url`."""
    job = make(queue_name, **fields)
    deliveries.create_for(job, "callback", url, header=header)
    return job


def graded(job: Job, score: float = 1, **more: Any) -> Job:
    """Claimed and completed."""
    (claimed,) = queue.claim(job.queue_name, grader="grader")
    assert claimed.pk == job.pk
    reply = json.dumps({"correct": True, "score": score, "msg": "<p>ok</p>", **more})
    return queue.complete(job.submission_id, str(claimed.pullkey), score=score, reply=reply)


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
