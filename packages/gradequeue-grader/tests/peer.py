"""A small server of the tests' own that speaks the contract: jobs in memory, over real HTTP, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "gq_abcdefgh_" + "s" * 43
BASE = "/api/external_grading/v1/"
Answer = tuple[int, Any]


@dataclass
class Work:
    """A job, and what became of it."""

    answer: Any
    payload: Any = None
    files: dict[str, bytes] = field(default_factory=dict)
    links: list[dict[str, str]] = field(default_factory=list)
    points: float = 1
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "queued"
    claim: str | None = None
    lease_until: float = 0
    claims: int = 0
    result: Any = None
    failures: list[dict[str, Any]] = field(default_factory=list)
    given_back: int = 0
    beats: int = 0
    cancel: bool = False


def problem(status: int, name: str, detail: str) -> Answer:
    return status, {"type": f"urn:gradequeue:problem:{name}", "title": name, "status": status, "detail": detail}


class Peer(ThreadingHTTPServer):
    """`faults` decides about each request before it is carried out, and once more before it is answered."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.jobs: list[Work] = []
        self.lock = threading.RLock()
        self.keys: dict[str, tuple[Any, list[Work]]] = {}
        self.lease = 30.0
        self.longest_wait = 1.0
        self.beat_every = 10.0
        self.scopes = ["claim"]
        self.requests: list[tuple[str, str, Any]] = []
        self.authorizations: set[str | None] = set()
        self.fault: Callable[[str, str, str], Any] = lambda when, method, path: None

    def __enter__(self) -> Peer:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def add(self, answer: Any, **more: Any) -> Work:
        job = Work(answer, **more)
        with self.lock:
            self.jobs.append(job)
        return job

    def held(self, claim: str) -> Work | None:
        return next((job for job in self.jobs if job.claim == claim), None)

    # The resources. ---------------------------------------------------------------------------------------------

    def carry_out(self, method: str, path: str, body: Any, key: str | None) -> Answer:
        if (method, path) == ("GET", "tokens/me/"):
            return 200, {"name": "peer", "scopes": self.scopes, "queues": ["*"]}
        if (method, path) == ("POST", "claims/"):
            return self.claim(body, key)
        if (method, path) == ("POST", "heartbeats/"):
            return 200, {"claims": [self.beat(one["id"]) for one in body["claims"]]}
        found = re.fullmatch(r"claims/([^/]+)/(.*)", path)
        assert found, path
        job = self.held(found[1])
        if method == "DELETE":
            return self.give_back(job)
        if job is None:
            return problem(409, "claim-lost", "This claim is not current.")
        if found[2] == "result/":
            return self.take_result(job, body)
        if found[2] == "failure/":
            return self.take_failure(job, body)
        name = list(job.files)[int(found[2].split("/")[1])]
        return 200, job.files[name]

    def claim(self, body: Any, key: str | None) -> Answer:
        if key in self.keys:
            before, jobs = self.keys[key]
            assert before == body
            return 200, {"claims": [self.told(job) for job in jobs if job.result is None], "poll_after_seconds": 0}
        until = time.monotonic() + min(body["wait_seconds"], self.longest_wait)
        while True:
            with self.lock:
                due = [job for job in self.jobs if self.is_due(job)][: body["max_claims"]]
                for job in due:
                    job.claim, job.status = str(uuid.uuid4()), "grading"
                    job.lease_until = time.monotonic() + self.lease
                    job.claims += 1
            if due or time.monotonic() > until:
                if due and key:
                    self.keys[key] = (body, due)
                return 200, {"claims": list(map(self.told, due)), "poll_after_seconds": 0.05}
            time.sleep(0.02)

    def is_due(self, job: Work) -> bool:
        return job.status == "queued" or (job.status == "grading" and job.lease_until < time.monotonic())

    def told(self, job: Work) -> dict[str, Any]:
        files = [
            {
                "name": name,
                "url": f"{self.url}{BASE}claims/{job.claim}/files/{place}/",
                "size": len(text),
                "sha256": hashlib.sha256(text).hexdigest(),
            }
            for place, (name, text) in enumerate(job.files.items())
        ]
        return {
            "id": job.claim,
            "submission": {
                "uuid": job.uuid,
                "attempt_number": 1,
                "course_id": "c",
                "item_id": "i",
                "item_type": "problem",
                "learner_id": "ada",
            },
            "queue_name": "python",
            "answer": job.answer,
            "grader_payload": job.payload,
            "student_info": None,
            "files": files,
            "links": job.links,
            "points_possible": job.points,
            "score_meaning": "ratio",
            "lease_seconds_left": self.lease,
            "next_heartbeat_seconds": self.beat_every,
            "a_member_that_is_new": True,
        }

    def beat(self, claim: str) -> dict[str, Any]:
        job = self.held(claim)
        if job is None:
            return {"id": claim, "problem": problem(409, "claim-lost", "Gone.")[1]}
        job.beats += 1
        job.lease_until = time.monotonic() + self.lease
        told = {"lease_seconds_left": self.lease, "next_heartbeat_seconds": self.beat_every}
        return {"id": claim, **told, "instruction": "cancel" if job.cancel else "continue"}

    def give_back(self, job: Work | None) -> Answer:
        if job is not None and job.status == "grading":
            job.claim, job.status = None, "queued"
            job.given_back += 1
        return 204, None

    def take_result(self, job: Work, result: Any) -> Answer:
        if not isinstance(result, dict) or "unknown" in result:
            return problem(400, "validation", "There is no member `unknown`.")
        if job.result is not None and job.result != result:
            return problem(409, "already-graded", "It has another result.")
        if isinstance(result.get("score"), int | float) and not 0 <= result["score"] <= 1:
            return problem(422, "invalid-score", "The score is out of range.")
        job.result, job.status = result, "graded"
        return 200, result

    def take_failure(self, job: Work, failure: Any) -> Answer:
        if "\0" in failure["message"]:
            return problem(400, "validation", "message: Must have neither NUL nor half of a surrogate pair.")
        if not job.failures or job.failures[-1] != failure:
            job.failures.append(failure)
        job.status = "cancelled" if job.cancel else "failed"
        return 200, {"status": job.status, "available_at": None}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Peer

    def do(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        path = self.path.removeprefix(BASE)
        self.server.requests.append((self.command, path, body))
        self.server.authorizations.add(self.headers.get("Authorization"))
        if self.path.startswith("/elsewhere/"):
            return self.reply(200, self.path.encode())
        if not self.path.startswith(BASE):
            return self.reply(404, b"<h1>Not here</h1>")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.reply(*problem(401, "authn", "This token is not good."))
        if (fault := self.server.fault("before", self.command, path)) is not None:
            return self.fail(fault)
        answer = self.server.carry_out(self.command, path, body, self.headers.get("Idempotency-Key"))
        if (fault := self.server.fault("after", self.command, path)) is not None:
            return self.fail(fault)
        return self.reply(*answer)

    do_GET = do_POST = do_PUT = do_DELETE = do  # noqa: N815 - as http.server calls them

    def fail(self, fault: Any) -> None:
        """A number is a status; anything else is a connection that breaks."""
        if isinstance(fault, int):
            return self.reply(*problem(fault, "unavailable", "Later."), {"Retry-After": "0"})
        self.close_connection = True
        self.connection.close()
        return None

    def reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        text = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        kind = "application/problem+json" if isinstance(body, dict) and "type" in body else "application/json"
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass
