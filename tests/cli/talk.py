"""A queue of this test's own at the real service, and what the tests of commands do with it."""

from __future__ import annotations

import json
from typing import Any

import requests

from tests.server import Server


def log_in(server: Server, name: str, password: str) -> tuple[requests.Session, int, Any]:
    """A session, and how the server answered the login. The caller closes it."""
    http = requests.Session()
    account = {"username": name, "password": password}
    answer = http.post(f"{server.url}/xqueue/login/", data=account, timeout=20)
    return http, answer.status_code, answer.json()


def pull(http: requests.Session, server: Server, queue: str) -> requests.Response:
    return http.get(
        f"{server.url}/xqueue/get_submission/", params={"queue_name": queue}, timeout=20, allow_redirects=False
    )


def put(http: requests.Session, server: Server, got: requests.Response, reply: str) -> requests.Response:
    """Answers what `pull` gave."""
    header = json.loads(got.json()["content"])["xqueue_header"]
    result = {"xqueue_header": header, "xqueue_body": reply}
    return http.post(f"{server.url}/xqueue/put_result/", data=result, timeout=20)
