"""From a platform over HTTP to graders and back, while the platform fails at random and is killed: nothing is lost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients.lms import Lms
from tests.e2e.clients.new_watcher import NewWatcher
from tests.e2e.clients.old_watcher import OldWatcher
from tests.e2e.flaky_platform import FlakyPlatform
from tests.server import Server, free_port
from tests.walkthrough import ROOT

pytestmark = pytest.mark.walk

JOBS = 500
QUEUE = "exam"
ANSWERS = ("right", "half", "tenth", "wrong")
SCORES = {"right": 1.0, "half": 0.5, "tenth": 0.1, "wrong": 0.0}


@pytest.fixture
def service(fresh_database: str, tmp_path: Path) -> Iterator[Server]:
    running = Server(
        fresh_database, tmp_path, GRADEQUEUE_OUTBOUND_NETWORKS="127.0.0.0/8", GRADEQUEUE_LEASE_SECONDS="15"
    )
    running.env |= {"DJANGO_SETTINGS_MODULE": "tests.e2e.quick_settings", "PYTHONPATH": str(ROOT)}
    yield running.start()
    running.stop()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[FlakyPlatform]:
    running = FlakyPlatform(free_port(), tmp_path / "results.jsonl", 0.3).start()
    yield running
    running.kill()


def path_of(number: int) -> str:
    block = f"block-v1:X+CS101+R1+type@problem+block@{number % 5:032x}"
    return f"/courses/course-v1:X+CS101+R1/xqueue/{number}/{block}/score_update"


def hand_in(lms: Lms, platform: FlakyPlatform, number: int) -> None:
    header = {
        "lms_callback_url": f"http://127.0.0.1:{platform.port}{path_of(number)}",
        "lms_key": f"key-{number}",
        "queue_name": QUEUE,
    }
    info = {"anonymous_student_id": f"student-{number}", "submission_time": "20260131120000", "random_seed": number}
    body = {
        "student_info": json.dumps(info),
        "grader_payload": '{"grader": "a.py"}',
        "student_response": "see the file",
    }
    files = {"answer.txt": ANSWERS[number % 4].encode(), "na\u00efve.bin": bytes(range(256))}
    lms.submit(header, json.dumps(body), files)


def hand_in_all(lms: Lms, platform: FlakyPlatform, numbers: range) -> None:
    for number in numbers:
        hand_in(lms, platform, number)


def grade(watcher: Any, done: threading.Event) -> None:
    # It waits a second for an answer; on a busy machine a password may take longer than that, and it tries again.
    while not watcher.login():
        assert not done.is_set()
    while not done.is_set():
        if not watcher.process_one():
            time.sleep(0.1)


def wait_for(platform: FlakyPlatform, count: int, seconds: float = 240) -> list[dict[str, Any]]:
    """The results that the platform has, once there are so many different ones."""
    deadline = time.monotonic() + seconds
    while True:
        found = platform.results()
        different = len({row["header"]["lms_key"] for row in found})
        if different >= count:
            return found
        assert time.monotonic() < deadline, f"{different} of {count}"
        time.sleep(0.2)


@pytest.mark.databases("postgresql")
def test_five_hundred_submissions_come_back_from_graders_though_the_platform_fails_and_is_killed(
    service: Server, platform: FlakyPlatform
) -> None:
    account = json.loads(service.run("submitter", "create", "lms", "--json").stdout)
    password = service.grader("ada", QUEUE)
    lms = [Lms(service.url, "lms", account["password"]) for _ in range(4)]
    graders = [kind(service.url, QUEUE, "ada", password) for kind in (OldWatcher, NewWatcher, OldWatcher)]
    done = threading.Event()
    with ThreadPoolExecutor(len(lms) + len(graders)) as pool:
        submitted = [pool.submit(hand_in_all, one, platform, range(n, JOBS, len(lms))) for n, one in enumerate(lms)]
        graded = [pool.submit(grade, watcher, done) for watcher in graders]
        try:
            for share in (0.3, 0.6):
                wait_for(platform, int(JOBS * share))
                platform.kill()
                time.sleep(1.5)
                platform.start()
            for handed_in in submitted:
                handed_in.result()
            results = wait_for(platform, JOBS)
        finally:
            done.set()
        for grader in graded:
            grader.result()
    assert sum(len(one.accepted) for one in lms) == JOBS
    scores = {row["header"]["lms_key"]: row["reply"]["score"] for row in results}
    assert scores == {f"key-{number}": SCORES[ANSWERS[number % 4]] for number in range(JOBS)}
    assert {row["header"]["lms_key"]: row["path"] for row in results} == {
        f"key-{number}": path_of(number) for number in range(JOBS)
    }
    assert_all_told(service)


def assert_all_told(service: Server) -> None:
    """The last answer may still be on its way to its row."""
    deadline = time.monotonic() + 60
    while service.rows("audit", "--json")[-1]["states"] != {"retired": JOBS}:
        assert time.monotonic() < deadline
    found = service.rows("show", "--json", *map(str, range(1, JOBS + 1)))
    assert {row["points_earned"] for row in found} == {1, 0.5, 0.1, 0}
    while any(one["state"] != "delivered" for row in found for one in row["deliveries"]):
        assert time.monotonic() < deadline
        found = service.rows("show", "--json", *map(str, range(1, JOBS + 1)))
    assert [len(row["deliveries"]) for row in found] == [1] * JOBS
