"""A job that kills every grader that takes it, as a real grader dies: with its whole process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.server import Server

pytestmark = pytest.mark.walk

OTHERS = 12
GRADER = """
import json, os, signal, sys, time
import requests
url, name, password = sys.argv[1:]
http = requests.Session()
http.post(f"{url}/xqueue/login/", {"username": name, "password": password}, timeout=10).raise_for_status()
while True:
    got = http.get(f"{url}/xqueue/get_submission/?queue_name=q", timeout=10).json()
    if got["return_code"]:
        time.sleep(0.1)
        continue
    work = json.loads(got["content"])
    if json.loads(work["xqueue_body"])["student_response"] == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    form = {"xqueue_header": work["xqueue_header"], "xqueue_body": json.dumps({"score": 1, "correct": True})}
    http.post(f"{url}/xqueue/put_result/", form, timeout=10)
"""


@pytest.fixture
def impatient(fresh_database: str, tmp_path: Path) -> Iterator[Server]:
    server = Server(fresh_database, tmp_path, GRADEQUEUE_LEASE_SECONDS="1").start()
    yield server
    server.stop()


@pytest.mark.once  # tests/queue has it on each database, without the processes
def test_a_poison_job_ends_as_failed_and_all_others_are_graded_meanwhile(impatient: Server) -> None:
    server = impatient
    poison, *others = server.enqueue(
        {"queue_name": "q", "answer": "poison"},
        *({"queue_name": "q", "student_id": f"s{number}"} for number in range(OTHERS)),
    )
    command = [sys.executable, "-c", GRADER, server.url, "g", server.grader("g")]
    graders = [subprocess.Popen(command) for _ in range(2)]
    died = 0
    try:
        deadline = time.monotonic() + 90
        while (row := server.show(poison)[0])["status"] != "failed":
            assert time.monotonic() < deadline, row
            for place, grader in enumerate(graders):
                if grader.poll() is not None:  # whoever watches over the graders starts a new one
                    died += 1
                    graders[place] = subprocess.Popen(command)
            time.sleep(0.1)
    finally:
        for grader in graders:
            grader.kill()
            grader.wait()
    assert (row["num_failures"], row["num_pulls"]) == (5, 5)
    assert died >= 4
    assert row["last_error"] == "g took the job and let the lease run out."
    graded = server.show(*others)
    assert {one["status"] for one in graded} == {"retired"}
    assert {one["points_earned"] for one in graded} == {1}
    # Long before the last grader died of the poison.
    last_death = datetime.fromisoformat(row["pulled_at"])
    assert max(datetime.fromisoformat(one["returned_at"]) for one in graded) < last_death
