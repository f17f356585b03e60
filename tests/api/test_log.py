"""The log tells of submissions and scores once they are committed, and never of what was rolled back."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import transaction

from submissions import api
from submissions.errors import QueueFull

pytestmark = pytest.mark.django_db(transaction=True)

LEARNER = {"student_id": "s", "course_id": "c", "item_id": "i", "item_type": "problem"}


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """What was logged since the last call: `lines()`."""
    caplog.set_level(logging.INFO, "submissions")

    def since_last_call() -> list[str]:
        found = [f"{record.name}: {record.getMessage()}" for record in caplog.records]
        caplog.clear()
        return found

    return since_last_call


def test_a_submission_a_score_and_a_reset_are_told(lines: Any) -> None:
    uuid = api.create_submission(LEARNER, "answer")["uuid"]
    assert lines() == [f"submissions.api: Created submission {uuid}"]
    api.set_score(uuid, 3, 4)
    assert lines() == [f"submissions.api: Score of (3/4) set for submission {uuid}"]
    api.reset_score("s", "c", "i")
    item = api.StudentItem.objects.get().pk
    assert lines() == [f"submissions.api: Score reset for student item {item}"]


def test_nothing_is_told_of_a_transaction_that_is_rolled_back(lines: Any) -> None:
    uuid = api.create_submission(LEARNER, "answer")["uuid"]
    lines()
    with transaction.atomic():
        api.create_submission(LEARNER, "another answer")
        api.set_score(uuid, 3, 4)
        api.reset_score("s", "c", "i")
        transaction.set_rollback(True)
    assert lines() == []
    assert [one["uuid"] for one in api.get_submissions(LEARNER)] == [uuid]
    assert api.get_score(LEARNER) is None


def test_what_is_told_within_a_transaction_waits_for_its_commit(lines: Any) -> None:
    with transaction.atomic():
        uuid = api.create_submission(LEARNER, "answer")["uuid"]
        assert lines() == []
    assert lines() == [f"submissions.api: Created submission {uuid}"]


def test_a_full_queue_tells_of_no_submission(settings: Any, lines: Any) -> None:
    settings.SUBMISSIONS_QUEUE_MAX_WAITING = 1
    job = api.create_external_grader_detail(LEARNER, "answer", "q", None)
    assert lines() == [
        f"submissions.api: Created submission {job.submission.uuid}",
        f"submissions.queue: submission {job.submission_id} in queue q: enqueued",
    ]
    with pytest.raises(QueueFull, match=r"^Queue 'q' is full: 1 job waits already\. Try again later\.$"):
        api.create_external_grader_detail(LEARNER, "answer", "q", None)
    assert lines() == []
