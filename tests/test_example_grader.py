"""The example grader: what it makes of each kind of program, and how it behaves towards a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
import requests

from examples import grader
from tests.server import Server, free_port

FILE = Path(__file__).parents[1] / "examples" / "grader.py"
DOUBLE = [{"call": "double(2)", "expect": "4"}, {"call": "double(0)", "expect": "0"}]
RIGHT = "def double(number):\n    return 2 * number\n"


def graded(program: str, *tests: dict[str, str], prelude: str = "") -> tuple[float, list[str]]:
    """The score, and the reasons for what is missing; the message must be well-formed XML."""
    payload = json.dumps({"tests": tests or DOUBLE, "prelude": prelude})
    result = grader.grade(program, payload)
    assert result["correct"] is (result["score"] == 1)
    root = ElementTree.fromstring(result["msg"])
    return result["score"], ["".join(reason.itertext()) for reason in root.iter("li")]


# Programs. ----------------------------------------------------------------------------------------------------------

PROGRAMS: dict[str, tuple[str, float, list[str]]] = {
    "right": (
        RIGHT,
        1,
        [],
    ),
    "half right": (
        "def double(number): return 4",
        0.5,
        ["double(0): got 4, expected 0"],
    ),
    "not parsing": (
        "\ndef double(number) return 4",
        0,
        ["double(2) and 1 more: loading the program: line 2: SyntaxError: expected ':'"],
    ),
    "an error": (
        "def double(number):\n    return 4 / number - 0",
        0,
        [
            "double(2): got 2.0, expected 4",
            "double(0): line 2: ZeroDivisionError: division by zero",
        ],
    ),
    "a missing name": (
        "",
        0,
        ["double(2) and 1 more: NameError: name 'double' is not defined"],
    ),
    "recursion without end": (
        "def double(number): return double(number)",
        0,
        ["double(2) and 1 more: line 1: RecursionError: maximum recursion depth exceeded"],
    ),
    "sys.exit": (
        "import sys\ndef double(number):\n    sys.exit() if number else 0\n    return 0",
        0.5,
        ["double(2): line 3: SystemExit"],
    ),
    "os._exit": (
        "import os\ndef double(number):\n    os._exit(0) if number else 0\n    return 0",
        0.5,
        ["double(2): it ended the whole process (exit status 0)"],
    ),
    "a crash": (
        "import os\ndef double(number):\n    os.abort() if number else 0\n    return 0",
        0.5,
        ["double(2): it was ended by SIGABRT"],
    ),
    "megabytes": (
        "def double(number):\n    while number: print('x' * 1000)\n    return 0",
        0.5,
        ["double(2): it printed more than 64 kB"],
    ),
    "a fork": (
        "import os\nos.fork()\ndef double(number): return 2 * number",
        0,
        [
            (
                "double(2) and 1 more: loading the program: line 2: BlockingIOError: [Errno 11] Resource "
                "temporarily unavailable (a program may not start processes or threads)"
            ),
        ],
    ),
    "a thread": (
        "import threading\ndef double(number):\n    threading.Thread(target=print).start()\n    return 2 * number",
        0,
        ["double(2) and 1 more: line 3: RuntimeError: can't start new thread"],
    ),
    "all the memory": (
        "def double(number): return len(bytearray(10 ** 10)) if number else 0",
        0.5,
        ["double(2): line 1: MemoryError (a program may not use so much memory)"],
    ),
    "input": (
        "def double(number): return 2 * int(input())",
        0,
        ["double(2) and 1 more: line 1: EOFError: EOF when reading a line (there is no input to read)"],
    ),
    "a large file": (
        "def double(number):\n    with open('big', 'w') as file:\n        file.write('x' * 2_000_000)",
        0,
        ["double(2) and 1 more: line 3: OSError: [Errno 27] File too large"],
    ),
    "its own folder deleted": (
        "import os, shutil\nshutil.rmtree(os.getcwd())\n" + RIGHT,
        1,
        [],
    ),
    "its output closed": (
        "import os, sys\nsys.stdout.close()\nos.close(1)\n" + RIGHT,
        1,
        [],
    ),
    "the grader's channel closed": (
        "import os\nos.closerange(3, 30)\n" + RIGHT,
        0,
        ["double(2) and 1 more: loading the program: it ended the whole process (exit status 1)"],
    ),
    "verdicts forged": (
        (
            'import os\nfor line in range(3, 30):\n    try: os.write(line, b\'{"passed": true, "value": '
            '"5"}\\n\' * 3)\n    except OSError: pass\n'
        ),
        0,
        ["double(2) and 1 more: loading the program: it wrote into the grader's own channel"],
    ),
    "equal to everything": (
        "class Any(int):\n    def __eq__(self, other): return True\ndef double(number): return Any(7)",
        0,
        [
            "double(2): got 7, expected 4",
            "double(0): got 7, expected 0",
        ],
    ),
    "an error without words": (
        "class Odd(Exception):\n    def __str__(self): raise self\ndef double(number): raise Odd",
        0,
        ["double(2) and 1 more: line 3: Odd"],
    ),
    "NUL": (
        "def double(number):\x00 return 4",
        0,
        ["double(2) and 1 more: loading the program: SyntaxError: source code string cannot contain null bytes"],
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("kind", PROGRAMS)
def test_each_kind_of_program_gets_its_score_and_a_clear_message(kind: str) -> None:
    program, score, reasons = PROGRAMS[kind]
    assert graded(program) == (score, reasons)


@pytest.mark.once
def test_a_program_that_never_ends_costs_only_the_tests_that_it_never_ends_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(grader.LIMITS, "cpu", 1)
    program = "def double(number):\n    while number == 2: pass\n    return 2 * number"
    tests = [{"call": f"double({number})", "expect": str(2 * number)} for number in (1, 2, 3)]
    assert graded(program, *tests) == (2 / 3, ["double(2): it used more than 1 seconds of processor time"])


@pytest.mark.once
def test_a_test_is_not_blamed_for_the_time_that_others_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(grader.LIMITS, "cpu", 1)
    program = (
        "import time\n"
        "def double(number):\n"
        "    start = time.process_time()\n"
        "    while time.process_time() - start < 0.6: pass\n"
        "    return 2 * number"
    )
    assert graded(program) == (1, [])


@pytest.mark.once
def test_a_program_that_sleeps_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grader, "CALL_SECONDS", 1)
    program = "import time\ndef double(number):\n    time.sleep(1000 * number)\n    return 0"
    assert graded(program) == (0.5, ["double(2): it was not done after 1 seconds"])


@pytest.mark.once
def test_a_program_that_replaces_itself_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grader, "CALL_SECONDS", 1)
    program = "import os\nos.execv('/bin/sleep', ['sleep', '987.654'])"
    reason = "double(2) and 1 more: loading the program: it was not done after 1 seconds"
    assert graded(program) == (0, [reason])
    assert not [one for one in psutil.process_iter(["cmdline"]) if "987.654" in (one.info["cmdline"] or [])]


@pytest.mark.once
def test_values_are_compared_as_python_compares_them() -> None:
    program = (
        "from collections import Counter, OrderedDict, namedtuple\n"
        "Point = namedtuple('Point', 'x y')\n"
        "counts, ordered, point = Counter('aab'), OrderedDict(a=2, b=1), Point(1, 2)\n"
    )
    tests = [
        {"call": "counts", "expect": "{'b': 1, 'a': 2}"},
        {"call": "ordered", "expect": "{'b': 1, 'a': 2}"},
        {"call": "point", "expect": "(1, 2)"},
        {"call": "True", "expect": "1"},
        {"call": "2.0", "expect": "2"},
        {"call": "{1, 2}", "expect": "{2, 1}"},
        {"call": "(1, 2)", "expect": "[1, 2]"},
        {"call": "'1'", "expect": "1"},
    ]
    assert graded(program, *tests) == (0.75, ["(1, 2): got (1, 2), expected [1, 2]", "'1': got '1', expected 1"])


@pytest.mark.once
def test_what_was_printed_is_compared_where_text_is_expected() -> None:
    program = "def greet(name):\n    print('Hello,')\n    print(name + '!  ')\n"
    tests = [
        {"call": "greet('Åsa')", "expect": "Hello,\nÅsa!"},
        {"call": "greet('Bo')", "prints": "Hello,\nBo!\n"},
        {"call": "print(4)", "prints": "4"},
        {"call": "greet('Bo')", "prints": "Hello, Bo!"},
    ]
    reason = r"greet('Bo'): printed 'Hello,\nBo!  \n', expected 'Hello, Bo!'"
    assert graded(program, *tests) == (0.75, [reason])


@pytest.mark.once
def test_output_that_is_not_utf_8_becomes_a_message_that_is() -> None:
    program = "import sys\ndef greet():\n    sys.stdout.buffer.write(b'\\xff\\x00<b>&')"
    reason = r"greet(): printed '�\x00<b>&', expected 'Hello'"
    assert graded(program, {"call": "greet()", "prints": "Hello"}) == (0, [reason])


@pytest.mark.once
def test_markup_from_a_program_stays_text() -> None:
    payload = json.dumps({"tests": [{"call": "'</code><script>'", "expect": "1"}]})
    assert grader.grade("", payload)["msg"] == (
        "<div><p>0 of 1 tests passed.</p><ul><li><code>&#x27;&lt;/code&gt;&lt;script&gt;&#x27;</code>: "
        "got &#x27;&lt;/code&gt;&lt;script&gt;&#x27;, expected 1</li></ul></div>"
    )


@pytest.mark.once
def test_a_long_list_of_failures_is_cut() -> None:
    tests = [{"call": f"{number} + 0", "expect": "-1"} for number in range(30)]
    score, reasons = graded("", *tests)
    assert (score, len(reasons), reasons[-2:]) == (0, 11, ["9 + 0: got 9, expected -1", "and 20 more"])


@pytest.mark.once
def test_the_prelude_runs_first_and_does_not_move_the_lines() -> None:
    prelude = "import math\n\n\n\ndef double(): pass"
    reason = "1: loading the program: line 1: TypeError: double() takes 0 positional arguments but 1 was given"
    assert graded("double(1)", {"call": "1", "expect": "1"}, prelude=prelude) == (0, [reason])


@pytest.mark.once
def test_a_program_sees_neither_environment_nor_files_nor_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADER_PASSWORD", "secret")
    program = (
        "import os, sys\n"
        "seen = sorted(set(os.environ) - {'LC_CTYPE'}), os.listdir()\n"
        "def count(one, other):\n"
        "    frame, told = sys._getframe(), open('/proc/self/cmdline').read()\n"
        "    while frame:\n"
        "        told += repr(frame.f_locals)\n"
        "        frame = frame.f_back\n"
        "    return told.count(one + other)\n"
    )
    tests = [
        {"call": "seen", "expect": "([], [])"},
        {"call": "count('PR_SET_', 'PDEATHSIG') > 0", "expect": "True"},
        {"call": "count('314', '159')", "expect": "0"},
        {"call": "1", "expect": "314159"},
    ]
    assert graded(program, *tests) == (0.75, ["1: got 1, expected 314159"])


@pytest.mark.once
@pytest.mark.skipif(os.geteuid() != 0, reason="only a grader that runs as root can give programs a user of their own")
def test_under_root_a_program_has_a_user_of_its_own() -> None:
    program = (
        "import os, heapq, socket, collections.abc, json.decoder\n"
        "def attempt(what):\n"
        "    try: what()\n"
        "    except PermissionError: return 'refused'\n"
    )
    tests = [
        {"call": "attempt(lambda: os.setuid(0))", "expect": "'refused'"},
        {"call": "attempt(lambda: os.kill(os.getppid(), 9))", "expect": "'refused'"},
        {"call": "attempt(lambda: open('/etc/shadow'))", "expect": "'refused'"},
        {"call": "attempt(lambda: os.listdir('/root'))", "expect": "'refused'"},
        {"call": "0 in (os.getuid(), os.geteuid(), os.getgid(), *os.getgroups())", "expect": "False"},
    ]
    assert graded(program, *tests) == (1, [])


@pytest.mark.once
@pytest.mark.parametrize("payload", ["", "{}", "[]", '{"tests": []}', '{"tests": [{"call": "1"}]}', "[" * 100_000])
def test_a_payload_without_tests_is_no_fault_of_the_program(payload: str) -> None:
    result = grader.result_of(grader.Job(1, "{}", RIGHT, payload))
    assert set(result) == {"correct", "msg"}
    assert "This submission cannot be graded" in "".join(ElementTree.fromstring(result["msg"]).itertext())


@pytest.mark.once
def test_this_machine_can_confine_programs() -> None:
    assert grader.cannot_confine() == ""


# Towards the server. ------------------------------------------------------------------------------------------------


class Running:
    """The grader as its author starts it: a process with an address, a name and a password."""

    def __init__(self, url: str, name: str, password: str) -> None:
        words = ["--url", url, "--name", name, "--queue", name]
        self.process = subprocess.Popen(
            [sys.executable, str(FILE), *words],
            env=os.environ | {"GRADER_PASSWORD": password},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.written = ""
        self.reading = threading.Thread(target=self._read)
        self.reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.written += line

    def wait_for(self, *words: str) -> None:
        """Until it has written all of these."""
        deadline = time.monotonic() + 60
        while not all(word in self.written for word in words):
            assert self.process.poll() is None, self.written
            assert time.monotonic() < deadline, self.written
            time.sleep(0.02)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code after this signal."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        code = self.process.wait(timeout=60)
        self.reading.join()
        return code


@pytest.fixture
def start() -> Iterator[type[Running]]:
    started: list[Running] = []

    class Noted(Running):
        def __init__(self, url: str, name: str, password: str) -> None:
            super().__init__(url, name, password)
            started.append(self)

    yield Noted
    for running in started:
        running.process.kill()
        running.ended()
        running.process.stderr.close()  # type: ignore[union-attr]


class Unreliable:
    """A network between grader and server that swallows what `loses` says: the request, or the answer to it."""

    def __init__(self, server: Server) -> None:
        self.loses: list[tuple[str, str]] = []
        self.passed: list[str] = []
        network = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                network.carry(self, server.url)

            do_GET = do_POST = handle_any  # noqa: N815 - http.server's own names

            def log_message(self, *_: object) -> None:
                pass

        self.listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.listening.server_port}"
        threading.Thread(target=self.listening.serve_forever, daemon=True).start()

    def carry(self, request: BaseHTTPRequestHandler, url: str) -> None:
        verb = request.path.partition("?")[0].strip("/").rpartition("/")[2]
        fate = next((lost for lost in self.loses if lost[0] == verb), None)
        if fate:
            self.loses.remove(fate)
        if fate == (verb, "request"):
            return
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        answer = requests.request(
            request.command, url + request.path, data=body, headers=headers, allow_redirects=False
        )
        self.passed.append(f"{verb} {answer.status_code}")
        if fate == (verb, "answer"):
            return
        request.send_response(503 if fate else answer.status_code)
        for name, value in answer.raw.headers.items():  # cookies one by one, not joined
            if name.lower() in ("content-type", "location", "set-cookie"):
                request.send_header(name, value)
        request.end_headers()
        request.wfile.write(answer.content)

    def stop(self) -> None:
        self.listening.shutdown()
        self.listening.server_close()


@pytest.fixture
def network(server: Server) -> Iterator[Unreliable]:
    made = Unreliable(server)
    yield made
    made.stop()


class Pauses(threading.Event):
    """Asked to stop after so many pauses; remembers them instead of waiting."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.taken: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.taken.append(timeout)
        if len(self.taken) == self.most:
            self.set()
        return self.is_set()


def enqueue(server: Server, name: str, program: str = RIGHT, payload: object = None) -> int:
    payload = json.dumps({"tests": DOUBLE}) if payload is None else payload
    (number,) = server.enqueue(
        {"queue_name": name, "answer": program, "grader_payload": payload, "student_id": f"{name}-{time.time()}"}
    )
    return number


def test_it_pulls_grades_and_answers(server: Server, name: str, start: type[Running]) -> None:
    running = start(server.url, name, server.grader(name))
    right, wrong = enqueue(server, name), enqueue(server, name, "def double(number): return 4")
    running.wait_for(f"submission {right}: 1.0", f"submission {wrong}: 0.5")
    assert running.end() == 0
    assert "submission_key" not in running.written
    rows = server.show(right, wrong)
    assert [(row["status"], row["points_earned"]) for row in rows] == [("retired", 1), ("retired", 0.5)]
    assert json.loads(rows[1]["grader_reply"]) == {
        "correct": False,
        "score": 0.5,
        "msg": "<div><p>1 of 2 tests passed.</p><ul><li><code>double(0)</code>: got 4, expected 0</li></ul></div>",
    }


@pytest.mark.once
def test_it_logs_in_again_when_its_session_is_over(server: Server, name: str, start: type[Running]) -> None:
    password = server.grader(name)
    running = start(server.url, name, password)
    running.wait_for(f"submission {enqueue(server, name)}: 1.0")
    # The same password, set anew: sessions carry a hash of it and end.
    server.run("grader", "password", name, "--password", password)
    running.wait_for(f"submission {enqueue(server, name)}: 1.0")
    assert running.end() == 0


@pytest.mark.once
def test_a_wrong_password_ends_it_with_a_sentence(server: Server, name: str, start: type[Running]) -> None:
    server.grader(name)
    running = start(server.url, name, "wrong")
    assert running.ended() == 1
    assert running.written.splitlines()[-1] == "grader: login: Incorrect login credentials (HTTP 401)"


@pytest.mark.once
@pytest.mark.parametrize("lost", ["request", "answer", "status"])
def test_a_result_whose_answer_was_lost_is_sent_again(
    server: Server, name: str, network: Unreliable, start: type[Running], lost: str
) -> None:
    network.loses = [("put_result", lost)]
    running = start(network.url, name, server.grader(name))
    job = enqueue(server, name)
    running.wait_for(f"submission {job}: 1.0")
    assert running.end() == 0
    assert running.written.count("the result is sent again") == 1
    # A lost request never arrives; after a lost answer the same result arrives twice, and is one.
    assert network.passed.count("put_result 200") == (1 if lost == "request" else 2)
    (row,) = server.show(job)
    assert (row["points_earned"], row["num_pulls"], row["num_failures"]) == (1, 1, 0)


@pytest.mark.once
def test_requests_that_go_astray_do_not_stop_it(
    server: Server, name: str, network: Unreliable, start: type[Running]
) -> None:
    network.loses = [("login", "request"), ("get_submission", "status"), ("get_submission", "answer")]
    running = start(network.url, name, server.grader(name))
    running.wait_for("asking again in 4 s")
    running.wait_for(f"submission {enqueue(server, name)}: 1.0")
    assert running.end() == 0


@pytest.mark.once
def test_it_asks_ever_more_rarely_while_nothing_waits(server: Server, name: str) -> None:
    pauses = Pauses(6)
    queue = grader.Queue(server.url, name, server.grader(name), name)
    grader.work(queue, pauses)
    assert pauses.taken == [0.5, 1, 2, 4, 4, 4]


@pytest.mark.once
def test_it_asks_ever_more_rarely_while_the_server_is_away() -> None:
    pauses = Pauses(10)
    grader.work(grader.Queue(f"http://127.0.0.1:{free_port()}", "name", "password", "queue"), pauses)
    assert pauses.taken == [1, 2, 4, 8, 16, 30, 60, 60, 60, 60]


@pytest.mark.once
def test_a_queue_that_it_may_not_pull_from_looks_empty(server: Server, name: str) -> None:
    server.grader(f"{name}-other", name)
    pauses = Pauses(2)
    grader.work(grader.Queue(server.url, name, server.grader(name), name), pauses)
    assert pauses.taken == [0.5, 1]


@pytest.mark.once
def test_a_payload_without_tests_comes_back_as_a_failure_of_the_grader(
    server: Server, name: str, start: type[Running]
) -> None:
    running = start(server.url, name, server.grader(name))
    without = enqueue(server, name, payload='{"tests": []}')
    running.wait_for(f"submission {without}: the result was refused")
    running.wait_for(f"submission {enqueue(server, name)}: 1.0")
    (row,) = server.show(without)
    assert (row["points_earned"], row["num_failures"] > 0) == (None, True)
    assert row["last_error"] == "The reply has no score."
    assert "the payload has no tests" in row["grader_reply"]


@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_finishes_the_job_in_hand(
    server: Server, name: str, start: type[Running], number: signal.Signals
) -> None:
    job, next_job = enqueue(server, name, "import time\ntime.sleep(1)\n" + RIGHT), enqueue(server, name)
    running = start(server.url, name, server.grader(name))
    running.wait_for(f"submission {job}: taken")
    assert running.end(number) == 0
    assert [row["status"] for row in server.show(job, next_job)] == ["retired", "pending"]


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_program_does_not_outlive_a_killed_grader(server: Server, name: str, start: type[Running]) -> None:
    job = enqueue(server, name, "import time\ntime.sleep(1000)")
    running = start(server.url, name, server.grader(name))
    running.wait_for(f"submission {job}: taken")
    programs: list[psutil.Process] = []
    while not programs:
        programs = psutil.Process(running.process.pid).children(recursive=True)
    running.process.kill()
    running.ended()
    gone, alive = psutil.wait_procs(programs, timeout=10)
    assert (len(gone), alive) == (1, [])


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_program_cannot_read_the_graders_password(server: Server, name: str, start: type[Running]) -> None:
    program = (
        "import os\n"
        "def look(file):\n"
        "    try: return open(f'/proc/{os.getppid()}/{file}', 'rb').read(10)\n"
        "    except PermissionError: return 'refused'\n"
    )
    tests = [{"call": f"look('{file}')", "expect": "'refused'"} for file in ("environ", "mem")]
    job = enqueue(server, name, program, json.dumps({"tests": tests}))
    start(server.url, name, server.grader(name)).wait_for(f"submission {job}: 1.0")
