"""Many threads at once, each with a connection of its own: nothing is lost, doubled or refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from django.db import connection, connections, transaction

from submissions import api
from submissions.models import GraderQueue, ScoreSummary, StudentItem, Submission, SubmissionFile
from tests.api.conftest import Stored, item, points, rows

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")


def at_once(count: int, work: Callable[[int], T]) -> list[T]:
    """`work(number)` in so many threads that start together."""
    start = threading.Barrier(count)

    def run(number: int) -> T:
        start.wait()
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_eight_submissions_of_one_learner_get_eight_attempt_numbers() -> None:
    made = at_once(8, lambda number: api.create_submission(item(), f"answer {number}"))
    assert sorted(one["attempt_number"] for one in made) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert StudentItem.objects.count() == 1
    assert sorted(row.answer for row in Submission.objects.all()) == [f"answer {number}" for number in range(8)]


def test_eight_jobs_with_files_of_one_learner_get_eight_attempt_numbers(stored: Stored) -> None:
    def create(number: int) -> int:
        files = {"a.py": f"file {number}"}
        job = api.create_external_grader_detail(item(), "x", "new queue", None, files=files)
        return job.submission.attempt_number

    assert sorted(at_once(8, create)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert rows() == {"items": 1, "submissions": 8, "jobs": 8, "files": 8, "queues": 1}
    assert stored() == [f"file {number}".encode() for number in range(8)]
    assert len({row.file.name for row in SubmissionFile.objects.all()}) == 8


SERIAL = {
    "mysql": "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "postgresql": "SET default_transaction_isolation = 'repeatable read'",
}


def test_a_job_whose_queue_another_transaction_sets_up_meanwhile_is_kept(name: str) -> None:
    """A host may read repeatably, and then does not see the queue that it meets."""
    is_set_up = threading.Event()

    def work(number: int) -> str:
        if number:
            with connection.cursor() as cursor:
                cursor.execute(SERIAL.get(connection.vendor, "SELECT 1"))
            assert is_set_up.wait(10)
            return api.create_external_grader_detail(item(), "x", name, None).queue_name
        with transaction.atomic():
            row = GraderQueue.objects.create(name=name)
            is_set_up.set()
            time.sleep(0.5)  # the other one waits for the end of this
        return row.name

    assert at_once(2, work) == [name, name]
    assert rows() == {"items": 1, "submissions": 1, "jobs": 1, "queues": 1}


def test_eight_learners_do_not_stand_in_each_others_way() -> None:
    made = at_once(8, lambda number: api.create_submission(item(student_id=str(number)), "x"))
    assert [one["attempt_number"] for one in made] == [1] * 8


def test_eight_first_scores_of_one_learner_leave_one_summary() -> None:
    uuids = [api.create_submission(item(), "x")["uuid"] for _ in range(8)]
    at_once(8, lambda number: api.set_score(uuids[number], number, 10))
    summary = ScoreSummary.objects.get()
    assert summary.highest.points_earned == 7
    for number, uuid in enumerate(uuids):
        assert points(api.get_latest_score_for_submission(uuid)) == (number, 10)
    assert points(api.get_score(item())) in [(number, 10) for number in range(8)]


def test_a_reset_and_a_submission_at_once_both_happen() -> None:
    api.set_score(api.create_submission(item(), "x")["uuid"], 1, 2)

    def work(number: int) -> None:
        if number % 2:
            api.reset_score("Tim", "Demo_Course", "item_one", clear_state=True)
        else:
            api.create_submission(item(), "y")

    at_once(8, work)
    assert Submission._objects.count() == 5
    assert api.get_score(item()) is None
