"""What was answered is on the disk: each write of SQLite's, and each file, is synced before anybody is told."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.server import GRADEQUEUE, Server
from tests.settings import KIND

pytestmark = [
    pytest.mark.walk,
    pytest.mark.skipif(KIND != "sqlite", reason="servers sync by their own settings; `doctor` asks them"),
]

STRACE = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(f"sqlite:///{tmp_path}/queue.sqlite3", tmp_path)
    yield server
    if server.process is not None:
        server.stop()


@contextmanager
def traced(server: Server, trace: Path) -> Iterator[None]:
    """What the server's processes sync is written to `trace` as it happens."""
    assert server.process is not None
    tree = [str(server.process.pid), *descendants(server.process.pid)]
    pids = [word for pid in tree for word in ("-p", pid)]
    with subprocess.Popen([*STRACE, "-o", str(trace), *pids], stderr=subprocess.DEVNULL) as strace:
        deadline = time.monotonic() + 20
        while not all(is_traced(pid) for pid in tree):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield
        strace.terminate()


def descendants(pid: int) -> list[str]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [one for child in children for one in (child, *descendants(int(child)))]


def is_traced(pid: str) -> bool:
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def synced(trace: Path) -> int:
    """How often the database's journal was synced so far."""
    return sum("queue.sqlite3-wal>" in line for line in trace.read_text().splitlines())


def test_each_answer_of_a_grader_comes_after_its_write_is_on_the_disk(server: Server, tmp_path: Path) -> None:
    server.start(workers=1)
    server.enqueue({"queue_name": "q"})
    password = server.grader("ada")
    trace = tmp_path / "trace"
    seen = []
    with traced(server, trace), requests.Session() as grader:
        form = {"username": "ada", "password": password}
        assert grader.post(f"{server.url}/xqueue/login/", form).json()["return_code"] == 0
        seen.append(synced(trace))
        taken = grader.get(f"{server.url}/xqueue/get_submission/", params={"queue_name": "q"}).json()
        seen.append(synced(trace))
        header = json.loads(taken["content"])["xqueue_header"]
        reply = {"xqueue_header": header, "xqueue_body": '{"correct": true, "score": 1, "msg": ""}'}
        assert grader.post(f"{server.url}/xqueue/put_result/", reply).json()["return_code"] == 0
        seen.append(synced(trace))
    assert 0 < seen[0] < seen[1] < seen[2]


def test_a_file_and_its_folders_are_on_the_disk_before_its_row(server: Server, tmp_path: Path) -> None:
    server.run("migrate")
    trace = tmp_path / "trace"
    given = {"queue_name": "q", "course_id": "c", "item_id": "i", "student_id": "s", "answer": "x", "files": {"a": "b"}}
    command = [*STRACE, "-o", str(trace), GRADEQUEUE, "enqueue"]
    subprocess.run(command, env=server.env, input=json.dumps(given), text=True, check=True, capture_output=True)
    lines = trace.read_text().splitlines()
    files = [number for number, line in enumerate(lines) if "/data/files" in line]
    journal = [number for number, line in enumerate(lines) if "queue.sqlite3-wal>" in line]
    # The file, and three folders at least: its own, those above it, and the storage's.
    assert len(files) >= 3
    assert max(files) < max(journal)
