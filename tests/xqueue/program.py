"""A grader's program of the simplest kind, for tests over a real socket."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from tests.server import Server

Answer = tuple[int, dict[str, Any]]
OK: Answer = (200, {"return_code": 0, "content": ""})
LOGGED_IN: Answer = (200, {"return_code": 0, "content": "Logged in"})
FORM = "application/x-www-form-urlencoded"


@dataclass
class Program:
    """A client made of nothing but Python's http.client: it reads no answer before it has sent all."""

    server: Server
    cookie: str = ""
    kind: str = ""
    """The type of the last reply."""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent["Cookie"] = self.cookie
        try:
            connection.putrequest(method, path)
            chunked = body is not None and not isinstance(body, bytes | str)
            text = body.encode() if isinstance(body, str) else body
            if chunked:
                sent["Transfer-Encoding"] = "chunked"
            elif text is not None:
                sent["Content-Length"] = str(len(text))
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders(text, encode_chunked=chunked)
            response = connection.getresponse()
            found = response.read()
            self.kind = response.headers.get("Content-Type", "")
            for cookie in response.headers.get_all("Set-Cookie") or []:
                if cookie.startswith("sessionid="):
                    self.cookie = cookie.partition(";")[0]
            return response.status, json.loads(found)
        finally:
            connection.close()

    def claim(self, queue: str) -> dict[str, Any]:
        """The header of the queue's next job, and the rest."""
        status, told = self.ask("GET", f"/xqueue/get_submission/?queue_name={queue}")
        assert (status, told["return_code"]) == (200, 0), told
        work: dict[str, Any] = json.loads(told["content"])
        return work

    def put(self, header: str, reply: str) -> Answer:
        return self.ask("POST", "/xqueue/put_result/", json.dumps({"xqueue_header": header, "xqueue_body": reply}))
