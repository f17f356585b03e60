"""`gradequeue dispatch` and `serve`, as processes, with a real grader that is pushed to."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.platform_stub import Call, Platform, Reply
from tests.server import GRADEQUEUE, Server

GOOD = Reply(after=0.02, body=b'{"correct": true, "score": 1, "msg": ""}')


@pytest.fixture
def grader() -> Iterator[Platform]:
    with Platform() as running:
        running.answer = lambda call: GOOD
        yield running


@pytest.fixture
def service(fresh_database: str, tmp_path: Path, grader: Platform) -> Iterator[Server]:
    running = Server(fresh_database, tmp_path, GRADEQUEUE_OUTBOUND_NETWORKS="127.0.0.0/8")
    running.run("migrate")
    running.enqueue({"queue_name": "q"})
    url = f'GraderQueue.objects.update(push_url="{grader.url}/grade")'
    running.run("shell", "-c", f"from submissions.models import GraderQueue; {url}")
    yield running
    if running.process is not None:
        running.stop()


def dispatch(service: Server, *words: str) -> subprocess.Popen[bytes]:
    with service.log.open("ab") as log:
        return subprocess.Popen([GRADEQUEUE, "dispatch", *words], env=service.env, stdout=log, stderr=log)


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(calls: list[Call]) -> Counter[str]:
    return Counter(json.loads(json.loads(call.body)["xqueue_body"])["student_response"] for call in calls)


def statuses(service: Server, ids: list[int]) -> set[str]:
    return {row["status"] for row in service.show(*ids)}


@pytest.mark.databases("postgresql")
def test_several_dispatchers_grade_each_job_once(service: Server, grader: Platform) -> None:
    ids = service.enqueue(*({"queue_name": "q", "answer": f"a{number}"} for number in range(40)))
    processes = [dispatch(service, "--threads", "2"), dispatch(service)]
    wait_for(lambda: len(grader.calls) >= 41)
    wait_for(lambda: statuses(service, ids) == {"retired"})
    for process in processes:
        process.terminate()
    assert [process.wait(30) for process in processes] == [0, 0]
    assert answers(grader.calls) == Counter(["print(1)", *(f"a{number}" for number in range(40))])


@pytest.mark.databases("postgresql")
def test_a_dispatcher_that_is_killed_loses_no_job(service: Server, grader: Platform) -> None:
    grader.answer = lambda call: Reply(after=30)
    process = dispatch(service)
    wait_for(lambda: statuses(service, [1]) == {"pulled"})
    process.kill()
    process.wait()
    grader.answer = lambda call: GOOD
    # What the end of the lease would do.
    service.run("release", "1")
    assert service.rows("dispatch", "--once", "--json") == [{"pushed": 1}]
    (row,) = service.show(1)
    assert (row["status"], row["points_earned"], row["grader"], row["num_pulls"]) == ("retired", 1, "push", 2)


@pytest.mark.databases("postgresql")
def test_serve_pushes_by_itself_and_the_grader_can_fetch_the_files(service: Server, grader: Platform) -> None:
    service.run("dispatch", "--once")
    fetched: list[bytes] = []

    def answer(call: Call) -> Reply:
        files = json.loads(json.loads(call.body)["xqueue_files"])
        fetched.extend(requests.get(address, timeout=10).content for address in files.values())
        return GOOD

    grader.answer = answer
    service.start()
    ids = service.enqueue({"queue_name": "q", "files": {"a.txt": "seen"}})
    wait_for(lambda: statuses(service, ids) == {"retired"})
    assert fetched == [b"seen"]
    assert service.stop() == 0


@pytest.mark.once
@pytest.mark.parametrize("words", [("--threads", "0"), ("--threads", "x"), ("more",)])
def test_wrong_words_are_wrong_usage(server: Server, words: tuple[str, ...]) -> None:
    done = server.run("dispatch", *words, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: gradequeue dispatch" in done.stderr
