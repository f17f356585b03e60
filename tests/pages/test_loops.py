"""The programs of the pages, against a real server: they grade, and outlive what passes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import databases
from tests.server import Server
from tests.walkthrough import ROOT, blocks

pytestmark = [pytest.mark.walk, pytest.mark.once]

# For what needs a program, a server and a job (seconds).
PATIENCE = 120
WORKER_PAGE = ROOT / "packages" / "gradequeue-grader" / "README.md"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """Tables, and no server yet."""
    server = Server(databases.create("sqlite", "", "own", tmp_path), tmp_path)
    server.run("migrate")
    yield server
    if server.process is not None and server.process.poll() is None:
        server.stop()


def token(server: Server, queue: str) -> str:
    server.grader("ada")
    return str(server.rows("token", "create", "ada", "--scope", "claim", "--queue", queue, "--json")[0]["token"])


def await_status(server: Server, job: int) -> str:
    until = time.monotonic() + PATIENCE
    while server.show(job)[0]["status"] != "retired" and time.monotonic() < until:
        time.sleep(0.5)
    return str(server.show(job)[0]["status"])


@pytest.mark.parametrize(
    ("answer", "actual"),
    [
        ("def double(n): return 2 * n", "4"),
        ("while True: pass", "It took longer than five seconds."),
        ("while True: print('x' * 999)", "xxx"),
        ("", "NameError: name 'double' is not defined"),
        ("def double(n): return '\U0001f600'", "\U0001f600"),
    ],
)
def test_the_grader_of_the_guide_has_a_result_for_every_answer(tmp_path: Path, answer: str, actual: str) -> None:
    page = ROOT / "docs" / "integration-guide.md"
    (code,) = (block.text for block in blocks(page) if block.file == "grade.py")
    (tmp_path / "grade.py").write_text(code)
    claim = {"answer": answer, "grader_payload": {"tests": [{"call": "double(2)", "expect": "4"}]}}
    words = [sys.executable, "grade.py"]
    done = subprocess.run(words, cwd=tmp_path, input=json.dumps(claim), capture_output=True, text=True, check=True)
    (test,) = json.loads(done.stdout)["tests"]
    assert test["actual"].endswith(actual)


def test_the_loop_of_the_rest_page_outlives_a_server_that_is_away(own: Server, tmp_path: Path) -> None:
    (code,) = (block.text for block in blocks(ROOT / "docs" / "rest.md") if block.file == "grader.py")
    # An error without words, for an answer that no test thought of.
    code = code.replace("def grade(claim):\n", "def grade(claim):\n    assert claim['answer'] != 'odd'\n")
    (tmp_path / "grader.py").write_text(code)
    (tmp_path / "token").write_text(token(own, "python"))
    log = tmp_path / "log"
    with log.open("w") as out:
        words = [sys.executable, "grader.py", own.url, "token", "python"]
        grader = subprocess.Popen(words, cwd=tmp_path, stdout=out, stderr=out)
    try:
        until = time.monotonic() + PATIENCE
        while "no answer" not in log.read_text() and time.monotonic() < until:
            time.sleep(0.1)
        assert "no answer" in log.read_text()
        own.start()
        (first,) = own.enqueue({"queue_name": "python", "answer": "42"})
        assert await_status(own, first) == "retired"
        own.stop()
        own.start()
        (second,) = own.enqueue({"queue_name": "python", "answer": "41"})
        assert await_status(own, second) == "retired"
        assert [row["points_earned"] for row in own.show(first, second)] == [1, 0]
        (third,) = own.enqueue({"queue_name": "python", "answer": "odd"})
        while not own.show(third)[0]["num_failures"] and time.monotonic() < until:
            time.sleep(0.1)
        assert own.show(third)[0]["last_error"] == "AssertionError()"
        assert grader.poll() is None
    finally:
        grader.kill()
        grader.wait()


def test_the_client_of_the_workers_page_grades(own: Server) -> None:
    (code,) = (block.text for block in blocks(WORKER_PAGE) if "gradequeue_grader" in block.text)
    given = {"token": token(own, "essays")}
    (job,) = own.enqueue({"queue_name": "essays", "answer": "Make it work, then right"})
    own.start()
    exec(code.replace("https://grades.example.org", own.url), given)
    assert [row["points_earned"] for row in own.show(job)] == [0.5]
