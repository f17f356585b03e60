"""How many jobs may wait: in a queue, and of one student in it."""

from __future__ import annotations

from submissions.conf import conf
from submissions.errors import QueueFull
from submissions.models import ExternalGraderDetail, GraderQueue, Submission


def require_room(queue: GraderQueue, submission: Submission) -> None:
    """Raises QueueFull. Nothing is locked for it: enqueues at the same time may go over the cap by their number."""
    if not (conf.QUEUE_MAX_WAITING or conf.STUDENT_MAX_WAITING):
        return
    waiting = ExternalGraderDetail.objects.waiting().filter(queue_name=queue.name).order_by()
    of_student = waiting.filter(submission__student_item__student_id=submission.student_item.student_id)
    for rows, most, whose in (
        (waiting, int(conf.QUEUE_MAX_WAITING), ""),
        (of_student, int(conf.STUDENT_MAX_WAITING), " of this student"),
    ):
        # Never more than `most` entries of the index are read, however many wait.
        if most and len(rows.values_list("pk", flat=True)[:most]) >= most:
            waiting_jobs = f"1 job{whose} waits" if most == 1 else f"{most} jobs{whose} wait"
            raise QueueFull(f"Queue {queue.name!r} is full: {waiting_jobs} already. Try again later.")
