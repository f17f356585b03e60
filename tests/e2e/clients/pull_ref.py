"""The reference grader of 2013: logs in with every cycle, asks for the length first, writes the header anew."""

from __future__ import annotations

import json
from typing import Any

import requests

from tests.e2e.clients.course import reply_to

TIMEOUT = 60


class PullRef:
    def __init__(self, server: str, queue: str, name: str, password: str) -> None:
        self.server, self.queue, self.auth = server, queue, (name, password)
        self.http = requests.Session()
        self.logins = self.sent = 0

    def work(self) -> int:
        while self.cycle():
            pass
        return self.sent

    def cycle(self) -> bool:
        """One login, one look, one submission; False where the queue has none."""
        return self.look() and self.deliver(self.pulled())

    def look(self) -> bool:
        self.login()
        length = self.get("get_queuelen")
        assert length["return_code"] == 0, length
        return int(length["content"]) > 0

    def login(self) -> None:
        self.logins += 1
        self.http = requests.Session()
        fields = {"username": self.auth[0], "password": self.auth[1]}
        response = self.http.post(f"{self.server}/xqueue/login/", data=fields, timeout=TIMEOUT)
        assert response.json()["return_code"] == 0, response.text

    def get(self, endpoint: str) -> dict[str, Any]:
        address = f"{self.server}/xqueue/{endpoint}/"
        response = self.http.get(address, params={"queue_name": self.queue}, timeout=TIMEOUT)
        if response.status_code == 500:
            response = self.http.get(address.rstrip("/"), params={"queue_name": self.queue}, timeout=TIMEOUT)
        envelope: dict[str, Any] = response.json()
        return envelope

    def pulled(self) -> dict[str, str]:
        """What it is going to send back, once graded."""
        envelope = self.get("get_submission")
        assert envelope["return_code"] == 0, envelope
        parts = json.loads(envelope["content"])
        head = json.loads(parts["xqueue_header"])
        reply = reply_to(parts["xqueue_body"], json.loads(parts["xqueue_files"]))
        # Of the header, only these two come back.
        anew = {"submission_id": head["submission_id"], "submission_key": head["submission_key"]}
        return {"xqueue_header": json.dumps(anew), "xqueue_body": json.dumps({**reply, "grader_id": self.auth[0]})}

    def deliver(self, result: dict[str, str]) -> bool:
        """Whatever comes with a 200 counts as delivered, the page that a redirect leads to as well."""
        response = self.http.post(f"{self.server}/xqueue/put_result/", data=result, timeout=TIMEOUT)
        self.sent += response.status_code == 200
        return True
