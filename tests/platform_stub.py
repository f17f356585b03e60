"""A platform that is called back: a real HTTP server on threads, which can be slow, broken, hostile, or down.

    with Platform() as platform:
        platform.answer = lambda call: 500 if random.random() < 0.3 else 200
        ...
        platform.calls  # what arrived, in order

`answer` gets each Call and returns a status, a `Reply`, or a function that does what it likes with the socket.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Call:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    """time.monotonic() when it was complete."""
    status: int | None = None
    """How it was answered; None by a function of one's own."""

    @property
    def form(self) -> dict[str, str]:
        fields = parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=True)
        return {name: values[0] for name, values in fields.items()}

    @property
    def header(self) -> Any:
        """What the platform had sent with the submission."""
        return json.loads(self.form["xqueue_header"])

    @property
    def reply(self) -> Any:
        """The grader's reply."""
        return json.loads(self.form["xqueue_body"])


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: float = 0.0
    """Seconds."""


Answer = int | Reply | Callable[[BaseHTTPRequestHandler], None]


class Platform:
    """Listens from `start` (or `with`) on; `stop` and `start` again use the same port."""

    def __init__(self, certificate: ssl.SSLContext | None = None) -> None:
        self.answer: Callable[[Call], Answer] = lambda call: 200
        self.calls: list[Call] = []
        self.port = 0
        self._certificate = certificate
        self._server: ThreadingHTTPServer | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http{'s' if self._certificate else ''}://127.0.0.1:{self.port}"

    @property
    def done(self) -> list[Call]:
        """The calls that were answered with 200."""
        return [call for call in self.calls if call.status == 200]

    def start(self) -> Platform:
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        if self._certificate is not None:
            # The handshake is made by the thread of the connection: it may fail, or hang.
            self._server.socket = self._certificate.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Nothing listens there any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Platform:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self, calls: int, seconds: float = 60) -> list[Call]:
        """The calls that were answered with 200, once there are so many."""
        deadline = time.monotonic() + seconds
        while len(self.done) < calls:
            assert time.monotonic() < deadline, f"{len(self.done)} of {calls} results arrived"
            time.sleep(0.02)
        return self.done

    def note(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Who closes in the middle of things is part of the test."""


def _handler(platform: Platform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(self.path, dict(self.headers.items()), body, time.monotonic())
            answer = platform.answer(call)
            if callable(answer):
                platform.note(call)
                self.close_connection = True
                answer(self)
                return
            reply = Reply(answer) if isinstance(answer, int) else answer
            time.sleep(reply.after)
            platform.note(Call(call.path, call.headers, body, call.at, reply.status))
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
