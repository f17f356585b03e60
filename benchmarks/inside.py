"""What a call costs without a server around it: requests straight into the WSGI application, one after the other.

    python -m benchmarks.inside postgresql --calls 1000
    python -m benchmarks.inside postgresql --calls 300 --profile put_result
    python -m benchmarks.inside postgresql --before ../before --rounds 5

"enqueue" calls `create_external_grader_detail`; "claims" and "results" are by REST, one by one and 32 at once.
`--before`: another working tree, with a .venv of its own, by turns.

CPU time instead of the clock's, and one thread: the least noisy way to see whether a change pays.
"""

from __future__ import annotations

import argparse
import cProfile
import inspect
import io
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

from benchmarks import environment, measure, report, seed
from benchmarks.databases import Database
from benchmarks.enqueue import Platform
from benchmarks.sides import ACCOUNTS, OUR_QUEUE, PASSWORD
from tests import databases

FORM = "application/x-www-form-urlencoded"
REPLY = json.dumps({"correct": True, "score": 0.7, "msg": "<p>7 of 10 tests passed</p>"})
RESULT = {"score": 0.7, "correct": True, "feedback": {"format": "html", "text": "<p>7 of 10 tests passed</p>"}}
WARM = 100
BATCH = 32
XQUEUE, REST = ("get_submission", "put_result", "empty"), ("claims", "results", "claims of 32", "results of 32")
KINDS_OF_CALLS = (*XQUEUE, "enqueue", *REST)
PARTS = ("web", "database", "clock")
Spent = dict[str, dict[str, float]]
"""Milliseconds of each part, of each kind of call."""


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
        more = {"QUERY_STRING": f"queue_name={seed.QUEUE}", "HTTP_COOKIE": self.cookie}
        environ = _environ(method, f"/xqueue/{path}", form, FORM) | more
        headers: list[tuple[str, str]] = []
        answer = self.application(environ, lambda _, given, __=None: headers.extend(given))
        body = b"".join(answer)
        getattr(answer, "close", bool)()
        return json.loads(body), headers


class Worker:
    """A grader that speaks REST, inside the process."""

    def __init__(self, application: Callable[..., Any]) -> None:
        from django.contrib.auth import get_user_model

        from submissions.accounts import tokens

        account = get_user_model().objects.get(username="grader")
        _, self.token = tokens.make_token(account, scopes=["claim"], queues=["*"])
        self.application = application

    def take(self, most: int) -> list[str]:
        """The ids of the claims."""
        return [claim["id"] for claim in self._ask("claims/", {"queue_name": seed.QUEUE, "max_claims": most})["claims"]]

    def give(self, claims: list[str]) -> None:
        results = [{"claim_id": name, "result": RESULT} for name in claims]
        told = self._ask("results/", {"results": results})["results"]
        assert all(one["status"] == "stored" for one in told), told

    def _ask(self, path: str, value: object) -> dict[str, Any]:
        body = json.dumps(value).encode()
        environ = _environ("POST", f"/api/external_grading/v1/{path}", body, "application/json")
        answer = self.application(environ | {"HTTP_AUTHORIZATION": f"Bearer {self.token}"}, lambda *_: None)
        text = b"".join(answer)
        getattr(answer, "close", bool)()
        return json.loads(text)


def _environ(method: str, path: str, body: bytes, kind: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1", "HTTP_ACCEPT": "*/*",
        "HTTP_USER_AGENT": "python-requests/2.32", "CONTENT_TYPE": kind if body else "",
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http", "wsgi.multithread": True,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inside", description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=databases.KINDS)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--profile", choices=KINDS_OF_CALLS)
    parser.add_argument("--before", type=Path, help="another working tree with its own .venv")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each of the two (default: %(default)s)")
    given = parser.parse_args()
    if given.before:
        _take_turns(given)
        return
    server = databases.server_url(given.kind)
    if server is None:
        raise SystemExit(f"There is no {given.kind} server.")
    name = f"gqbench_{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory() as folder:
        url = databases.create(given.kind, server, name, Path(folder))
        os.environ |= {"DATABASE_URL": url, "GRADEQUEUE_DATA": folder}
        try:
            print(json.dumps(_measure(given, url)))
        finally:
            from django.db import connections

            connections.close_all()
            databases.drop(given.kind, server, name)


def _take_turns(given: argparse.Namespace) -> None:
    """This process measures nothing: each turn is a process of its own, in one of the two environments."""
    pythons = {"now": Path(sys.executable), "before": given.before.resolve() / ".venv" / "bin" / "python"}
    taken: dict[str, list[Spent]] = {name: [] for name in pythons}
    for turn in range(given.rounds):
        for name in pythons if turn % 2 == 0 else reversed(pythons):
            command = [str(pythons[name]), "-m", "benchmarks.inside", given.kind, "--calls", str(given.calls)]
            done = subprocess.run(command, cwd=environment.ROOT, check=True, stdout=subprocess.PIPE, text=True)
            taken[name].append(json.loads(done.stdout.splitlines()[-1]))
    medians = {name: _medians(found) for name, found in taken.items()}
    print(report.by_turns(f"{given.kind}, CPU ms per call", medians["now"], medians["before"]))


def _medians(found: list[Spent]) -> Spent:
    """Of several turns; "cycle" is a claim and its result."""
    for one in found:
        one["cycle"] = {part: one["get_submission"][part] + one["put_result"][part] for part in PARTS}
        one["cycle by REST"] = {part: one["claims"][part] + one["results"][part] for part in PARTS}
    return {what: {part: median(one[what][part] for one in found) for part in PARTS} for what in found[0]}


def _settle() -> None:
    """As a web worker of that working tree does before it serves, wherever it has that."""
    for name in ("gradequeue.processes.web_worker", "gradequeue.worker"):
        try:
            module = import_module(name)
        except ImportError:
            continue
        settle = getattr(module, "settle", bool)
        settle(*[32] * len(inspect.signature(settle).parameters) if settle is not bool else [])


def _measure(given: argparse.Namespace, url: str) -> Spent:
    from gradequeue.wsgi import application  # only now: the settings look at the environment once

    _settle()
    _prepare()
    database = Database(given.kind, url)
    seed.fill(database, waiting=given.calls + WARM, finished=0, ours=True)
    pid = measure.database_pid(database)
    caller = Caller(application)
    for _ in range(WARM):
        caller.give(caller.take())
    platform, spent = Platform(), {}

    def timed(what: str, calls: list[Callable[[], Any]]) -> list[Any]:
        answers, spent[what] = _timed(what, calls, pid, given.profile)
        return answers

    headers = timed("get_submission", [caller.take] * given.calls)
    timed("put_result", [partial(caller.give, header) for header in headers])
    caller.take()
    timed("empty", [caller.take] * given.calls)
    for _ in range(WARM):
        platform.hand_in()
    timed("enqueue", [platform.hand_in] * given.calls)
    _measure_rest(given, database, Worker(application), timed)
    database.close()
    return spent


def _measure_rest(given: argparse.Namespace, database: Database, worker: Worker, timed: Callable[..., Any]) -> None:
    seed.fill(database, waiting=2 * given.calls + WARM * (1 + BATCH), finished=0, ours=True)
    for most in (1, BATCH):
        for _ in range(WARM):
            worker.give(worker.take(most))
    claims = timed("claims", [partial(worker.take, 1)] * given.calls)
    timed("results", [partial(worker.give, names) for names in claims])
    claims = timed(f"claims of {BATCH}", [partial(worker.take, BATCH)] * (given.calls // BATCH))
    timed(f"results of {BATCH}", [partial(worker.give, names) for names in claims])


def _prepare() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    exec(ACCOUNTS.format(names=["grader"], password=PASSWORD) + OUR_QUEUE.format(queue=seed.QUEUE), {})


def _timed(
    what: str, calls: list[Callable[[], Any]], pid: int | None, profiled: str | None
) -> tuple[list[Any], dict[str, float]]:
    """What the calls answered, and the milliseconds of each call."""
    profile = cProfile.Profile() if what == profiled else None
    database, web, wall = measure.cpu_seconds(pid) if pid else 0.0, time.process_time(), time.perf_counter()
    if profile:
        profile.enable()
    answers = [call() for call in calls]
    if profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
    web, wall = time.process_time() - web, time.perf_counter() - wall
    seconds = dict(zip(PARTS, (web, (measure.cpu_seconds(pid) if pid else 0.0) - database, wall), strict=True))
    spent = {part: 1000 * value / len(calls) for part, value in seconds.items()}
    print(what, *(f"{part} {value:.2f} ms" for part, value in spent.items()), flush=True)
    return answers, spent


if __name__ == "__main__":
    main()
