"""The benchmarks' machinery in seconds: it counts what it should. How fast anything is, is not asserted here."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest

from benchmarks import report, seed
from benchmarks.client import Load
from benchmarks.databases import Database
from benchmarks.match import Outcome, Round
from benchmarks.roundtrips import _MariaDB, _Postgresql
from tests.server import Server

ROOT = Path(__file__).resolve().parents[1]


class Queue:
    """A queue as bad as it is told to be: it says these answers, one after the other, and keeps what it was asked."""

    def __init__(self, *answers: tuple[int, str], closes: bool = False) -> None:
        self.answers, self.closes = list(answers), closes
        self.asked: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self.answers:
            connection, _ = self.listener.accept()
            with connection:
                while self.answers and (request := connection.recv(65536)):
                    self.asked.append(request)
                    status, body = self.answers.pop(0)
                    close = "Connection: close\r\n" if self.closes else ""
                    head = f"HTTP/1.1 {status} X\r\n{close}Content-Length: {len(body)}\r\n\r\n"
                    connection.sendall(head.encode())
                    connection.sendall(body.encode())
                    if self.closes:
                        break
        self.listener.close()


def said(code: int, content: object) -> tuple[int, str]:
    return 200, json.dumps({"return_code": code, "content": content})


def job(submission_id: int) -> tuple[int, str]:
    header = json.dumps({"submission_id": submission_id, "submission_key": "k+&"})
    return said(0, json.dumps({"xqueue_header": header, "xqueue_body": "{}", "xqueue_files": "{}"}))


LOGGED_IN, STORED, EMPTY = said(0, "Logged in"), said(0, ""), said(1, "Queue 'q' is empty")


def cycled(queue: Queue, *, waiting: int, cycles: int) -> dict[str, Any]:
    """What one grader's client counts."""
    client = Load()
    client.login(port=queue.port, queue="q", names=["one"], password="p", csrf=False)
    client.expect(waiting)
    try:
        return client.cycle(seconds=30, cycles=cycles)
    finally:
        client.close()


@pytest.mark.once
@pytest.mark.parametrize("closes", [False, True])
def test_the_client_counts_duplicates_false_empties_and_errors(closes: bool) -> None:
    broken = (500, "<h1>Error</h1>")
    queue = Queue(
        LOGGED_IN, job(1), STORED, job(1), broken, EMPTY, job(2), STORED, job(3), STORED, EMPTY, closes=closes
    )
    found = cycled(queue, waiting=3, cycles=9)
    assert (found["cycles"], found["duplicates"], found["false_empties"]) == (3, 1, 1)
    assert found["errors"] == {"put_result: 500 <h1>Error</h1>": 1}
    assert [len(found["calls"][call]) for call in ("get_submission", "put_result")] == [4, 3]


@pytest.mark.once
def test_a_result_that_is_refused_is_an_error_and_no_cycle() -> None:
    queue = Queue(LOGGED_IN, job(1), said(1, "Incorrect key for submission"))
    found = cycled(queue, waiting=1, cycles=1)
    assert found["cycles"] == 0
    assert sum(found["errors"].values()) == 1


@pytest.mark.once
def test_a_result_goes_back_with_the_header_as_it_came() -> None:
    queue = Queue(LOGGED_IN, job(7), STORED)
    cycled(queue, waiting=1, cycles=1)
    form = parse_qs(queue.asked[2].partition(b"\r\n\r\n")[2].decode())
    assert form["xqueue_header"] == ['{"submission_id": 7, "submission_key": "k+&"}']
    assert json.loads(form["xqueue_body"][0])["score"] == 0.7


@pytest.mark.once
@pytest.mark.parametrize(("files", "parts"), [(0, 0), (1, 3)])
def test_each_submission_is_another_learners_and_counts_once_it_is_taken(files: int, parts: int) -> None:
    queue = Queue(LOGGED_IN, said(0, "1"), said(1, "Queue 'q' is full"), said(0, "2"))
    client = Load()
    client.login(port=queue.port, queue="q", names=["one"], password="p", csrf=False)
    found = client.submit(seconds=30, cycles=3, files=files)
    client.close()
    assert found["cycles"] == len(found["calls"]["submit"]) == 2
    assert found["errors"] == {'submit: 200 {"return_code": 1, "content": "Queue \'q\' is full"}': 1}
    sent = [unquote_plus(request.decode()) for request in queue.asked[1:]]
    learners = {re.search(r'"lms_key": "([0-9-]+)"', text)[1] for text in sent}  # type: ignore[index]
    assert len(learners) == 3
    assert {text.count("Content-Disposition: form-data") for text in sent} == {parts}


@pytest.mark.once
def test_statements_are_counted_on_the_wire_of_postgresql() -> None:
    def message(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("!i", 4 + len(content)) + content

    start = struct.pack("!ii", 13, 196608) + b"user\0"
    simple = message(b"Q", b"SELECT 1\0")
    extended = message(b"P", b"\0SELECT $1\0\0\0") + message(b"B", b"\0") + message(b"E", b"\0") + message(b"S", b"")
    bytes_sent = start + simple + extended + message(b"X", b"")
    reader = _Postgresql()
    found = [statement for byte in bytes_sent for statement in reader.statements(bytes([byte]))]
    assert found == ["SELECT 1", "SELECT $1"]


@pytest.mark.once
def test_statements_are_counted_on_the_wire_of_mariadb() -> None:
    def packet(number: int, content: bytes) -> bytes:
        return len(content).to_bytes(3, "little") + bytes([number]) + content

    login, query, ping, end = packet(1, b"root"), packet(0, b"\x03SELECT 1"), packet(0, b"\x0e"), packet(0, b"\x01")
    assert _MariaDB().statements(login + query + ping + end) == ["SELECT 1", "command 14"]


@pytest.mark.once
def test_a_ratio_is_of_medians_and_counts_both_processors() -> None:
    ours = Outcome("ours", [Round(90, 1, 0.1, 0.08, 0), Round(600, 1, 0.6, 0.6, 0.1), Round(300, 1, 0.3, 0.3, 0)])
    theirs = Outcome("theirs", [Round(100, 1, 0.9, 0.1, 0), Round(100, 2, 0.9, 0.1, 0), Round(100, 1, 0.9, 0.1, 0)])
    section = report.match("Title", [ours, theirs], "cycle")
    assert "ours against theirs: **3.00** times the cycles per second, 0.20 of the CPU time per cycle." in section.body
    assert "used at most 17% of one processor" not in section.body


@pytest.mark.once
def test_two_working_trees_stand_beside_each_other() -> None:
    table = report.by_turns("ms", {"claim": {"web": 1.0, "database": 0.0}}, {"claim": {"web": 2.0, "database": 0.0}})
    assert table.splitlines()[2] == "| claim | 1.00 / 2.00 / 0.50 | 0.00 / 0.00 / - |"


@pytest.mark.once
def test_growth_is_of_each_thing_that_is_done() -> None:
    section = report.growth(1_000_000, 10_000, {"claim": (4.0, 5.0)}, {"list": (40, 41)})
    lines = section.body.splitlines()
    assert lines[2] == "| claim | 4.00 | 5.00 | 1.25 |"
    assert lines[-1] == "| list | 40.0 | 41.0 | 1.02 |"
    assert section.facts == {"growth of claim": 1.25}


@pytest.mark.once
def test_a_written_report_keeps_what_was_not_measured_again() -> None:
    document = "# Title\n\n<!-- postgresql deep -->\nold\n<!-- /postgresql deep -->\n\nend\n"
    document = report.written_into(document, "postgresql", "deep", "new")
    document = report.written_into(document, "mariadb", "idle", "first")
    assert document == (
        "# Title\n\n<!-- postgresql deep -->\nnew\n<!-- /postgresql deep -->\n\nend\n\n"
        "<!-- mariadb idle -->\nfirst\n<!-- /mariadb idle -->\n"
    )


def test_what_is_seeded_the_service_finds_sound(kind: str, fresh_database: str, tmp_path: Path) -> None:
    site = Server(fresh_database, tmp_path)
    site.run("migrate")
    database = Database(kind, fresh_database)
    try:
        for waiting, finished in ((3, 0), (7, 5)):  # the second filling takes the place of the first
            seed.fill(database, waiting=waiting, finished=finished, ours=True, transport="callback")
        assert seed.stored_scores(database) == 5
        states = "SELECT state, count(*) FROM submissions_delivery GROUP BY state ORDER BY state"
        assert database.rows(states) == [("delivered", 5), ("waiting", 7)]
    finally:
        database.close()
    (new,) = site.enqueue({"queue_name": "bench"})  # it sets its queue up, as each job does that comes by the API
    assert new == 13
    site.run("audit")
    newer, waits = site.show(6, 11)
    assert (newer["status"], newer["num_pulls"]) == ("pending", 0)
    assert waits["status"] == "pending"
    (finished_one,) = site.show(5)
    assert (finished_one["status"], finished_one["points_earned"], finished_one["points_possible"]) == (
        "retired",
        7,
        10,
    )


@pytest.mark.databases("postgresql")
def test_a_table_of_millions_has_all_its_indexes_in_the_end(
    kind: str, fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "WORTH_IT", 1)
    Server(fresh_database, tmp_path).run("migrate")
    database = Database(kind, fresh_database)
    tables = "('submissions_externalgraderdetail', 'submissions_delivery')"
    found = {
        "postgresql": f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN {tables}",
        "mariadb": "SELECT DISTINCT table_name, index_name FROM information_schema.statistics "
        f"WHERE table_schema = DATABASE() AND table_name IN {tables}",
        "sqlite": f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN {tables}",
    }[kind]
    try:
        before = sorted(database.rows(found), key=str)
        seed.fill(database, waiting=2, finished=2, ours=True)
        assert sorted(database.rows(found), key=str) == before
        assert len(before) > 8
    finally:
        database.close()


def measured(kind: str, folder: Path, scenario: str, **sizes: float) -> list[list[str]]:
    """The lines of our side in a short run's tables."""
    options = [word for name, value in sizes.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "benchmarks", "--databases", kind, "--sides", "ours", "--scenarios", scenario]
    environment = os.environ | {"TMPDIR": str(folder)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| gradequeue")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.databases("postgresql")
def test_submissions_are_measured_by_a_call_and_over_http(kind: str, tmp_path: Path) -> None:
    rows = measured(
        kind, tmp_path, "enqueue", rounds=1, graders=2, workers=1, seconds=0.5, warm_up=0.2, waiting=30, finished=0
    )
    titles = ["gradequeue, granian", "gradequeue, granian; 30 waiting"]
    assert [cells[0] for cells in rows] == titles * 3, "without a file, with one, over HTTP"
    assert all(float(cells[1].replace(",", "")) > 0 for cells in rows), "jobs per second"
    assert {cell for cells in rows for cell in cells[-4:]} == {"0"}, "duplicates, false empties, errors, not stored"


@pytest.mark.databases("postgresql")
def test_a_short_run_grades_every_job_once(kind: str, tmp_path: Path) -> None:
    (cells,) = measured(kind, tmp_path, "shallow", rounds=1, cycles=12, graders=3, workers=1, seconds=0.5, warm_up=0.2)
    assert cells[-4:] == ["0", "0", "0", "0"], "duplicates, false empties, errors, not stored"
    assert len(cells) == 12
