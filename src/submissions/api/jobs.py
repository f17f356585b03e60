"""A submission with a job for an external grader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from submissions import files as stored_files
from submissions import queue
from submissions.api.failures import name_database_errors
from submissions.api.submissions import create_submission_row
from submissions.models import ExternalGraderDetail, GraderQueue
from submissions.queue.transactions import in_transaction
from submissions.text import storable


@name_database_errors
def create_external_grader_detail(
    student_item_dict: Mapping[str, object],
    answer: object,
    queue_name: str,
    queue_key: str | None,
    grader_file_name: str | None = "",
    points_possible: float = 1,
    files: Mapping[str, object] | None = None,
    grader_payload: object = None,
    student_info: object = None,
    **_: object,
) -> ExternalGraderDetail:
    """Make a submission and its job, with all its files, or nothing at all.

    `grader_payload` and `student_info` reach the grader verbatim; without them the grader is told
    ``{"grader": grader_file_name}`` and who, when. A file that is an http(s) address, as text, is only linked: the
    grader fetches it there. Further keywords are ignored, as edx-submissions does. Raises
    ExternalGraderQueueEmptyError, SubmissionRequestError, InvalidFileTypeError, FileProcessingError, UnknownQueue,
    SubmissionInternalError.
    """
    links, contents = stored_files.without_links(files)
    return create_job(
        student_item_dict,
        answer,
        queue_name=queue_name,
        queue_key=queue_key,
        grader_file_name=grader_file_name,
        points_possible=points_possible,
        files=stored_files.prepare(contents),
        kept={"file_links": json.dumps(links)} if links else None,
        grader_payload=grader_payload,
        student_info=student_info,
    )


def create_job(
    student_item_dict: Mapping[str, object], answer: object, *, queue_name: str, **job: object
) -> ExternalGraderDetail:
    """Submission and job, in the caller's transaction if there is one. `job`: the arguments of `queue.enqueue`.

    Raises as `create_external_grader_detail` does, and DatabaseError as it is.
    """
    # Looked up before the transaction, where it may be remembered.
    known = queue.known_settings(queue_name) if isinstance(queue_name, str) and storable(queue_name) else None
    return _create(student_item_dict, answer, queue_name, known, job)


@in_transaction
def _create(
    student_item_dict: Mapping[str, object],
    answer: object,
    queue_name: str,
    known: GraderQueue | None,
    job: Mapping[str, Any],
) -> ExternalGraderDetail:
    submission = create_submission_row(student_item_dict, answer)
    return queue.make_job(submission, queue_name, known=known, **job)
