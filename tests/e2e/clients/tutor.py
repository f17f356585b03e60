"""A command line for people: logs in anew with each command, expects JSON always, sends the id as text."""

from __future__ import annotations

import json
from typing import Any

import requests

from tests.e2e.clients.course import reply_to


class Tutor:
    def __init__(self, server: str, queue: str, name: str, password: str) -> None:
        self.server, self.queue, self.auth = server, queue, (name, password)
        self.sent = 0

    def work(self) -> int:
        while self.count():
            shown = self.show()
            reply = reply_to(shown["body"], shown["files"])
            self.grade(str(shown["id"]), shown["key"], float(reply["score"]), reply["correct"], reply["msg"])
            self.sent += 1
        return self.sent

    def count(self) -> Any:
        return self.request("GET", "get_queuelen", params={"queue_name": self.queue})["content"]

    def show(self) -> dict[str, Any]:
        envelope = self.request("GET", "get_submission", params={"queue_name": self.queue})
        parts = json.loads(envelope["content"])
        head = json.loads(parts["xqueue_header"])
        files = json.loads(parts["xqueue_files"])
        # A relative address would be one below the server's.
        addresses = {
            name: value if value.startswith("http") else f"{self.server}/{value}" for name, value in files.items()
        }
        return {
            "id": head["submission_id"],
            "key": head["submission_key"],
            "body": parts["xqueue_body"],
            "files": addresses,
        }

    def grade(self, submission_id: str, key: str, score: float, correct: bool, message: str) -> None:
        result = {
            "xqueue_header": json.dumps({"submission_id": submission_id, "submission_key": key}),
            "xqueue_body": json.dumps({"correct": correct, "score": score, "msg": message}),
        }
        assert self.request("POST", "put_result", data=result) == {"return_code": 0, "content": ""}

    def request(self, method: str, endpoint: str, **fields: Any) -> Any:
        http = requests.Session()
        credentials = {"username": self.auth[0], "password": self.auth[1]}
        login = http.post(f"{self.server}/xqueue/login/", data=credentials, timeout=10)
        assert login.json()["content"] == "Logged in", login.text
        return http.request(method, f"{self.server}/xqueue/{endpoint}/", timeout=10, **fields).json()
