"""What a call costs without a server around it: requests straight into the WSGI application, one after the other.

    python -m benchmarks.inside postgresql --calls 1000
    python -m benchmarks.inside postgresql --calls 300 --profile put_result

CPU time instead of the clock's, and one thread: the least noisy way to see whether a change pays.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import os
import pstats
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks import measure, seed
from benchmarks.databases import Database
from benchmarks.sides import ACCOUNTS, OUR_QUEUE, PASSWORD
from tests import databases

FORM = "application/x-www-form-urlencoded"
REPLY = json.dumps({"correct": True, "score": 0.7, "msg": "<p>7 of 10 tests passed</p>"})
WARM = 100


class Caller:
    """A grader inside the process."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self.application = application
        self.cookie = ""
        form = urlencode({"username": "grader", "password": PASSWORD}).encode()
        _, headers = self._ask("POST", "login/", form)
        self.cookie = "; ".join(value.partition(";")[0] for name, value in headers if name == "Set-Cookie")

    def take(self) -> str:
        """The header of a job; empty where there is none."""
        answer, _ = self._ask("GET", "get_submission/")
        return json.loads(answer["content"])["xqueue_header"] if answer["return_code"] == 0 else ""

    def give(self, header: str) -> None:
        form = urlencode({"xqueue_header": header, "xqueue_body": REPLY}).encode()
        answer, _ = self._ask("POST", "put_result/", form)
        assert answer == {"return_code": 0, "content": ""}, answer

    def _ask(self, method: str, path: str, form: bytes = b"") -> tuple[dict[str, Any], list[tuple[str, str]]]:
        environ = {
            "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": f"/xqueue/{path}",
            "QUERY_STRING": f"queue_name={seed.QUEUE}", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1",
            "HTTP_ACCEPT": "*/*", "HTTP_USER_AGENT": "python-requests/2.32", "HTTP_COOKIE": self.cookie,
            "CONTENT_TYPE": FORM if form else "", "CONTENT_LENGTH": str(len(form)), "wsgi.input": io.BytesIO(form),
            "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http", "wsgi.multithread": True,
        }  # fmt: skip
        headers: list[tuple[str, str]] = []
        answer = self.application(environ, lambda _, given, __=None: headers.extend(given))
        body = b"".join(answer)
        getattr(answer, "close", bool)()
        return json.loads(body), headers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inside", description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=databases.KINDS)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--profile", choices=["get_submission", "put_result", "empty"])
    given = parser.parse_args()
    server = databases.server_url(given.kind)
    if server is None:
        raise SystemExit(f"There is no {given.kind} server.")
    name = f"gqbench_{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory() as folder:
        url = databases.create(given.kind, server, name, Path(folder))
        os.environ |= {"DATABASE_URL": url, "GRADEQUEUE_DATA": folder}
        try:
            _measure(given, url)
        finally:
            from django.db import connections

            connections.close_all()
            databases.drop(given.kind, server, name)


def _measure(given: argparse.Namespace, url: str) -> None:
    from gradequeue.processes import web_worker
    from gradequeue.wsgi import application  # only now: the settings look at the environment once

    web_worker.settle()
    _prepare()
    database = Database(given.kind, url)
    seed.fill(database, waiting=given.calls + WARM, finished=0, ours=True)
    pid = measure.database_pid(database)
    caller = Caller(application)
    for _ in range(WARM):
        caller.give(caller.take())
    headers = _timed("get_submission", [caller.take] * given.calls, pid, given.profile)
    _timed("put_result", [partial(caller.give, header) for header in headers], pid, given.profile)
    caller.take()
    _timed("empty", [caller.take] * given.calls, pid, given.profile)
    database.close()


def _prepare() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    exec(ACCOUNTS.format(names=["grader"], password=PASSWORD) + OUR_QUEUE.format(queue=seed.QUEUE), {})


def _timed(what: str, calls: list[Callable[[], Any]], pid: int | None, profiled: str | None) -> list[Any]:
    profile = cProfile.Profile() if what == profiled else None
    database, web, wall = measure.cpu_seconds(pid) if pid else 0.0, time.process_time(), time.perf_counter()
    if profile:
        profile.enable()
    answers = [call() for call in calls]
    if profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
    web, wall = time.process_time() - web, time.perf_counter() - wall
    spent = [("web", web), ("database", (measure.cpu_seconds(pid) if pid else 0.0) - database), ("clock", wall)]
    print(what, *(f"{name} {1000 * seconds / len(calls):.2f} ms" for name, seconds in spent), flush=True)
    return answers


if __name__ == "__main__":
    main()
