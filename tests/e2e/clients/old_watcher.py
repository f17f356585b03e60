"""The watcher until mid-2026: no CSRF token ever, logs in again only when it is redirected."""

from __future__ import annotations

import json
from typing import Any

import requests

from tests.e2e.clients.course import reply_to

TIMEOUT = 1
FAILED = (False, "")


class OldWatcher:
    def __init__(self, server: str, queue: str, name: str, password: str) -> None:
        self.server, self.queue, self.auth = server, queue, (name, password)
        self.http = requests.Session()
        self.logins = self.dropped = self.sent = 0

    def work(self) -> int:
        """Log in, and grade until the queue is empty."""
        assert self.login()
        while self.process_one():
            pass
        return self.sent

    def login(self) -> bool:
        """The form, without a token, and without a time-out."""
        self.logins += 1
        fields = {"username": self.auth[0], "password": self.auth[1]}
        response = self.http.post(f"{self.server}/xqueue/login/", data=fields, allow_redirects=False)
        return response.status_code == 200 and bool(response.json()["return_code"] == 0)

    def process_one(self) -> bool:
        success, content = self.request("GET", "get_submission", params={"queue_name": self.queue, "block": "true"})
        if not success:
            return False
        parts = json.loads(content)
        # The header is never looked into; the files must be there, be it as {}.
        reply = reply_to(parts["xqueue_body"], json.loads(parts["xqueue_files"]))
        result = {"xqueue_header": parts["xqueue_header"], "xqueue_body": json.dumps(reply)}
        success, _ = self.request("POST", "put_result", data=result)
        # A result is sent once; nobody keeps what was refused.
        self.sent, self.dropped = self.sent + success, self.dropped + (not success)
        return True

    def request(self, method: str, endpoint: str, **fields: Any) -> tuple[bool, Any]:
        while True:
            try:
                response = self.http.request(
                    method, f"{self.server}/xqueue/{endpoint}/", timeout=TIMEOUT, allow_redirects=False, **fields
                )
            except requests.RequestException:
                return FAILED
            if response.status_code in (301, 302):
                if self.login():
                    continue
                return FAILED
            return understood(response)


def understood(response: requests.Response) -> tuple[bool, Any]:
    """Success and content; everything but a 200 with the envelope is a failure."""
    if response.status_code != 200:
        return FAILED
    try:
        envelope = response.json()
        return envelope["return_code"] == 0, envelope["content"]
    except (ValueError, KeyError, TypeError):
        return FAILED
