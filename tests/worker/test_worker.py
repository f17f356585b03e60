"""The worker on a real service: files, failures, leases, cancellations, and the examples of graders."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.server import Server
from tests.worker.conftest import PYTHON, ROOT, Workers, sandbox_options

API = "/api/external_grading/v1/"
BARE = ("--sandbox", "none")
# A grader that does what the answer says.
OBEYS = """
import json, sys, time
claim = json.load(sys.stdin)
exec(claim["answer"])
print(json.dumps({"score": score}))
"""


@pytest.fixture
def obeying(workers: Workers) -> tuple[str, str]:
    (workers.folder / "obeys.py").write_text(OBEYS)
    return PYTHON, "obeys.py"


def shown(server: Server, ids: list[int]) -> list[tuple[Any, ...]]:
    return [(row["status"], row["points_earned"], row["num_failures"]) for row in server.show(*ids)]


@pytest.mark.once
def test_every_way_in_which_a_job_may_end(
    workers: Workers, server: Server, name: str, obeying: tuple[str, str]
) -> None:
    workers.token(name)
    answers = {
        "score = 0.75": ("retired", 7.5, 0),
        "score = sum(len(open(one['path']).read()) for one in claim['files']) / 10": ("retired", 5, 0),
        "sys.exit(3)": ("retry", None, 1),
        "sys.exit(75)": ("retry", None, 0),
        "print('no tests', file=sys.stderr); sys.exit(65)": ("failed", None, None),
        "score = 7": ("retry", None, 1),
        "print('{\"points\": 1}'); sys.exit()": ("retry", None, 1),
    }
    files = {"a.txt": "two", "b.txt": "rr"}
    ids = server.enqueue(
        *({"queue_name": name, "answer": one, "points_possible": 10, "files": files} for one in answers)
    )
    events = workers.run(name, *BARE, "--jobs", "2", "--", *obeying)
    ends = events[-1]["ends"]
    # What the machine was to blame for is tried again at once, the first time.
    assert (ends["graded"], ends["failed"], ends["refused"]) == (2, 5, 1), events
    found = shown(server, ids)
    assert [row[:2] for row in found] == [row[:2] for row in answers.values()]
    assert [row[2] for row, known in zip(found, answers.values(), strict=True) if known[2] is not None] == [
        known[2] for known in answers.values() if known[2] is not None
    ]
    (ungradable,) = server.show(ids[4])
    assert "no tests" in ungradable["last_error"]


@pytest.fixture
def hurried(fresh_database: str, workers: Workers, tmp_path: Path) -> Iterator[Server]:
    """A server whose leases are short, so that heartbeats are frequent."""
    server = workers.server = Server(fresh_database, tmp_path, GRADEQUEUE_LEASE_SECONDS="3").start(workers=1)
    yield server
    workers.end()
    server.stop()


@pytest.mark.once
def test_heartbeats_keep_a_lease_and_tell_of_a_cancellation(
    workers: Workers, hurried: Server, obeying: tuple[str, str]
) -> None:
    workers.token("kept")
    hurried.run("submitter", "create", "lms", "--json")
    (made,) = hurried.rows("token", "create", "lms", "--scope", "submit", "--queue", "kept", "--json")
    platform = requests.Session()
    platform.headers["Authorization"] = f"Bearer {made['token']}"
    long, endless = (submitted(platform, hurried, f"time.sleep({seconds}); score = 1") for seconds in (8, 300))
    for _ in range(2):
        workers.start("kept", *BARE, "--time-limit", "200", "--", *obeying)
    until(lambda: {state(platform, place)["status"] for place in (long, endless)} == {"grading"})
    said = platform.post(f"{endless}cancellations/", json={}, timeout=10)
    assert said.status_code == 201, said.text
    until(lambda: state(platform, long)["status"] == "graded")
    assert state(platform, long)["claim_count"] == 1
    # The cancelled one's worker is free again: it takes the next job.
    workers.running[0].terminate()
    next_one = submitted(platform, hurried, "score = 1")
    until(lambda: state(platform, next_one)["status"] == "graded")
    assert state(platform, endless)["status"] == "cancelled"
    assert '"event": "cancelled"' in (workers.folder / "workers.log").read_text()


def submitted(platform: requests.Session, server: Server, answer: str) -> str:
    """A new submission's address."""
    told = {"queue_name": "kept", "course_id": "c", "item_id": answer, "learner_id": "ada", "answer": answer}
    made = platform.post(
        f"{server.url}{API}submissions/", json=told, headers={"Idempotency-Key": answer.replace(" ", "")}, timeout=10
    )
    assert made.status_code == 201, made.text
    return f"{server.url}{API}submissions/{made.json()['uuid']}/"


def state(platform: requests.Session, place: str) -> dict[str, Any]:
    found: dict[str, Any] = platform.get(place, timeout=10).json()
    return found


def until(wanted: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.3)


# The examples. ------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_example_for_a_compiled_language(workers: Workers, server: Server, name: str) -> None:
    workers.token(name)
    tests = [
        {"name": "adds", "stdin": "2 3\n", "stdout": "5\n", "points": 3},
        {"name": "negative", "stdin": "-2 1", "stdout": "-1"},
    ]
    program = '#include <stdio.h>\nint main() { int a, b; scanf("%d %d", &a, &b); printf("%d", a + (b > 1 ? b : 9)); }'
    told = {"queue_name": name, "grader_payload": {"tests": tests}, "points_possible": 8}
    ids = server.enqueue(
        {**told, "answer": program}, {**told, "answer": "int main("}, {**told, "answer": "int main() {for(;;);}"}
    )
    workers.run(name, *sandbox_options(), "--", PYTHON, "c_grader.py")
    assert [row[:2] for row in shown(server, ids)] == [("retired", 6), ("retired", 0), ("retired", 0)]
    replies = [json.loads(row["grader_reply"])["msg"] for row in server.show(*ids)]
    assert "failed (0 of 1)" in replies[0]
    assert "It does not compile." in replies[1]
    assert "timeout" in replies[2]


@pytest.mark.once
def test_the_example_in_a_shell(workers: Workers, server: Server, name: str) -> None:
    token = workers.token(name)
    ids = server.enqueue(
        {"queue_name": name, "answer": "Make it work, then right", "points_possible": 10},
        {"queue_name": name, "answer": "", "points_possible": 10},
    )
    done = subprocess.run(
        ["./curl-grader.sh", token, name],
        cwd=workers.folder,
        env=os.environ | {"GRADEQUEUE_URL": server.url, "ONCE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [row[:2] for row in shown(server, ids)] == [("retired", 5), ("retired", 0)]
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == ["5 words", "0 words"]


@pytest.mark.once
def test_both_sides_have_one_schema_of_results() -> None:
    ours = ROOT / "packages" / "gradequeue-grader" / "src" / "gradequeue_grader" / "result.schema.json"
    assert ours.read_bytes() == (ROOT / "src" / "submissions" / "rest" / "result.schema.json").read_bytes()
