"""A framework of workers: pulls as many at once as the queue is long, follows redirects, knows replies by text."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.e2e.clients.course import reply_to

TIMEOUT = 10


class Failure(Exception):
    """A reply that this client has no use for."""


class Bux:
    def __init__(self, server: str, queue: str, name: str, password: str) -> None:
        self.server, self.queue, self.auth = server, queue, (name, password)
        self.http = requests.Session()
        self.logins = self.sent = self.most_at_once = 0

    def work(self) -> int:
        assert self.ask("GET", "status") == "OK"
        while length := int(self.ask("GET", "get_queuelen", params={"queue_name": self.queue})):
            self.most_at_once = max(self.most_at_once, length)
            with ThreadPoolExecutor(length) as workers:
                self.sent += sum(workers.map(lambda _: Worker(self).grade_one(), range(length)))
        return self.sent

    def ask(self, method: str, endpoint: str, **fields: Any) -> Any:
        """The content of a successful reply; logs in again only where the reply says so in so many words."""
        for _ in range(2):
            response = self.http.request(method, f"{self.server}/xqueue/{endpoint}/", timeout=TIMEOUT, **fields)
            if response.status_code != 200:
                raise Failure(response.status_code)
            envelope = response.json()
            if envelope["return_code"] == 0:
                return envelope["content"]
            if envelope["content"] != "login_required":
                raise Failure(envelope["content"])
            self.login()
        raise Failure("login_required")

    def login(self) -> None:
        self.logins += 1
        fields = {"username": self.auth[0], "password": self.auth[1]}
        response = self.http.post(f"{self.server}/xqueue/login/", data=fields, timeout=TIMEOUT)
        if response.json()["content"] == "Incorrect login credentials":
            raise Failure("Incorrect login credentials")


class Worker(Bux):
    """One of the workers: a connection of its own, with the session that the framework has."""

    def __init__(self, boss: Bux) -> None:
        super().__init__(boss.server, boss.queue, *boss.auth)
        self.http.cookies.update(boss.http.cookies)

    def grade_one(self) -> bool:
        try:
            content = self.ask("GET", "get_submission", params={"queue_name": self.queue})
        except Failure as failure:
            if str(failure) == f"Queue '{self.queue}' is empty":
                return False
            raise
        parts = json.loads(content)
        body = json.loads(parts["xqueue_body"])
        assert {"student_response", "grader_payload"} <= body.keys()
        reply = reply_to(parts["xqueue_body"], json.loads(parts["xqueue_files"]))
        reply["score"] = min(max(float(reply["score"]), 0.0), 1.0)
        result = {"xqueue_header": parts["xqueue_header"], "xqueue_body": json.dumps(reply)}
        self.ask("POST", "put_result", data=result)
        return True
