"""A problem that an external grader grades: from the sender in xblocks-contrib to openedx-events' event."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from openedx_events.learning.signals import EXTERNAL_GRADER_SCORE_SUBMITTED
from xblocks_contrib.problem.capa.xqueue_interface import XQueueInterface, make_xheader

from submissions import queue
from tests.ora2.course import COURSE, earned

PROBLEM = "block-v1:Ünï+CS1+2026+type@problem+block@double"


@pytest.mark.django_db(transaction=True)
def test_a_problem_is_submitted_graded_and_told_to_the_platform() -> None:
    heard: list[Any] = []

    def listen(score: Any, **_: object) -> None:
        heard.append(score)

    EXTERNAL_GRADER_SCORE_SUBMITTED.connect(listen)
    # What the sender reads of a problem of the platform's.
    block = SimpleNamespace(
        context_key=COURSE, usage_key=PROBLEM, max_score=lambda: 10, scope_ids=SimpleNamespace(block_type="problem")
    )
    program = io.BytesIO(b"def double(n): return 2 * n")
    program.name = "double.py"
    body = {
        "student_info": json.dumps({"anonymous_student_id": "ada"}),
        "grader_payload": json.dumps({"grader": "ps1/double.py"}),
        "student_response": "see the file ☃",
    }
    sender = XQueueInterface("", {}, block=block, use_submission_service=True)
    sent = sender.send_to_queue(make_xheader("", "key-of-ada", "python"), json.dumps(body), [program])
    assert sent == (None, "")

    (job,) = queue.claim("python", grader="watcher")
    assert (job.answer, job.grader_file_name, job.has_files) == ("see the file ☃", "ps1/double.py", True)
    queue.complete(
        job.submission_id, job.pullkey, score=0.75, reply='{"correct": true, "score": 0.75, "msg": "<p>ok</p>"}'
    )
    call_command("deliver", "--once", stdout=io.StringIO(), stderr=io.StringIO())

    assert earned("ada", PROBLEM, "problem") == (7.5, 10)
    (score,) = heard
    # The event has whole points.
    assert (score.points_earned, score.points_possible, score.queue_key) == (8, 10, "key-of-ada")
    assert (score.course_id, score.user_id, score.module_id) == (COURSE, "ada", PROBLEM)
