"""How often a grader's call goes to the database and back, counted on the wire; transaction commands included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from benchmarks.roundtrips import Counter
from tests.server import Server
from tests.settings import KIND

pytestmark = pytest.mark.skipif(KIND == "sqlite", reason="SQLite is a part of the process: there is no wire")

# At most 6 for a job, 9 for a result, 2 for an empty queue (edx-submissions: 11, 19).
EXPECTED = {"get_submission": 2, "put_result": 3, "empty": 2}


@pytest.fixture
def counted(kind: str, fresh_database: str, tmp_path: Path) -> Iterator[tuple[Server, Counter]]:
    counter = Counter(kind, fresh_database)
    server = Server(counter.url, tmp_path).start("--threads", "1", workers=1)
    yield server, counter
    server.stop()
    counter.close()


@pytest.mark.parametrize("body", ['{"score": 1, "correct": true, "msg": "ok"}', '{"score": 1}'])
def test_a_call_needs_no_more_round_trips_than_it_must(kind: str, counted: tuple[Server, Counter], body: str) -> None:
    server, counter = counted
    server.enqueue(*({"queue_name": "q", "student_id": f"s{number % 3}"} for number in range(6)))
    http = requests.Session()
    login = http.post(f"{server.url}/xqueue/login/", {"username": "g", "password": server.grader("g")}, timeout=10)
    assert login.json()["content"] == "Logged in"
    seen: dict[str, list[int]] = {"get_submission": [], "put_result": [], "empty": []}
    for _ in range(14):
        counter.taken()
        got = http.get(f"{server.url}/xqueue/get_submission/?queue_name=q", timeout=10).json()
        call = "get_submission" if got["return_code"] == 0 else "empty"
        seen[call].append(len(counter.taken()))
        if call == "get_submission":
            form = {"xqueue_header": json.loads(got["content"])["xqueue_header"]}
            done = http.post(f"{server.url}/xqueue/put_result/", {**form, "xqueue_body": body}, timeout=10)
            assert done.json() == {"return_code": 0, "content": ""}
            seen["put_result"].append(len(counter.taken()))
    # The fewest of each: the loop beside the workers asks now and then, and queues' settings are read again.
    assert {call: min(counts) for call, counts in seen.items()} == EXPECTED
