"""A platform of the demonstration's own: the results of live jobs go there and nowhere else. It can be down."""

from __future__ import annotations

import base64
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Platform:
    """Listens on this machine alone, at a free port, until `close`."""

    def __init__(self) -> None:
        self.is_down = False
        self.told = 0
        self.secret = f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                platform.told += not platform.is_down
                self.send_response(503 if platform.is_down else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The demonstration's terminal is for what happens in it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/results"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
