"""The jobs that tests are about, made as a platform makes them; what a test does not care about is made up.

A real server's jobs are made by its own command: `Server.enqueue` in tests/server.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils.timezone import now

from submissions import api
from submissions.models import ExternalGraderDetail as Job
from submissions.models import StudentItem, Submission


def make(
    queue_name: str = "q",
    answer: Any = "print(1)",
    *,
    student: str = "",
    course: str = "c",
    item: str = "item",
    queue_key: str | None = "key",
    **fields: Any,
) -> Job:
    """A pending job, by a learner of its own unless `student` names one; `fields` are the API's further arguments."""
    learner = {"student_id": student or uuid4().hex, "course_id": course, "item_id": item, "item_type": "problem"}
    return api.create_external_grader_detail(learner, answer, queue_name, queue_key, **fields)


def enqueue(queue_name: str = "q", answer: Any = "print(1)", **fields: Any) -> int:
    """The submission's id of a new job; arguments as of `make`."""
    return int(make(queue_name, answer, **fields).submission_id)


def make_in(status: str, queue_name: str = "q", **fields: Any) -> Job:
    """A job whose row is as the verbs leave it in that status, without a result; a grader `ada` holds a pulled one."""
    job = make(queue_name, **fields)
    changes: dict[str, dict[str, Any]] = {
        "pulled": {"available_at": now() + timedelta(minutes=5), "grader": "ada", "pullkey": "key"},
        "failed": {"available_at": None, "num_failures": 5},
        "retired": {"available_at": None},
    }
    Job.objects.filter(pk=job.pk).update(status=status, **changes.get(status, {}))
    job.refresh_from_db()
    return job


def make_history(each: int) -> list[int]:
    """So many jobs that are finished, then as many that wait, all of one learner; their submissions' ids in order.

    Written by a few statements, without the API: for tests of what a long table costs.
    """
    item = StudentItem.objects.create(student_id="s", course_id="c", item_id="item", item_type="problem")
    made = [Submission(student_item=item, attempt_number=number, answer="") for number in range(2 * each)]
    Submission.objects.bulk_create(made, batch_size=1000)
    ids = list(Submission.objects.filter(student_item=item).order_by("pk").values_list("pk", flat=True))
    earlier = now() - timedelta(days=1)
    finished = {"status": "retired", "available_at": None, "pullkey": "k"}
    waiting = {"status": "pending", "available_at": earlier}
    rows = [
        Job(submission_id=pk, queue_name="q", status_time=earlier, **(finished if number < each else waiting))
        for number, pk in enumerate(ids)
    ]
    Job.objects.bulk_create(rows, batch_size=1000)
    return ids
