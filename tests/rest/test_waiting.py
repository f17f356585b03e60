"""Requests that wait for a job, over a real server: how soon they are answered, and what they hold meanwhile."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.rest.talk import ROOT
from tests.server import Server

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def _claim(server: Server, token: str, queue_name: str, seconds: int = 20) -> tuple[dict[str, Any], float]:
    began = time.monotonic()
    said = requests.post(
        f"{server.url}{ROOT}claims/",
        json={"queue_name": queue_name, "wait_seconds": seconds},
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    assert said.status_code == 200, said.text
    return dict(said.json()), time.monotonic() - began


def _token(server: Server, name: str, *scopes: str) -> str:
    words = [word for scope in scopes for word in ("--scope", scope)]
    (made,) = server.rows("token", "create", name, *words, "--queue", name, "--json")
    return str(made["token"])


def _in_background(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append((call(), time.monotonic())))
    thread.start()
    return thread, found


@pytest.mark.databases("sqlite", "postgresql", "mariadb")
def test_a_waiting_grader_gets_the_job_when_it_comes(server: Server, name: str) -> None:
    server.grader(name, name)
    server.rows("submitter", "create", f"{name}-lms", "--json")
    token = _token(server, name, "claim")
    (made,) = server.rows("token", "create", f"{name}-lms", "--scope", "submit", "--queue", name, "--json")
    took = []
    for number in range(5):
        thread, found = _in_background(lambda: _claim(server, token, name))
        time.sleep(0.6)
        body = {"queue_name": name, "course_id": "c", "item_id": "i", "learner_id": str(number), "answer": "x"}
        headers = {"Authorization": f"Bearer {made['token']}", "Idempotency-Key": f"k{number}"}
        said = requests.post(f"{server.url}{ROOT}submissions/", json=body, headers=headers, timeout=10)
        assert said.status_code == 201
        came = time.monotonic()
        thread.join()
        ((answer, _), ended) = found[0]
        assert len(answer["claims"]) == 1
        took.append(ended - came)
    assert sorted(took)[2] < 1, took


def test_an_empty_wait_ends_when_its_time_is_over(server: Server, name: str) -> None:
    server.grader(name, name)
    answer, took = _claim(server, _token(server, name, "claim"), name, seconds=1)
    assert answer == {"claims": [], "poll_after_seconds": 0}
    assert 0.9 < took < 5


def test_a_token_that_ends_meanwhile_gets_nothing(server: Server, name: str) -> None:
    server.grader(name, name)
    token = _token(server, name, "claim")
    answers: list[requests.Response] = []

    def ask() -> None:
        body: dict[str, Any] = {"queue_name": name, "wait_seconds": 20}
        headers = {"Authorization": f"Bearer {token}"}
        answers.append(requests.post(f"{server.url}{ROOT}claims/", json=body, headers=headers, timeout=30))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(1)
    server.rows("token", "revoke", token, "--json")
    (job,) = server.enqueue({"queue_name": name})
    thread.join()
    assert answers[0].status_code == 401
    (row,) = server.show(job)
    assert row["status"] == "pending"


def test_two_jobs_wake_two_of_three(server: Server, name: str) -> None:
    server.grader(name, name)
    token = _token(server, name, "claim")
    waiters = [_in_background(lambda: _claim(server, token, name, seconds=12)) for _ in range(3)]
    time.sleep(1)
    server.enqueue({"queue_name": name, "student_id": "a"}, {"queue_name": name, "student_id": "b"})
    for thread, _ in waiters:
        thread.join()
    assert sorted(len(found[0][0][0]["claims"]) for _, found in waiters) == [0, 1, 1]


def test_a_job_that_comes_for_graders_that_have_gone_is_the_next_ones(server: Server, name: str) -> None:
    """Killed while they waited: nobody waits for the end of their leases, and no failure is counted."""
    server.grader(name, name)
    token = _token(server, name, "claim")
    body = json.dumps({"queue_name": name, "wait_seconds": 20})
    head = f"POST {ROOT}claims/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as gone:
            gone.sendall((head + body).encode())
            time.sleep(0.5)
    (job,) = server.enqueue({"queue_name": name})
    deadline = time.monotonic() + 20
    while server.show(job)[0]["num_pulls"] < 3 and time.monotonic() < deadline:
        pass
    answer, took = _claim(server, token, name, seconds=5)
    assert (len(answer["claims"]), took < 3) == (1, True)
    (row,) = server.show(job)
    assert (row["status"], row["num_failures"], row["num_pulls"]) == ("pulled", 0, 4)


def test_a_restart_answers_who_waits(kind: str, fresh_database: str, tmp_path: Path, name: str) -> None:
    own = Server(fresh_database, tmp_path).start(workers=1)
    own.grader(name, name)
    token = _token(own, name, "claim")
    thread, found = _in_background(lambda: _claim(own, token, name))
    time.sleep(1)
    assert own.stop() == 0
    thread.join()
    ((answer, took), _) = found[0]
    assert answer == {"claims": [], "poll_after_seconds": 1}
    assert took < 10


def test_a_poll_by_xqueue_waits_as_long_as_its_queue_says(server: Server, name: str) -> None:
    password = server.grader(name, name)
    change = f"GraderQueue.objects.filter(name='{name}').update(wait_milliseconds=900)"
    server.run("shell", "-v", "0", "-c", f"from submissions.models import GraderQueue; {change}")
    http = requests.Session()
    said = http.post(f"{server.url}/xqueue/login/", data={"username": name, "password": password}, timeout=10)
    assert said.json()["return_code"] == 0
    began = time.monotonic()
    place = f"{server.url}/xqueue/get_submission/"
    said = http.get(place, params={"queue_name": name}, timeout=10)
    assert said.json()["return_code"] == 1
    assert time.monotonic() - began > 0.85


def test_who_finds_no_room_is_answered_at_once_and_told_to_come_over_another_connection(
    fresh_database: str, tmp_path: Path, name: str
) -> None:
    """Half of the threads may wait. Another process may have room; over the same connection nobody would get there."""
    own = Server(fresh_database, tmp_path).start("--threads", "4", workers=1)
    try:
        own.grader(name, name)
        token = _token(own, name, "claim")
        waiters = [_in_background(lambda: _claim(own, token, name, seconds=4)) for _ in range(2)]
        time.sleep(1)
        kept = requests.Session()
        began = time.monotonic()
        for seconds, connection in ((4, "close"), (0, None)):
            said = kept.post(
                f"{own.url}{ROOT}claims/",
                json={"queue_name": name, "wait_seconds": seconds},
                headers={"Authorization": f"Bearer {token}"},
                timeout=30,
            )
            assert said.json() == {"claims": [], "poll_after_seconds": 2}
            assert said.headers.get("Connection") == connection
        assert time.monotonic() - began < 2.5
        for thread, found in waiters:
            thread.join()
            assert found[0][0][0] == {"claims": [], "poll_after_seconds": 0}
    finally:
        own.stop()
