"""The platform's ear: it is told of each result by webhook, and writes it down before it answers."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.nemesis.journal import Journal, Told


class Receiver:
    """Listens on 127.0.0.1 from `with` to its end."""

    secret = "whsec_" + base64.b64encode(b"nemesis." * 4).decode()
    """What the service signs with; nothing here depends on it."""

    def __init__(self, path: Path) -> None:
        journal = Journal(path)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # its sender was killed
                told = json.loads(body)["data"]
                journal.write(Told(time.time(), told["submission_id"], told["points_earned"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/results"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
