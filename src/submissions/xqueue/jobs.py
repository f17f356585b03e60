"""A job as a grader reads it, however it reaches the grader."""

from __future__ import annotations

from submissions.queue import ClaimedJob
from submissions.xqueue import wire


def body_of(job: ClaimedJob) -> str:
    """The job's xqueue_body: byte for byte what the platform sent, else made of what it gave."""
    if job.body is not None:
        return job.body
    return wire.body(
        student_response=job.answer,
        grader_payload=wire.payload(job.grader_payload, job.grader_file_name),
        student_info=wire.student_info(job.student_id, job.created_at)
        if job.student_info is None
        else job.student_info,
    )
