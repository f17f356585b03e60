"""Somebody guesses a grader's password at a real server, from many addresses at once; the grader keeps grading."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests import databases
from tests.server import Server

pytestmark = [pytest.mark.walk, pytest.mark.once]

# What the one proxy in front appends; what stands before it was written by the client.
USUAL = "198.51.100.7"
GUESSERS = ["203.0.113.1", f"{USUAL}, 203.0.113.2", "2001:db8::1", "2001:db8::2"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    url = databases.create("sqlite", "", "guessed", tmp_path)
    environment = {"GRADEQUEUE_LOGIN_FREE_FAILURES": "5", "GRADEQUEUE_TRUSTED_PROXIES": "1"}
    running = Server(url, tmp_path, **environment).start()
    yield running
    running.stop()


def log_in(server: Server, http: requests.Session, address: str, password: str) -> requests.Response:
    account = {"username": "ada", "password": password}
    headers = {"X-Forwarded-For": address, "Connection": "close"}
    return http.post(f"{server.url}/xqueue/login/", account, headers=headers, timeout=30)


def test_a_grader_grades_on_while_others_guess_its_password(server: Server) -> None:
    password = server.grader("ada")
    server.enqueue(*[{"queue_name": "q", "student_id": f"s{number}"} for number in range(10)])
    seen: dict[str, list[int]] = {address: [] for address in GUESSERS}
    grading = threading.Event()

    def guess(address: str) -> None:
        number = 0
        while not grading.is_set() or len(seen[address]) < 12:
            number += 1
            seen[address].append(log_in(server, requests.Session(), address, f"guess {number}").status_code)

    with requests.Session() as first:
        assert log_in(server, first, USUAL, password).ok  # its usual address, from now on
    threads = [threading.Thread(target=guess, args=(address,)) for address in GUESSERS]
    for thread in threads:
        thread.start()
    try:
        answers = [grade_one(server, password) for _ in range(10)]
    finally:
        grading.set()
        for thread in threads:
            thread.join()
    assert answers == [[200, 200, 200]] * 10
    assert {row["status"] for row in server.show(*range(1, 11))} == {"retired"}
    assert_slowed_down(seen)
    assert_must_wait(server, GUESSERS[0], password)


def grade_one(server: Server, password: str) -> list[int]:
    """A watcher of the oldest kind: it logs in for each job."""
    with requests.Session() as http:
        login = log_in(server, http, USUAL, password)
        got = http.get(f"{server.url}/xqueue/get_submission/?queue_name=q", timeout=30)
        header = json.loads(got.json()["content"])["xqueue_header"]
        result = {"xqueue_header": header, "xqueue_body": '{"correct": true, "score": 1, "msg": ""}'}
        put = http.post(f"{server.url}/xqueue/put_result/", result, timeout=30)
        return [login.status_code, got.status_code, put.status_code]


def assert_must_wait(server: Server, address: str, password: str) -> None:
    """Whoever has guessed too often is not let in with the right password either."""
    with requests.Session() as http:
        for number in range(200):
            last = log_in(server, http, address, f"another guess {number}")
            if int(last.headers.get("Retry-After", "0")) > 2:
                break
        assert log_in(server, http, address, password).status_code == 429


def assert_slowed_down(seen: dict[str, list[int]]) -> None:
    """Of all guesses a handful was looked at. Two addresses of one IPv6 customer are one network."""
    assert {status for statuses in seen.values() for status in statuses} == {401, 429}
    # Five are free; then the delays grow, so while this test runs only a few more are looked at.
    assert [address for address, statuses in seen.items() if statuses.count(401) > 12] == []
    assert seen["2001:db8::1"].count(401) + seen["2001:db8::2"].count(401) <= 12
