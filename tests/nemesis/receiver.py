"""The platform's ear: it is told of each result by webhook, and writes down what it heard and what it answered."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.nemesis.journal import Acknowledged, Journal, Told

LATE = 8.0  # longer than the sender waits (`settings.py`; seconds)
SLOW = 2.0  # and shorter than that


class Receiver:
    """Listens on 127.0.0.1 from `with` to its end."""

    secret = "whsec_" + base64.b64encode(b"nemesis." * 4).decode()
    """What the service signs with; nothing here depends on it."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal(path)
        self.pause = 0.0
        """How long an answer takes from now on (seconds)."""
        self.http = self._listen(0)
        self.port = self.http.server_port
        self.url = f"http://127.0.0.1:{self.port}/results"

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._hang_up()

    def go_down(self, seconds: float) -> None:
        """Nobody listens; what came before is still answered."""
        self._hang_up()
        time.sleep(seconds)
        self.http = self._listen(self.port)

    def be_slow(self, pause: float, seconds: float) -> None:
        """Whoever tells something in these seconds waits for so long."""
        self.pause = pause
        time.sleep(seconds)
        self.pause = 0.0

    def _listen(self, port: int) -> ThreadingHTTPServer:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._hear(self)

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None: ...  # its sender was killed, or did not wait

        http = Server(("127.0.0.1", port), Handler)
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        return http

    def _hang_up(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def _hear(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers["Content-Length"])
        body = request.rfile.read(length)
        if len(body) < length:
            return  # its sender was killed
        told = json.loads(body)["data"]
        pause = self.pause
        self.journal.write(Told(time.time(), told["submission_id"], told["points_earned"]))
        time.sleep(pause)
        request.send_response(204)
        request.end_headers()
        # With LATE, nobody was there any more to read it.
        if pause < LATE:
            self.journal.write(Acknowledged(time.time(), told["submission_id"], told["points_earned"]))
