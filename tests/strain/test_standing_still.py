"""A database that stands still: nothing is handed to graders that have gone, and probes are answered all the while."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest
import requests

from tests.server import Server
from tests.strain.conftest import Start, poll, session_of
from tests.strain.servers import OwnServer

pytestmark = [pytest.mark.walk, pytest.mark.databases("postgresql", "mariadb")]

WATCHERS = 20
JOBS = 80
STILL_SECONDS = 9


class Watchers:
    """As the watcher polls: for one second, then again after 1.3. What they are given they let lie."""

    def __init__(self, server: Server, queue: str, cookies: dict[str, Any]) -> None:
        self.stop = threading.Event()
        self.given: list[str] = []
        self._asked = server, queue, cookies
        self._threads = [threading.Thread(target=self._watch, daemon=True) for _ in range(WATCHERS)]
        for thread in self._threads:
            thread.start()

    def _watch(self) -> None:
        while not self.stop.wait(1.3):
            try:
                answer = poll(*self._asked, timeout=1)
            except requests.RequestException:
                continue
            if answer.status_code == 200 and answer.json()["return_code"] == 0:
                self.given.append(answer.json()["content"])

    def end(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def server(start: Start, own_database: str) -> Server:
    return start(own_database)


def readyz(server: Server) -> tuple[float, int, dict[str, Any]]:
    """After how many seconds which answer came."""
    began = time.monotonic()
    answer = requests.get(f"{server.url}/readyz", timeout=20)
    return time.monotonic() - began, answer.status_code, answer.json()


def test_a_spell_hands_nothing_to_graders_that_have_gone(server: Server, own: OwnServer, name: str) -> None:
    cookies = session_of(server, name)
    server.enqueue({"queue_name": "warm"})
    for _ in range(4):
        poll(server, "warm", cookies)
    ids = server.enqueue(*({"queue_name": name, "student_id": f"s{number}"} for number in range(JOBS)))
    own.stand_still()
    watchers = Watchers(server, name, cookies)
    try:
        time.sleep(STILL_SECONDS / 2)
        probes = [readyz(server)]
        time.sleep(STILL_SECONDS / 2)
        probes.append(readyz(server))
        # Nobody waits any more when it goes on, so nobody may be given anything.
        watchers.end()
    finally:
        own.go_on()
    assert [status for _, status, _ in probes] == [503, 503]
    assert max(seconds for seconds, _, _ in probes) < 2
    assert probes[0][2]["checks"]["database"] == "no answer"
    time.sleep(8)
    rows = server.show(*ids)
    assert watchers.given == []
    claimed = [row for row in rows if row["status"] == "pulled"]
    assert len(claimed) <= 20
    assert [row["num_failures"] for row in rows] == [0] * JOBS
    # And all are to be had again.
    given = Counter(poll(server, name, cookies).json()["return_code"] for _ in range(JOBS - len(claimed)))
    assert given == {0: JOBS - len(claimed)}
    assert readyz(server)[1] == 200


def test_the_queue_goes_on_by_itself(server: Server, own: OwnServer, name: str) -> None:
    """Watchers that are there are given jobs again within ten seconds."""
    cookies = session_of(server, name)
    server.enqueue(*({"queue_name": name, "student_id": f"s{number}"} for number in range(40)))
    own.stand_still()
    watchers = Watchers(server, name, cookies)
    try:
        time.sleep(STILL_SECONDS)
    finally:
        own.go_on()
    deadline = time.monotonic() + 10
    while len(set(watchers.given)) < 20 and time.monotonic() < deadline:
        time.sleep(0.1)
    watchers.end()
    assert len(set(watchers.given)) >= 20
