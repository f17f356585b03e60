"""A job as a grader reads it, however it reaches the grader."""

from __future__ import annotations

from submissions.models import ExternalGraderDetail
from submissions.xqueue import wire


def body_of(job: ExternalGraderDetail) -> str:
    """The job's xqueue_body: byte for byte what the platform sent, else made of what it gave.

    The job comes with ``submission`` and its ``student_item``.
    """
    if job.body is not None:
        return job.body
    student_id = job.submission.student_item.student_id
    return wire.body(
        student_response=job.submission.answer,
        grader_payload=wire.payload(job.grader_payload, job.grader_file_name),
        student_info=wire.student_info(student_id, job.created_at) if job.student_info is None else job.student_info,
    )
