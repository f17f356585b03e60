#!/usr/bin/env python3
"""A grader for Python programs: pulls from a queue over HTTP, runs, tests, answers. Copy it and change what you like.

    gradequeue grader create NAME            # prints the password
    export GRADER_PASSWORD=...
    python3 grader.py --url http://127.0.0.1:8000 --name NAME --queue QUEUE

One file; it needs Python 3.11 on Linux, an address, a name and a password, no package, and nothing of the server.

What to test travels with each submission, in `grader_payload`, as JSON:

    {"tests": [{"call": "double(2)", "expect": "4"}, {"call": "greet('Åsa')", "expect": "Hello, Åsa!"}],
     "prelude": "import math"}

`prelude` (optional) runs before the program. Each `call` is evaluated, and its value compared with `expect` by ==.
Where `expect` is no Python literal, what was printed is compared; `"prints": "42"` in its place says so outright.

How a program is held: a process of its own with an empty environment in an empty folder, limits on processor time,
real time, memory, output, files and processes (LIMITS below), and, where the grader runs as root, a user of its own.
It is told the calls but never the answers, and its values are compared out here: it cannot forge a verdict, it would
have to know the answer.

That stops accidents and pranks; it is no wall. A program can still use the network and read what its user may read,
and where the grader does not run as root, it can kill the grader (the queue then hands the job to another one).
A grader for strangers' programs belongs in a container without a network.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import ctypes
import html
import inspect
import itertools
import json
import logging
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from dataclasses import dataclass
from http.client import HTTPException
from types import FrameType
from typing import Any

LIMITS = {
    "cpu": 3,  # seconds of processor time, each process
    "memory": 1024**3,  # bytes of address space
    "file": 1024**2,  # bytes in each file that it writes
    "files": 32,  # open at once
    "value": 64 * 1024,  # characters in the text of one value
}
CALL_SECONDS = 10  # real time for one call, also for loading: whoever sleeps uses no processor time
ATTEMPT_SECONDS = 240  # real time for all tests of one submission; must be well below the queue's lease
OUTPUT = 64 * 1024  # bytes printed by one call
REQUEST_SECONDS = 10
# Pauses (seconds) between asking again: while nothing waits, and while the server fails.
IDLE_PAUSES = (0.5, 1, 2, 4)
FAILURE_PAUSES = (1, 2, 4, 8, 16, 30, 60, 60, 60)

log = logging.getLogger("grader")


# The queue. ---------------------------------------------------------------------------------------------------------


class Trouble(Exception):
    """No usable answer: a time-out, a refused connection, a failing server. It passes; ask again later."""


class Refused(Exception):
    """The queue understood, and said no. Asked again it would say the same."""


class WrongPassword(Exception):
    """The queue does not know this name with this password."""


@dataclass(frozen=True)
class Job:
    submission_id: object  # for the log
    header: str  # goes back with the result, untouched
    program: str
    payload: str


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """302 means "log in first". Whoever follows it loses the request that it was the answer to."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Queue:
    """A grader's side of the XQueue protocol: login, get_submission, put_result."""

    def __init__(self, url: str, name: str, password: str, queue_name: str) -> None:
        self.url = url.rstrip("/")
        self.queue_name = queue_name
        self.credentials = {"username": name, "password": password}
        self.opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPCookieProcessor())

    def log_in(self) -> None:
        status, reply = self._send("login/", self.credentials)
        if status != 200:
            raise WrongPassword(f"login: {reply['content']} (HTTP {status})")

    def next_job(self) -> Job | None:
        """A job, ours until its lease ends; None where nothing waits."""
        reply = self._ask(f"get_submission/?{urllib.parse.urlencode({'queue_name': self.queue_name})}")
        if reply["return_code"] != 0:
            log.debug("%s", reply["content"])
            return None
        try:
            content = json.loads(reply["content"])
            body = json.loads(content["xqueue_body"])
            header = content["xqueue_header"]
            number = json.loads(header)["submission_id"]
            return Job(number, header, str(body["student_response"]), str(body["grader_payload"]))
        except (ValueError, TypeError, KeyError) as error:
            raise Refused(f"get_submission: not a job: {error!r}") from error

    def put_result(self, job: Job, result: dict[str, Any]) -> None:
        """After Trouble send it again: the same result twice is one result."""
        self._ask("put_result/", {"xqueue_header": job.header, "xqueue_body": json.dumps(result)})

    def _ask(self, path: str, fields: dict[str, str] | None = None) -> dict[str, Any]:
        """The reply, logged in if need be. Raises Trouble, Refused, WrongPassword."""
        status, reply = self._send(path, fields)
        if status in (301, 302, 401, 403):
            self.log_in()
            status, reply = self._send(path, fields)
        if status != 200:
            raise Refused(f"{path.partition('/')[0]}: {reply['content']} (HTTP {status})")
        return reply

    def _send(self, path: str, fields: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        try:
            try:
                with self.opener.open(f"{self.url}/xqueue/{path}", data, timeout=REQUEST_SECONDS) as answer:
                    status, body = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                status, body = error.code, error.read()
        except (OSError, HTTPException) as error:
            raise Trouble(f"{self.url}: {error}") from error
        try:
            reply = json.loads(body)
            if status < 500 and status != 429 and {"return_code", "content"} <= reply.keys():
                return status, reply
        except (ValueError, AttributeError):
            pass
        raise Trouble(f"{self.url}: HTTP {status}")


# The loop. ----------------------------------------------------------------------------------------------------------


def work(queue: Queue, stop: threading.Event) -> None:
    """Pull, grade, answer, until `stop` is set; the job in hand is finished first. Raises WrongPassword."""
    idle = failing = 0
    while not stop.is_set():
        try:
            job = queue.next_job()
            failing = 0
        except (Trouble, Refused) as error:
            pause = FAILURE_PAUSES[min(failing, len(FAILURE_PAUSES) - 1)]
            log.warning("%s; asking again in %s s", error, pause)
            failing += 1
            stop.wait(pause)
            continue
        if job is None:
            stop.wait(IDLE_PAUSES[min(idle, len(IDLE_PAUSES) - 1)])
            idle += 1
        else:
            idle = 0
            log.info("submission %s: taken", job.submission_id)
            deliver(queue, job, result_of(job), stop)


def deliver(queue: Queue, job: Job, result: dict[str, Any], stop: threading.Event) -> None:
    """Send the result until it is answered. What cannot be delivered is lost here, but not in the queue: it hands the
    job out again when the lease is over."""
    for pause in (*FAILURE_PAUSES, None):
        try:
            queue.put_result(job, result)
            log.info("submission %s: %s", job.submission_id, result.get("score", "not graded"))
            return
        except Refused as error:
            log.error("submission %s: the result was refused: %s", job.submission_id, error)
            return
        except Trouble as error:
            log.warning("submission %s: %s; the result is sent again", job.submission_id, error)
        if pause is None or (stop.is_set() and pause > 2):  # asked to stop, it still tries for a few seconds
            break
        if stop.is_set():
            time.sleep(pause)
        else:
            stop.wait(pause)
    log.error("submission %s: the result could not be delivered", job.submission_id)


def result_of(job: Job) -> dict[str, Any]:
    """What put_result takes. A result without a score says that the *grader* failed: the learner is not to blame for
    a payload without tests, the queue tries again later and in the end asks an operator."""
    try:
        return grade(job.program, job.payload)
    except Exception as error:  # one job must never stop the grader
        log.exception("submission %s cannot be graded", job.submission_id)
        return {"correct": False, "msg": f"<p>This submission cannot be graded: {xml(str(error) or repr(error))}</p>"}


# Grading. -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Test:
    call: str
    expect: str
    printed: bool  # compare what was printed, not the value


@dataclass(frozen=True)
class Outcome:
    passed: bool
    note: str = ""  # why not


def grade(program: str, payload: str) -> dict[str, Any]:
    """score (0 to 1), correct, msg (well-formed XML). Raises ValueError for a payload without usable tests."""
    tests, prelude = parsed(payload)
    outcomes = run(tests, prelude, program)
    passed = sum(outcome.passed for outcome in outcomes)
    return {"correct": passed == len(tests), "score": passed / len(tests), "msg": message(tests, outcomes)}


def parsed(payload: str) -> tuple[list[Test], str]:
    try:
        found = json.loads(payload)
        tests = [_test(one) for one in found["tests"]]
        prelude = str(found.get("prelude", ""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"the payload is not as expected: {error!r}") from error
    if not tests:
        raise ValueError("the payload has no tests")
    return tests, prelude


def _test(one: dict[str, str]) -> Test:
    expect = one["prints"] if "prints" in one else one["expect"]
    return Test(str(one["call"]).strip(), str(expect), "prints" in one or not _is_literal(str(expect)))


def run(tests: list[Test], prelude: str, program: str) -> list[Outcome]:
    """One process for all tests; where a test kills it, a new one for the rest."""
    outcomes: list[Outcome] = []
    deadline = time.monotonic() + ATTEMPT_SECONDS
    while len(outcomes) < len(tests):
        with Process(deadline) as process:
            try:
                fault = process.ask({"prelude": prelude, "program": program}).get("error")
            except Ended as end:
                fault = str(end)
            if fault:
                return outcomes + [Outcome(False, f"loading the program: {fault}")] * (len(tests) - len(outcomes))
            outcomes += _run_in(process, tests[len(outcomes) :])
    return outcomes


def _run_in(process: Process, tests: list[Test]) -> list[Outcome]:
    """The outcomes until all are done, or the process is over."""
    done: list[Outcome] = []
    used = 0.0
    for test in tests:
        try:
            answer = process.ask({"call": test.call})
        except Ended as end:
            # Where the tests before it used up a good part of the time, it gets a second chance in the next process.
            return done if done and used > LIMITS["cpu"] / 4 else [*done, Outcome(False, str(end))]
        used = _seconds(answer.get("used"))
        done.append(judged(test, answer))
    return done


def _seconds(used: object) -> float:
    return used if isinstance(used, float) else 0.0


def judged(test: Test, answer: dict[str, Any]) -> Outcome:
    if "error" in answer:
        return Outcome(False, str(answer["error"]))
    if test.printed:
        printed = str(answer["printed"])
        note = f"printed {short(repr(printed))}, expected {short(repr(test.expect))}"
        return Outcome(_lines(printed) == _lines(test.expect), note)
    value = str(answer.get("value"))
    return Outcome(_equal(value, test.expect), f"got {short(value)}, expected {short(test.expect)}")


def _equal(value: str, expect: str) -> bool:
    return _is_literal(value) and bool(_literal(value) == _literal(expect))


def _literal(text: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.literal_eval(text.strip())


def _is_literal(text: str) -> bool:
    try:
        _literal(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


# What the student reads. --------------------------------------------------------------------------------------------


def message(tests: list[Test], outcomes: list[Outcome], most: int = 10) -> str:
    """Well-formed XML, whatever the program sent."""
    passed = sum(outcome.passed for outcome in outcomes)
    failed = [(outcome.note, test.call) for test, outcome in zip(tests, outcomes, strict=True) if not outcome.passed]
    items = [_item(note, [call for _, call in group]) for note, group in itertools.groupby(failed, lambda one: one[0])]
    if len(items) > most:
        items[most:] = [f"<li>and {len(items) - most} more</li>"]
    listed = f"<ul>{''.join(items)}</ul>" if items else ""
    return f"<div><p>{passed} of {len(tests)} tests passed.</p>{listed}</div>"


def _item(note: str, calls: list[str]) -> str:
    where = f"<code>{xml(short(calls[0]))}</code>" + (f" and {len(calls) - 1} more" if len(calls) > 1 else "")
    return f"<li>{where}: {xml(note)}</li>"


def short(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def xml(text: str) -> str:
    """Escaped, and without the characters that XML cannot hold."""
    return html.escape(re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text))


# A program in a process of its own. ---------------------------------------------------------------------------------


class Ended(Exception):
    """The process is over before it answered; the message says why."""


class Process:
    """Holds a program: tells it what to do, one line of JSON each, and reads what it answers and prints."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline  # of time.monotonic()

    def __enter__(self) -> Process:
        user = 20_000 + os.getpid() % 40_000 if os.geteuid() == 0 else 0
        self.folder = tempfile.TemporaryDirectory(prefix="grader-", ignore_cleanup_errors=True)
        os.chown(self.folder.name, user or -1, user or -1)
        self.line, theirs = socket.socketpair()
        # -I -S: neither the environment, the user's packages nor the working directory; and it starts in 10 ms.
        python = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", INSIDE]
        with theirs:
            self.process = subprocess.Popen(
                [*python, str(theirs.fileno()), str(user), str(os.getpid()), json.dumps(LIMITS)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={},
                cwd=self.folder.name,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        self.output = self.process.stdout.fileno()
        os.set_blocking(self.output, False)
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()
        self.line.close()
        self.process.stdout.close()  # type: ignore[union-attr]
        self.folder.cleanup()

    def ask(self, request: dict[str, str]) -> dict[str, Any]:
        """The answer, with what was printed meanwhile as `printed`. Raises Ended."""
        printed = bytearray()
        answer = self._exchange(json.dumps(request).encode() + b"\n", printed)
        self._read_output(printed)  # what stands before the answer was written before it
        try:
            return {**json.loads(answer), "printed": printed.decode(errors="replace")}
        except (ValueError, TypeError, RecursionError):
            raise Ended("it wrote into the grader's own channel") from None

    def _exchange(self, request: bytes, printed: bytearray) -> bytes:
        answer = b""
        end = min(time.monotonic() + CALL_SECONDS, self.deadline)
        with selectors.DefaultSelector() as ready:
            ready.register(self.line, selectors.EVENT_READ)
            ready.register(self.output, selectors.EVENT_READ)
            self._tell(request)
            while not answer.endswith(b"\n"):
                if (left := end - time.monotonic()) <= 0:
                    raise Ended(f"it was not done after {CALL_SECONDS} seconds")
                for key, _ in ready.select(left):
                    if key.fileobj is self.line:
                        answer += self._read_answer(len(answer))
                    elif not self._read_output(printed):
                        ready.unregister(self.output)
        return answer

    def _tell(self, request: bytes) -> None:
        self.line.settimeout(CALL_SECONDS)
        with contextlib.suppress(OSError):  # it is over: reading finds out why
            self.line.sendall(request)

    def _read_answer(self, so_far: int) -> bytes:
        try:
            data = self.line.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise Ended(self._why())
        if so_far > 16 * LIMITS["value"]:
            raise Ended("it wrote into the grader's own channel")
        return data

    def _read_output(self, printed: bytearray) -> bool:
        """Whether there may be more later. Raises Ended when it is too much."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.output, 65536):
                printed += data
                if len(printed) > OUTPUT:
                    raise Ended(f"it printed more than {OUTPUT // 1024} kB")
            return False
        return True

    def _why(self) -> str:
        try:
            code = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "it closed the grader's own channel"
        if code == -signal.SIGXCPU:
            return f"it used more than {LIMITS['cpu']} seconds of processor time"
        if code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        return f"it ended the whole process (exit status {code})"

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


# Inside that process: a fresh interpreter runs the source of the next functions (INSIDE). They stand on their own. ---


def confine(user: int, grader: int, limits: dict[str, int]) -> None:
    """Give up rights for good, before a line of the program is run."""
    import ctypes
    import os
    import resource
    import sys

    if user:
        # Root's Python may lie in root's own folder: its modules stay in reach through what is opened now.
        packages = [module.__path__ for module in sys.modules.values() if hasattr(module, "__path__")]
        for places in (sys.path, *packages):
            opened = [os.open(place, os.O_RDONLY) for place in places if os.path.isdir(place)]
            places[:] = [f"/proc/self/fd/{place}" for place in opened]
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        libc.prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG: SIGKILL when the grader is gone
        if os.getppid() != grader:  # it went before that
            os._exit(1)
    # SIGXCPU at the soft limit tells this end from others; who ignores it meets the hard one.
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu"], limits["cpu"] + 1))
    # Of all processes of the user, who has one already: no fork, no thread.
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file"], limits["file"]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits["files"], limits["files"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "darwin":  # which knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))


def described(error: BaseException) -> str:
    """Its class, message and line in the program, in one line."""
    line, step = getattr(error, "lineno", None), error.__traceback__
    while step:
        if step.tb_frame.f_code.co_filename == "program.py":
            line = step.tb_lineno
        step = step.tb_next
    try:
        text = str(getattr(error, "msg", error))[:500]
    except BaseException:  # its own __str__, which may do anything
        text = ""
    hints = {
        "BlockingIOError": "a program may not start processes or threads",
        "EOFError": "there is no input to read",
        "MemoryError": "a program may not use so much memory",
    }
    hint = hints.get(type(error).__name__)
    return (
        (f"line {line}: " if line else "")
        + type(error).__name__
        + (f": {text}" if text else "")
        + (f" ({hint})" if hint else "")
    )


def plain(value: Any) -> Any:
    """A Counter is equal to a dict and a named tuple to a tuple, so they are shown as such, whatever their repr."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in dict.items(value)}
    for many in (list, tuple, set):
        if isinstance(value, (many, frozenset) if many is set else many):
            return many([plain(one) for one in value])
    for single in (bool, int, float, str):
        if isinstance(value, single):
            return single(value)
    return value


def answered(request: dict[str, str], names: dict[str, object], limits: dict[str, int]) -> dict[str, object]:
    """Load a program into `names`, or evaluate a call there."""
    try:
        if "call" not in request:
            exec(compile(request["prelude"], "prelude.py", "exec"), names)
            exec(compile(request["program"], "program.py", "exec"), names)
            return {}
        value = repr(plain(eval(compile(request["call"], "call", "eval"), names)))
    except BaseException as error:  # also SystemExit, and whatever else a program raises
        return {"error": described(error)}
    return {"value": value} if len(value) <= limits["value"] else {"error": "the value is too large to compare"}


def inside(line: int, user: int, grader: int, limits: dict[str, int]) -> None:
    """Answer the requests that come in at the socket `line`, until it is closed."""
    import json
    import sys
    import time
    import types

    # Held here, out of the way of a program that puts its own in their place.
    out, clock, loads, dumps = sys.stdout, time.process_time, json.loads, json.dumps
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    with open(line, "rb", closefd=False) as requests, open(line, "wb", closefd=False) as answers:
        confine(user, grader, limits)
        for request in requests:
            answer = answered(loads(request), module.__dict__, limits)
            for stream in (out, sys.stdout):
                try:
                    stream.flush()
                except Exception:  # the program closed or replaced it
                    continue
            answers.write(dumps({**answer, "used": clock()}).encode() + b"\n")
            answers.flush()


INSIDE = "\n".join(
    (
        "from __future__ import annotations\nimport json, sys",
        *(inspect.getsource(function) for function in (confine, described, plain, answered, inside)),
        "inside(*map(int, sys.argv[1:4]), json.loads(sys.argv[4]))",
    )
)


# The command. -------------------------------------------------------------------------------------------------------


def cannot_confine() -> str:
    """Why this machine must not run students' programs; empty where it may: asked of a program that forks."""
    if os.name != "posix":
        return "processes cannot be limited here; use Linux"
    tests = [Test("1 + 1", "2", printed=False), Test("__import__('os').fork()", "0", printed=False)]
    sums, fork = run(tests, "", "")
    if not sums.passed:
        return f"a program could not be run: {sums.note}"
    return "" if "BlockingIOError" in fork.note else f"a program could start processes: {fork.note}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Grade Python programs from a queue. The password: GRADER_PASSWORD.")
    parser.add_argument("--url", required=True, help="the server, such as http://127.0.0.1:8000")
    parser.add_argument("--name", required=True, help="the grader's account")
    parser.add_argument("--queue", required=True, help="the queue to pull from")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    password = os.environ.get("GRADER_PASSWORD")
    if not password:
        parser.error("GRADER_PASSWORD is not set")
    if why := cannot_confine():
        sys.exit(f"grader: {why}")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: programs of the same user cannot read our password
    stop = threading.Event()

    def end(signum: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(signum, signal.SIG_DFL)  # a second one ends it at once

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    queue = Queue(options.url, options.name, password, options.queue)
    try:
        work(queue, stop)
    except WrongPassword as error:
        sys.exit(f"grader: {error}")


if __name__ == "__main__":
    main()
