"""HTTP as a small grader speaks it: one connection, kept alive, and one session."""

from __future__ import annotations

import hashlib
import http.client
import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

TIMEOUT = 2.0
# A login computes a slow hash on the server. Who gives up early and asks again makes it compute two of them.
LOGIN_TIMEOUT = 60.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class AnswerLost(Exception):
    """The request may or may not have arrived; its answer did not. `gave_up`: nobody waited any longer for it."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(repr(reason))
        self.gave_up = isinstance(reason, TimeoutError)


@dataclass(frozen=True)
class Answer:
    status: int
    return_code: int | None
    content: str


class Wire:
    def __init__(self, port: int, name: str, password: str, patience: float = TIMEOUT) -> None:
        """`patience`: how long it waits for an answer (seconds)."""
        self.port, self.patience = port, patience
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
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

    def fetch(self, address: str) -> tuple[int, str]:
        """The status of a file's address, and the SHA-256 of what came. Raises AnswerLost."""
        parts = urlsplit(address)
        try:
            response, body = self._bare("GET", f"{parts.path}?{parts.query}", None, {}, self.patience)
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise AnswerLost(error) from error
        return response.status, hashlib.sha256(body).hexdigest()

    def twin(self) -> Wire:
        """Another connection of the same session."""
        twin = Wire(self.port, self.account["username"], self.account["password"], self.patience)
        twin.session = self.session
        return twin

    def _exchange(self, method: str, path: str, body: str | None = None, timeout: float | None = None) -> Answer:
        headers = FORM if body is not None else {}
        if self.session:
            headers = headers | {"Cookie": f"sessionid={self.session}"}
        try:
            response, text = self._bare(method, path, body, headers, timeout or self.patience)
            answer = _understood(response.status, text.decode())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.connection.close()
            raise AnswerLost(error) from error
        self._keep_session(response)
        return answer

    def _bare(
        self, method: str, path: str, body: str | None, headers: dict[str, str], seconds: float
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._wait_at_most(seconds)
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response, response.read()

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
