"""The load in the other dialect: workers that claim and answer by REST, each in a thread, in a process of their own.

``python -m benchmarks.rest`` reads orders and answers them as `benchmarks.client` does:

    {"do": "login", "port": int, "queue": str, "tokens": [str]}
    {"do": "cycle", "seconds": float, "cycles": int, "batch": int}      claims and results, so many in one request
    {"do": "wait", "seconds": float, "workers": int}                    claims that wait while nothing comes
    {"do": "meet", "cycles": int, "submitter": str}                     submissions, each for a worker that waits
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.client import ANSWER, HOST, Connection, Unreadable, take_orders

RESULT = {"score": 0.7, "correct": True, "feedback": {"format": "html", "text": "<p>7 of 10 tests passed</p>"}}
WAIT_SECONDS = 20
PAUSE_SECONDS = 0.1
"""Between a claim's answer and the next submission: the worker waits again."""


class Refused(Exception):
    """An answer that is not the right one."""


class Client:
    """One token on one connection."""

    def __init__(self, port: int, token: str) -> None:
        self.connection, self.port, self.token = Connection(port), port, token

    def post(self, path: str, value: object, *more: str) -> Any:
        """What the answer holds. Raises Refused, Unreadable."""
        body = json.dumps(value).encode()
        lines = (
            f"POST /api/external_grading/v1/{path} HTTP/1.1",
            f"Host: {HOST}:{self.port}",
            f"Authorization: Bearer {self.token}",
            f"Content-Type: application/json\r\nContent-Length: {len(body)}",
            *more,
        )
        answer = self.connection.exchange("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        if answer.status not in (200, 201):
            raise Refused(f"{path}: {answer.status} {answer.body!r:.200}")
        return json.loads(answer.body)


class Load:
    """All workers of one server."""

    def login(self, port: int, queue: str, tokens: list[str]) -> dict[str, Any]:
        self.port, self.queue, self.tokens = port, queue, tokens
        return {}

    def cycle(self, seconds: float, cycles: int, batch: int) -> dict[str, Any]:
        until = time.monotonic() + seconds

        def work(client: Client) -> None:
            while time.monotonic() < until and self.done < cycles:
                began = time.perf_counter_ns()
                claims = client.post("claims/", {"queue_name": self.queue, "max_claims": batch})["claims"]
                self.note("claims", began)
                if not claims:
                    return
                self.give(client, [claim["id"] for claim in claims])

        return self.together(work, self.tokens)

    def give(self, client: Client, names: list[str]) -> None:
        with self.lock:
            fresh = len(self.seen | set(names)) - len(self.seen)
            self.seen |= set(names)
            self.duplicates += len(names) - fresh
        began = time.perf_counter_ns()
        results = [{"claim_id": name, "result": RESULT} for name in names]
        told = client.post("results/", {"results": results})["results"]
        self.note("results", began)
        stored = sum(one.get("status") == "stored" for one in told)
        with self.lock:
            self.done += stored
            if stored < len(names):
                self.errors[f"results: {told!r:.200}"] += len(names) - stored

    def wait(self, seconds: float, workers: int) -> dict[str, Any]:
        until = time.monotonic() + seconds

        def work(client: Client) -> None:
            while (left := until - time.monotonic()) > 0:
                asked = {"queue_name": self.queue, "wait_seconds": max(1, min(WAIT_SECONDS, int(left)))}
                began = time.monotonic()
                told = client.post("claims/", asked)
                if time.monotonic() - began < 0.5:  # there was no room
                    with self.lock:
                        self.errors["claims: did not wait"] += 1
                    time.sleep(told["poll_after_seconds"])

        return self.together(work, [self.tokens[number % len(self.tokens)] for number in range(workers)])

    def meet(self, cycles: int, submitter: str) -> dict[str, Any]:
        """From the sending of a submission to the answer of the claim that waited for it."""
        began, met = [0], threading.Event()

        def work(client: Client) -> None:
            while self.done < cycles:
                asked = {"queue_name": self.queue, "wait_seconds": WAIT_SECONDS}
                if claims := client.post("claims/", asked)["claims"]:
                    self.note("claims", began[0])
                    self.give(client, [claims[0]["id"]])
                    met.set()

        def submit() -> None:
            client = Client(self.port, submitter)
            while self.done < cycles and not self.errors:
                met.clear()
                time.sleep(PAUSE_SECONDS)
                began[0] = time.perf_counter_ns()
                self.hand_in(client)
                if not met.wait(2 * WAIT_SECONDS):
                    raise Refused("nobody was given the submission")

        return self.together(work, self.tokens[:1], submit)

    def hand_in(self, client: Client) -> None:
        learner = {"course_id": "course-v1:Bench+CS1+2026", "item_id": "double", "learner_id": uuid.uuid4().hex}
        job = {"queue_name": self.queue, "answer": ANSWER, "points_possible": 10, **learner}
        client.post("submissions/", job, f"Idempotency-Key: {uuid.uuid4()}")

    def note(self, call: str, began: int) -> None:
        with self.lock:
            self.calls.setdefault(call, []).append((time.perf_counter_ns() - began) // 1000)

    def together(
        self, work: Callable[[Client], None], tokens: list[str], beside: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """`work` once for each token, and `beside` in a thread of its own; what was found."""
        self.lock, self.done, self.duplicates = threading.Lock(), 0, 0
        self.calls: dict[str, list[int]] = {}
        self.errors: Counter[str] = Counter()
        self.seen: set[str] = set()
        threads = [threading.Thread(target=self.guarded, args=(work, Client(self.port, token))) for token in tokens]
        if beside:
            threads.append(threading.Thread(target=self.guarded, args=(lambda _: beside(), None)))
        wall, cpu = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent = {"elapsed": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        return spent | {
            "cycles": self.done, "calls": self.calls, "errors": self.errors, "duplicates": self.duplicates,
        }  # fmt: skip

    def guarded(self, work: Callable[[Any], None], client: Client | None) -> None:
        try:
            work(client)
        except (Refused, Unreadable, OSError) as error:
            with self.lock:
                self.errors[f"{type(error).__name__}: {error!s:.200}"] += 1


if __name__ == "__main__":
    take_orders(Load())
