"""A grader that makes its scores up: a process of its own, so that it can be killed.

    GRADER_PASSWORD=... python -m gradequeue.demo.live.grader --url URL --name py-01 --queue cs101-python

It speaks XQueue and knows nothing of the server but its address.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException
from http.cookiejar import CookieJar
from typing import Any

POINTS = 10
# How long a grading takes, and how long an empty queue is left alone (seconds).
GRADING = (0.5, 3.0)
IDLE = 1.0
FAILING = 0.02


class Grader:
    def __init__(self, url: str, name: str, password: str) -> None:
        self.url, self.account = f"{url}/xqueue", {"username": name, "password": password}
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        self.http = urllib.request.build_opener(*handlers)

    def log_in(self) -> None:
        self._ask("login", self.account)

    def pull(self, queue: str) -> dict[str, Any] | None:
        """The job's header and body; None where there is none."""
        told = self._ask("get_submission", None, queue_name=queue)
        return dict(json.loads(told["content"])) if told["return_code"] == 0 else None

    def put(self, job: dict[str, Any]) -> None:
        tests = random.randrange(POINTS + 1)  # noqa: S311 - a score
        message = f"<p>{tests} of {POINTS} tests passed.</p>"
        reply: dict[str, Any] = {"correct": tests == POINTS, "msg": message}
        if random.random() > FAILING:  # noqa: S311
            reply["score"] = tests / POINTS
        self._ask("put_result", {"xqueue_header": job["xqueue_header"], "xqueue_body": json.dumps(reply)})

    def _ask(self, verb: str, form: dict[str, str] | None, **query: str) -> dict[str, Any]:
        address = f"{self.url}/{verb}/" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        body = None if form is None else urllib.parse.urlencode(form).encode()
        with self.http.open(address, body, timeout=30) as answer:
            return dict(json.load(answer))


def work(grader: Grader, queues: list[str]) -> None:
    """One round through the queues."""
    taken = 0
    for queue in queues:
        if (job := grader.pull(queue)) is not None:
            taken += 1
            time.sleep(random.uniform(*GRADING))  # noqa: S311
            grader.put(job)
    if not taken:
        time.sleep(IDLE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--queue", action="append", required=True)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    grader, known = Grader(given.url, given.name, os.environ["GRADER_PASSWORD"]), False
    demonstration = os.getppid()
    while os.getppid() == demonstration:  # it may have been killed
        try:
            if not known:
                grader.log_in()
            known = True
            work(grader, given.queue)
        except urllib.error.HTTPError as error:
            known = error.code not in (302, 401, 403)
            time.sleep(IDLE)
        except (OSError, HTTPException, ValueError):
            time.sleep(IDLE)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
