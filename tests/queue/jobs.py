"""Claims of jobs, and the hands of the database's clock. What makes jobs is `tests/make.py`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F

from submissions import queue
from submissions.models import ExternalGraderDetail as Job
from submissions.models import GraderQueue

STALE = "no-such-key"


def claim_one(queue_name: str = "q", grader: str = "grader") -> Job:
    """The row of the job that was claimed."""
    (job,) = queue.claim(queue_name, grader=grader)
    return Job.objects.get(pk=job.pk)


def key_of(job: Job | queue.ClaimedJob) -> str:
    assert job.pullkey
    return job.pullkey


def later(seconds: float, **filters: Any) -> None:
    """Let time pass for jobs and queues: everything that was written down moves into the past."""
    step = timedelta(seconds=seconds)
    Job.objects.filter(**filters).update(
        available_at=F("available_at") - step,
        status_time=F("status_time") - step,
        created_at=F("created_at") - step,
        pulled_at=F("pulled_at") - step,
    )


def limit(queue_name: str = "q", **settings: Any) -> GraderQueue:
    """The queue's row with these settings."""
    return GraderQueue.objects.update_or_create(name=queue_name, defaults=settings)[0]
