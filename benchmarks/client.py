"""The load: graders that talk to a server over sockets, in a process of their own so that it can be measured.

``python -m benchmarks.client`` reads orders, one JSON object per line, and answers each with one JSON object:

    {"do": "login", "port": int, "queue": str, "names": [str], "password": str, "csrf": bool}
    {"do": "expect", "waiting": int}               a freshly filled queue with so many jobs
    {"do": "cycle", "seconds": float, "cycles": int}
    {"do": "poll", "seconds": float, "cycles": int, "path": str}     of a queue that is empty
    {"do": "submit", "seconds": float, "cycles": int, "files": int}   by platforms' accounts
    {"do": "close"}                                 all connections; what follows makes new ones
    {"do": "take", "seconds": float, "cycles": int}     claims alone, whose results are kept back ...
    {"do": "give", "seconds": float, "cycles": int}     ... and results alone

Plain sockets, a selector and the least of HTTP/1.1: the client must not be the bottleneck. It tells its own CPU time.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

HOST = "127.0.0.1"
LONGEST_WAIT = 120
"""After so long without any answer the server counts as dead (seconds)."""

CALLBACK = "https://platform.invalid/back"
ANSWER = ("def double(numbers):\n    return [2 * number for number in numbers]\n\n\n" * 30)[:2_000]
FILE = b"1 2 3 4\n" * 250
URLENCODED = "application/x-www-form-urlencoded"
BOUNDARY = "------------------------b0a1c2d3e4f5"
REPLY = json.dumps({"correct": True, "score": 0.7, "msg": "<p>7 of 10 tests passed</p>"})
HEADERS = (
    "User-Agent: python-requests/2.32\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n"
)
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
COOKIE = re.compile(rb"\r\nset-cookie: *([^=;\r]+)=([^;\r]*)", re.IGNORECASE)


class Unreadable(Exception):
    """The server closed the connection, or answered with what is no HTTP answer."""


@dataclass
class Answer:
    status: int
    head: bytes
    body: bytes

    def envelope(self) -> tuple[object, Any]:
        """The members return_code and content; (None, None) where the body is something else."""
        try:
            found = json.loads(self.body)
            return found["return_code"], found["content"]
        except (ValueError, KeyError, TypeError):
            return None, None


class Connection:
    """One grader's connection; made anew where the server closes it after each answer, as gunicorn's workers do."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket: socket.socket | None = None
        self.received = b""

    def send(self, request: bytes) -> None:
        if self.socket is None:
            self.socket = socket.create_connection((HOST, self.port), timeout=LONGEST_WAIT)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.socket.sendall(request)

    def receive(self) -> Answer | None:
        """What has come; None while it is not all there. Raises Unreadable."""
        assert self.socket is not None
        try:
            part = self.socket.recv(65536)
        except OSError as error:
            raise Unreadable(type(error).__name__) from error
        self.received += part
        head, found, body = self.received.partition(b"\r\n\r\n")
        length = CONTENT_LENGTH.search(head) if found else None
        whole = len(body) >= int(length[1]) if length else bool(found) and not part
        if not whole:
            if not part:
                raise Unreadable("closed without an answer")
            return None
        if not part or CLOSE.search(head):
            self.close()
        return Answer(int(head[9:12]), head, body)

    def exchange(self, request: bytes) -> Answer:
        """Send, and wait for the answer."""
        self.send(request)
        while (answer := self.receive()) is None:
            continue
        return answer

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = None


class Grader:
    """One account on one connection, with its requests ready to be sent."""

    def __init__(self, port: int, queue: str) -> None:
        self.connection = Connection(port)
        self.port, self.queue = port, queue
        self.cookies: dict[str, str] = {}
        self.sent_at = 0
        self.call = ""

    def login(self, name: str, password: str, *, csrf: bool) -> None:
        """As the newer watchers do where `csrf` is asked for: fetch the token first, send it back ever after."""
        if csrf:
            self._keep_cookies(self.connection.exchange(self._request("GET", "login/")))
        form = urlencode({"username": name, "password": password}).encode()
        answer = self.connection.exchange(self._request("POST", "login/", form))
        if answer.status != 200 or answer.envelope() != (0, "Logged in"):
            raise SystemExit(f"{name} could not log in: {answer.status} {answer.body!r}")
        self._keep_cookies(answer)
        self.poll = self._request("GET", f"get_submission/?queue_name={quote_plus(self.queue)}")

    def get_submission(self) -> None:
        self._begin("get_submission", self.poll)

    def put_result(self, header: str) -> None:
        form = urlencode({"xqueue_header": header, "xqueue_body": REPLY}).encode()
        self._begin("put_result", self._request("POST", "put_result/", form))

    def submit(self, attempt: str, files: int) -> None:
        header = {"lms_callback_url": CALLBACK, "lms_key": attempt, "queue_name": self.queue}
        info = json.dumps({"anonymous_student_id": attempt, "submission_time": "20261101120000"})
        body = {"student_info": info, "grader_payload": '{"grader": "ps1/grade.py"}', "student_response": ANSWER}
        fields = {"xqueue_header": json.dumps(header), "xqueue_body": json.dumps(body)}
        if files:
            form, kind = _parts(fields, files), f"multipart/form-data; boundary={BOUNDARY}"
        else:
            form, kind = urlencode(fields).encode(), URLENCODED
        self._begin("submit", self._request("POST", "submit/", form, kind))

    def ask(self, path: str) -> None:
        self._begin("get_submission", self._request("GET", path))

    def _begin(self, call: str, request: bytes) -> None:
        self.call = call
        self.sent_at = time.perf_counter_ns()
        self.connection.send(request)

    def _request(self, method: str, path: str, form: bytes | None = None, kind: str = URLENCODED) -> bytes:
        lines = [f"{method} /xqueue/{path} HTTP/1.1\r\nHost: {HOST}:{self.port}\r\n{HEADERS}"]
        if self.cookies:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()) + "\r\n")
        if form is not None:
            lines.append(f"Content-Type: {kind}\r\nContent-Length: {len(form)}\r\n")
            if "csrftoken" in self.cookies:
                lines.append(f"X-CSRFToken: {self.cookies['csrftoken']}\r\nReferer: http://{HOST}:{self.port}/\r\n")
        return "".join(lines).encode() + b"\r\n" + (form or b"")

    def _keep_cookies(self, answer: Answer) -> None:
        for name, value in COOKIE.findall(answer.head):
            self.cookies[name.decode()] = value.decode()


def _parts(fields: dict[str, str], files: int) -> bytes:
    """A form of several parts, with so many files."""
    parts = [f'form-data; name="{name}"\r\n\r\n'.encode() + text.encode() for name, text in fields.items()]
    names = [f"numbers-{number}.txt" for number in range(files)]
    parts += [f'form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode() + FILE for name in names]
    begin = f"--{BOUNDARY}\r\nContent-Disposition: ".encode()
    return b"".join(begin + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


@dataclass
class Tally:
    """What one run found."""

    cycles: int = 0
    duplicates: int = 0
    false_empties: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    calls: dict[str, list[int]] = field(default_factory=lambda: {"get_submission": [], "put_result": [], "submit": []})
    """Microseconds of each call that was answered as it should."""


class Load:
    """All graders of one server, driven by one loop."""

    def __init__(self) -> None:
        self.graders: list[Grader] = []
        self.delivered: set[int] = set()
        self.waiting = 0
        self.kept: list[str] = []
        """Headers of jobs whose results are kept back."""
        self.fetching = 0
        """How many get_submission are under way."""
        self.attempts = (f"{os.getpid()}-{number}" for number in itertools.count())
        self.path, self.files = "", 0

    def login(self, port: int, queue: str, names: list[str], password: str, csrf: bool) -> dict[str, Any]:
        for name in names:
            grader = Grader(port, queue)
            grader.login(name, password, csrf=csrf)
            self.graders.append(grader)
        return {}

    def expect(self, waiting: int) -> dict[str, Any]:
        self.delivered.clear()
        self.kept.clear()
        self.waiting = waiting
        return {}

    def poll(self, seconds: float, cycles: int = sys.maxsize, path: str = "") -> dict[str, Any]:
        """`path`: something else to ask for that is answered as an empty queue is."""
        self.path = path
        try:
            return self._measured("poll", seconds, cycles)
        finally:
            self.path = ""

    def submit(self, seconds: float, cycles: int, files: int) -> dict[str, Any]:
        self.files = files
        return self._measured("submit", seconds, cycles)

    def cycle(self, seconds: float, cycles: int) -> dict[str, Any]:
        return self._measured("cycle", seconds, cycles)

    def take(self, seconds: float, cycles: int) -> dict[str, Any]:
        return self._measured("take", seconds, cycles)

    def give(self, seconds: float, cycles: int) -> dict[str, Any]:
        return self._measured("give", seconds, cycles)

    def close(self) -> dict[str, Any]:
        for grader in self.graders:
            grader.connection.close()
        return {}

    def _measured(self, what: str, seconds: float, cycles: int) -> dict[str, Any]:
        self.tally, self.what = Tally(), what
        self.until, self.left = time.monotonic() + seconds, cycles
        self.close()  # idle since the round before; the server may have hung up
        wall, cpu = time.perf_counter(), time.process_time()
        self._loop()
        tally: dict[str, Any] = vars(self.tally) | {
            "elapsed": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
        }
        return tally | {"polls": sum(map(len, self.tally.calls.values()))}

    def _loop(self) -> None:
        with selectors.DefaultSelector() as selector:
            busy = {grader: self._register(selector, grader) for grader in self.graders if self._fetch(grader)}
            while busy:
                ready = selector.select(LONGEST_WAIT)
                if not ready:
                    self.tally.errors["no answer"] += len(busy)
                    return
                for key, _ in ready:
                    grader = key.data
                    before = grader.connection.socket
                    goes_on = self._hear(grader)
                    if before is not grader.connection.socket or not goes_on:
                        selector.unregister(busy.pop(grader))
                        if goes_on:
                            busy[grader] = self._register(selector, grader)

    @staticmethod
    def _register(selector: selectors.BaseSelector, grader: Grader) -> socket.socket:
        assert grader.connection.socket is not None
        selector.register(grader.connection.socket, selectors.EVENT_READ, grader)
        return grader.connection.socket

    def _fetch(self, grader: Grader) -> bool:
        """The next call of a cycle's beginning, unless the run is over."""
        if self.left <= 0 or time.monotonic() >= self.until:
            return False
        if self.what == "give" and not self.kept:
            return False
        self.left -= 1
        if self.what == "give":
            grader.put_result(self.kept.pop(0))
        elif self.what == "submit":
            grader.submit(next(self.attempts), self.files)
        elif self.path:
            self.fetching += 1
            grader.ask(self.path)
        else:
            self.fetching += 1
            grader.get_submission()
        return True

    def _hear(self, grader: Grader) -> bool:
        """Take in an answer and send what follows; False when this grader's run is over."""
        try:
            answer = grader.connection.receive()
        except Unreadable as error:
            grader.connection.close()
            answer = Answer(0, b"", str(error).encode())
        if answer is None:
            return True
        took = (time.perf_counter_ns() - grader.sent_at) // 1000
        self.fetching -= grader.call == "get_submission"
        if grader.call in ("put_result", "submit"):
            return self._after_post(grader, answer, took)
        return self._after_get(grader, answer, took)

    def _after_get(self, grader: Grader, answer: Answer, took: int) -> bool:
        code, content = answer.envelope()
        if answer.status == 200 and code == 0 and self.what != "poll":
            self.tally.calls["get_submission"].append(took)
            header = json.loads(content)["xqueue_header"]
            self._deliver(json.loads(header)["submission_id"])
            if self.what == "take":
                self.kept.append(header)
                return self._fetch(grader)
            grader.put_result(header)
            return True
        if answer.status == 200 and code == 1 and content == f"Queue '{grader.queue}' is empty":
            return self._after_empty(grader, took)
        self._error(grader, answer)
        return self._fetch(grader)

    def _after_empty(self, grader: Grader, took: int) -> bool:
        if self.what == "poll":
            self.tally.calls["get_submission"].append(took)
            return self._fetch(grader)
        # What others are just being given cannot be given here; what is left then, could.
        left = self.waiting - len(self.delivered) - self.fetching
        self.tally.false_empties += left > 0
        self.left += 1  # no cycle came of it
        return self.waiting > len(self.delivered) and self._fetch(grader)

    def _after_post(self, grader: Grader, answer: Answer, took: int) -> bool:
        code, content = answer.envelope()
        # A result is answered with nothing, a submission with how many jobs wait.
        if answer.status == 200 and code == 0 and bool(content) == (grader.call == "submit"):
            self.tally.calls[grader.call].append(took)
            self.tally.cycles += 1
        else:
            self._error(grader, answer)
        return self._fetch(grader)

    def _deliver(self, submission_id: int) -> None:
        self.tally.duplicates += submission_id in self.delivered
        self.delivered.add(submission_id)

    def _error(self, grader: Grader, answer: Answer) -> None:
        self.tally.errors[f"{grader.call}: {answer.status} {answer.body[:80].decode('utf-8', 'replace')}"] += 1


def take_orders(load: object) -> None:
    """Answer each line of standard input, until it ends."""
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(getattr(load, order.pop("do"))(**order)), flush=True)


if __name__ == "__main__":
    take_orders(Load())
