"""Five hundred submissions with files, graded by watchers over HTTP; their results reach another service by the bus."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients.new_watcher import NewWatcher
from tests.e2e.clients.old_watcher import OldWatcher
from tests.e2e.test_platform import ANSWERS, JOBS, QUEUE, SCORES, grade
from tests.event_bus import REDIS, bus, consumed, prefix  # noqa: F401 - fixtures
from tests.server import Server
from tests.walkthrough import ROOT

pytestmark = [pytest.mark.walk, pytest.mark.once]


@pytest.fixture
def service(fresh_database: str, tmp_path: Path, prefix: str) -> Iterator[Server]:  # noqa: F811
    running = Server(fresh_database, tmp_path, **bus(REDIS, prefix))
    running.env |= {"DJANGO_SETTINGS_MODULE": "tests.e2e.quick_settings", "PYTHONPATH": str(ROOT)}
    yield running.start()
    running.stop()


def submission(number: int) -> dict[str, Any]:
    return {
        "queue_name": QUEUE,
        "course_id": "course-v1:X+CS101+R1",
        "item_id": f"problem-{number % 5}",
        "student_id": f"student-{number}",
        "answer": "see the file",
        "points_possible": 10,
        "grader_payload": {"grader": "a.py"},
        "files": {"answer.txt": ANSWERS[number % 4]},
    }


def test_five_hundred_results_reach_another_service_over_the_event_bus(
    service: Server,
    consumed: Any,  # noqa: F811
) -> None:
    ids = service.enqueue(*(submission(number) for number in range(JOBS)))
    password = service.grader("ada", QUEUE)
    done = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        graders = [kind(service.url, QUEUE, "ada", password) for kind in (OldWatcher, NewWatcher, OldWatcher)]
        graded = [pool.submit(grade, watcher, done) for watcher in graders]
        try:
            deadline = time.monotonic() + 240
            while len({heard["submission_id"] for _, heard in consumed()}) < JOBS:
                assert time.monotonic() < deadline, len(consumed())
                time.sleep(0.3)
        finally:
            done.set()
        for grader in graded:
            grader.result()
    # In points, as the platform's problem wants them.
    told = {answer: 10 * score for answer, score in SCORES.items()}
    assert {heard["submission_id"]: score for score, heard in consumed()} == {
        submission_id: told[ANSWERS[number % 4]] for number, submission_id in enumerate(ids)
    }
