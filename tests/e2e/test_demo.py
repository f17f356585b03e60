"""The demonstration, as somebody types it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from gradequeue.demo import processes, reasons
from gradequeue.demo.course import Attempt, Problem
from tests.server import GRADEQUEUE, free_port

pytestmark = pytest.mark.walk


class Demo:
    """``gradequeue demo`` on a database and a data folder of its own."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.env = os.environ | {"DATABASE_URL": database_url, "GRADEQUEUE_DATA": str(folder / "data")}
        self.env.pop("DJANGO_SETTINGS_MODULE", None)
        self.port = free_port()

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [GRADEQUEUE, "demo", "--port", str(self.port), *words]
        return subprocess.Popen(
            command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *words: str) -> tuple[int, list[dict[str, Any]], str]:
        """The exit code, the objects on stdout, and what stands on stderr."""
        with self.start("--json", *words) as process:
            out, err = process.communicate(timeout=300)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err

    def rows(self, *words: str) -> list[dict[str, Any]]:
        done = subprocess.run([GRADEQUEUE, *words], env=self.env, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def demo(fresh_database: str, tmp_path: Path) -> Demo:
    return Demo(fresh_database, tmp_path)


def counts(rows: list[dict[str, Any]], kind: str = "problem") -> list[tuple[object, ...]]:
    numbers = ("attempts", "full", "partial", "zero", "failed")
    return [(row["problem"], *(row[number] for number in numbers)) for row in rows if row["row"] == kind]


@pytest.mark.once
def test_our_own_course_is_graded_with_the_verdicts_that_it_ought_to_get(empty_database: str, tmp_path: Path) -> None:
    demo = Demo(empty_database, tmp_path)
    code, rows, err = demo.run("--once")
    assert code == 0, err
    assert counts(rows) == [
        ("digit_sum", 7, 2, 1, 4, 0),
        ("greeting", 7, 2, 1, 4, 0),
        ("leap_year", 7, 2, 2, 3, 0),
        ("poem", 6, 1, 3, 2, 0),
        ("primes", 7, 2, 3, 2, 0),
        ("word_count", 6, 2, 3, 1, 0),
    ]
    assert [row for row in rows if row["row"] == "difference"] == []
    last = rows[-1]
    assert (last["row"], last["attempts"], last["with_one_score"], last["agreement"]) == ("summary", 40, 40, 1)
    assert all(row["median_seconds"] > 0 for row in rows[:-1])
    assert "Grading: 40 of 40" in err
    # Graders of both protocols were at work.
    assert 0 < last["by_worker"] < 40
    assert demo.rows("audit", "--json") == [{"jobs": 40, "states": {"retired": 40}, "problems": 0}]
    # What the run needed it has given up: the account of its graders.
    assert [grader["active"] for grader in demo.rows("grader", "list", "--json")] == [False]


# A course in a folder. ----------------------------------------------------------------------------------------------

COURSE = {
    "question_1/description.txt": "Sums.",
    "question_1/ans/input_001.txt": "total([1, 2])\n",
    "question_1/ans/output_001.txt": "3\n",
    "question_1/ans/input_002.txt": "total([])",
    "question_1/ans/output_002.txt": "0",
    "question_1/ans/input_010.txt": "greet()",
    "question_1/ans/output_010.txt": "Hello, world",
    "question_1/code/global.py": "from math import fsum\n",
    "question_1/code/reference/reference.py": "left alone, as it does not even parse",
    "question_1/code/fail/fail_1_001.py": "left alone, as it does not even parse",
    "question_1/code/correct/correct_1_001.py": "def total(many):\r\n    return sum(many)\r\n"
    "def greet():\r\n    print('Hello, world')\r\n",
    "question_1/code/correct/correct_1_002.py": "def total(many): return 3\ndef greet(): print('Hello, world')",
    "question_1/code/wrong/wrong_1_001.py": "def total(many): return fsum(many)\ndef greet(): print('Hello, world')",
    "question_1/code/wrong/wrong_1_002.py": "def total(many) return 0",
    "question_1/code/wrong/wrong_1_003.py": "def total(many): return sum(many)",
    "question_2/ans/input_1.txt": "newest([3, 1, 2])",
    "question_2/ans/output_1.txt": "[3, 2, 1]",
    "question_2/code/correct/a.py": "def newest(many): return [3, 2, 1]",
    "question_2/code/wrong/b.py": "def newest(many): return sorted(many, reverse=True)",
    "question_2/code/wrong/c.py": "def newest(many): return [3, 2, 1]",
}

COURSE_COUNTS = [("question_1", 5, 2, 2, 1, 0), ("question_2", 3, 3, 0, 0, 0)]

DIFFERENCES = {
    ("question_1", "correct_1_002", "partial"): (
        "in correct/, but: 2 of 3 tests passed. total([]) : got 3, expected 0"
    ),
    ("question_1", "wrong_1_001", "full"): (
        "in wrong/, but passes all 3 tests: it does not define fsum, what runs before it does"
    ),
    ("question_2", "b", "full"): (
        "in wrong/, but passes the one test: nothing in its text tells it from the right ones"
    ),
    ("question_2", "c", "full"): (
        "in wrong/, but passes the one test: nothing in its text tells it from the right ones"
    ),
}


def course_folder(place: Path) -> Path:
    for name, text in COURSE.items():
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return place


def course_zip(place: Path) -> Path:
    with zipfile.ZipFile(place, "w") as archive:
        for name, text in COURSE.items():
            archive.writestr(f"data/{name}", text)
    return place


@pytest.mark.once
def test_a_course_in_a_folder_or_a_zip_file_is_graded_and_each_difference_explained(demo: Demo, tmp_path: Path) -> None:
    for number, course in enumerate((course_folder(tmp_path / "course"), course_zip(tmp_path / "course.zip")), start=1):
        code, rows, err = demo.run("--once", "--data", str(course), "--graders", str(number))
        assert code == 0, err
        assert counts(rows) == COURSE_COUNTS
        found = {(row["problem"], row["student"], row["verdict"]): row["why"] for row in rows if "why" in row}
        assert found == DIFFERENCES
        assert (rows[-1]["attempts"], rows[-1]["with_one_score"], rows[-1]["agreement"]) == (8, 8, 0.5)
        # The second run is on the same database, and counts only its own.
        assert demo.rows("audit", "--json") == [{"jobs": 8 * number, "states": {"retired": 8 * number}, "problems": 0}]


@pytest.mark.once
@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds no programs in PROBLEM/code/correct/ or PROBLEM/code/wrong/."),
        ({"q/ans/input_1.txt": "1", "q/code/wrong/a.py": ""}, "input_1.txt has no output_1.txt beside it."),
        ({"q/ans/other.txt": "1", "q/code/wrong/a.py": ""}, "q has no tests in ans/."),
    ],
)
def test_a_folder_that_is_no_course_is_refused(
    demo: Demo, tmp_path: Path, files: dict[str, str], sentence: str
) -> None:
    course = tmp_path / "course"
    course.mkdir()
    for name, text in files.items():
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text(text)
    code, rows, err = demo.run("--once", "--data", str(course))
    assert (code, rows) == (1, [])
    assert sentence in err


@pytest.mark.once
def test_a_file_that_is_no_zip_file_and_one_that_is_not_there_are_refused(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "course.zip").write_text("no zip")
    code, _, err = demo.run("--once", "--data", str(tmp_path / "course.zip"))
    assert (code, err.splitlines()[-1].endswith("course.zip cannot be read: File is not a zip file")) == (1, True)
    code, _, err = demo.run("--once", "--data", str(tmp_path / "absent"))
    assert (code, err) == (1, f"CommandError: There is no {tmp_path / 'absent'}.\n")


@pytest.mark.once
@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def f(many):\n    many.sort()\n    return many", "it uses sort, as only 1 of the 60 right programs do"),
        ("def f(many): return list(reversed(many))", "it uses reversed, as none of the 60 right programs do"),
        ("def f(many): return [one for one in many]", "nothing in its text tells it from the right ones"),
        ("def f(many): return list(deque(many))", "it does not define deque, what runs before it does"),
        ("def f(many", "nothing in its text tells it from the right ones"),
    ],
)
def test_what_tells_a_wrong_program_from_the_right_ones_is_found_in_its_text(program: str, reason: str) -> None:
    problem = Problem("p", ({"call": "f([1])", "expect": "[1]"},), prelude="from collections import deque")
    texts = ["def f(many): return list(many)"] * 59 + ["def f(many):\n    many.sort()\n    return many"]
    right = [Attempt(problem, str(number), text, "in correct/", right=True) for number, text in enumerate(texts)]
    assert reasons.beyond_tests(Attempt(problem, "s", program, "in wrong/", right=False), right) == reason


# Around it. ---------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_port_that_is_taken_is_told(demo: Demo) -> None:
    with socket.create_server(("127.0.0.1", demo.port)):
        code, rows, err = demo.run("--once")
    assert (code, rows) == (1, [])
    assert err == (
        f"CommandError: Port {demo.port} of 127.0.0.1 cannot be had: Address already in use. "
        "Choose another with --port.\n"
    )


@pytest.mark.once
def test_a_server_that_does_not_start_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho loading\necho 'There is no more memory.' >&2\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with processes.Processes(tmp_path) as started, pytest.raises(processes.DidNotStart) as refusal:
        started.serve("127.0.0.1", free_port())
    assert str(refusal.value) == (
        f"The server did not start. There is no more memory. ({tmp_path / 'demo-server.log'})"
    )


@pytest.mark.once
def test_a_database_that_cannot_be_used_is_told(demo: Demo, tmp_path: Path) -> None:
    demo.env["DATABASE_URL"] = f"sqlite:///{tmp_path}"
    code, _, err = demo.run("--once")
    assert (code, err) == (1, "CommandError: The database cannot be used: unable to open database file\n")


@pytest.mark.once
def test_production_is_no_place_for_it(demo: Demo) -> None:
    demo.env |= {"GRADEQUEUE_ENV": "production", "GRADEQUEUE_SECRET_KEY": "k" * 50, "GRADEQUEUE_ALLOWED_HOSTS": "a.org"}
    code, _, err = demo.run("--once")
    assert (code, err) == (
        1,
        "CommandError: The demonstration is not for production; run it without GRADEQUEUE_ENV=production.\n",
    )


@pytest.fixture
def started(demo: Demo, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demonstration on the small folder, going on after its table."""
    process = demo.start("--data", str(course_folder(tmp_path / "course")))
    yield process
    for one in family(process) if process.poll() is None else []:
        one.kill()
    process.kill()
    process.communicate()


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """What it wrote on stderr until these words."""
    written = ""
    assert process.stderr is not None
    while words not in written:
        line = process.stderr.readline()
        assert line, written
        written += line
    return written


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
    return found


@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stays_up_after_the_table_until_it_is_told_to_end(
    demo: Demo, started: subprocess.Popen[str], number: signal.Signals
) -> None:
    written = wait_for(started, '"AUTH"')
    for words in ("The server and the graders stay up", "queues", "show ", "createsuperuser", "examples/grader.py"):
        assert words in written
    servers = json.loads(written.splitlines()[-1])
    assert servers["default"]["SERVER"] == f"http://127.0.0.1:{demo.port}"
    name, password = servers["default"]["AUTH"]
    login = requests.post(f"http://127.0.0.1:{demo.port}/xqueue/login/", {"username": name, "password": password})
    assert login.json() == {"return_code": 0, "content": "Logged in"}
    others = family(started)
    # The server, its workers, two graders.
    assert len(others) >= 4
    started.send_signal(number)
    out, _ = started.communicate(timeout=60)
    assert started.returncode == 0
    assert "question_1         5     2        2     1       0" in out
    assert psutil.wait_procs(others, timeout=10)[1] == []


@pytest.mark.once
def test_ended_half_way_it_leaves_no_process_behind(started: subprocess.Popen[str]) -> None:
    wait_for(started, "Submitting")
    others = family(started)
    started.terminate()
    _, err = started.communicate(timeout=60)
    assert started.returncode == 1
    assert err.splitlines()[-1] == "CommandError: Stopped before everything was graded."
    assert psutil.wait_procs(others, timeout=10)[1] == []


@pytest.mark.once
def test_a_grader_that_dies_ends_it_with_a_sentence(started: subprocess.Popen[str]) -> None:
    wait_for(started, '"AUTH"')
    others = family(started)
    next(one for one in others if "--queue" in one.cmdline()).kill()
    _, err = started.communicate(timeout=60)
    assert started.returncode == 1
    assert re.search("CommandError: The (grader .|worker) ended", err.splitlines()[-1])
    assert "ended (exit status -9)" in err.splitlines()[-1]
    assert psutil.wait_procs(others, timeout=10)[1] == []


class Begun(processes.Processes):
    """Goes no further than to what it would start."""

    def start(self, name: str, command: list[str], environment: Any) -> None:
        raise processes.DidNotStart(environment["GRADEQUEUE_ALLOWED_HOSTS"])


@pytest.mark.parametrize(("host", "served"), [("::1", "[::1]"), ("::", "[::]"), ("0.0.0.0", "0.0.0.0")])
def test_the_server_may_be_asked_by_the_address_that_it_listens_on(host: str, served: str, tmp_path: Path) -> None:
    """An IPv6 address stands in brackets there; without them `serve` refuses it."""
    with pytest.raises(processes.DidNotStart) as told:
        Begun(tmp_path).serve(host, 8000)
    hosts = str(told.value).split(",")
    assert (served in hosts, [one for one in hosts if one.startswith(":")]) == (True, [])
