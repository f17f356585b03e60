"""HTTP as a small grader speaks it: one connection, kept alive, and one session."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode

TIMEOUT = 2.0
# A login computes a slow hash on the server. Who gives up early and asks again makes it compute two of them.
LOGIN_TIMEOUT = 60.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class AnswerLost(Exception):
    """The request may or may not have arrived; its answer did not."""


@dataclass(frozen=True)
class Answer:
    status: int
    return_code: int | None
    content: str


class Wire:
    def __init__(self, port: int, name: str, password: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self.account = {"username": name, "password": password}
        self.session = ""

    def login(self) -> Answer:
        """Raises AnswerLost."""
        self.session = ""
        return self._exchange("POST", "/xqueue/login/", urlencode(self.account), LOGIN_TIMEOUT)

    def poll(self, queue: str) -> Answer:
        """Raises AnswerLost."""
        return self._exchange("GET", f"/xqueue/get_submission/?queue_name={quote(queue)}")

    def put(self, header: str, body: str) -> Answer:
        """Raises AnswerLost."""
        return self._exchange("POST", "/xqueue/put_result/", urlencode({"xqueue_header": header, "xqueue_body": body}))

    def _exchange(self, method: str, path: str, body: str | None = None, timeout: float = TIMEOUT) -> Answer:
        headers = FORM if body is not None else {}
        if self.session:
            headers = headers | {"Cookie": f"sessionid={self.session}"}
        try:
            self._wait_at_most(timeout)
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            text = response.read().decode()
            answer = _understood(response.status, text)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.connection.close()
            raise AnswerLost(repr(error)) from error
        self._keep_session(response)
        return answer

    def _wait_at_most(self, seconds: float) -> None:
        self.connection.timeout = seconds
        if self.connection.sock is not None:
            self.connection.sock.settimeout(seconds)

    def _keep_session(self, response: http.client.HTTPResponse) -> None:
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, rest = cookie.partition("=")
            if name == "sessionid":
                self.session = rest.partition(";")[0]


def _understood(status: int, text: str) -> Answer:
    """Raises ValueError where the text is cut short; every answer of the service is the JSON envelope."""
    envelope = json.loads(text)
    return Answer(status, envelope["return_code"], str(envelope["content"]))
