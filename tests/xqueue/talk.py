"""What the tests of the dialect share: accounts, and the two requests that grading is made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group, User
from django.test import Client
from django.test.client import ClientHandler
from django.utils.timezone import now

from submissions import api
from submissions.models import ExternalGraderDetail

PASSWORD = "correct horse battery staple"
ENDPOINTS = ("login", "logout", "status", "get_queuelen", "get_submission", "put_result")
GOOD = json.dumps({"correct": True, "score": 1, "msg": "<p>Good</p>"})

# One for all clients: to load the middleware anew for each of them takes longer than most tests.
_handler = ClientHandler(enforce_csrf_checks=True)


class Http(Client):
    """A client without a session. It checks CSRF tokens as a real server does."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(enforce_csrf_checks=True, **kwargs)
        self.handler = _handler


@dataclass(frozen=True)
class Work:
    """What get_submission handed out: the header's text as it came, the rest unpacked."""

    header: str
    submission_id: int
    key: str
    body: dict[str, Any]
    files: dict[str, str]


def make_grader(name: str, password: str = PASSWORD, group: str = "xqueue", **fields: Any) -> User:
    user = User.objects.create_user(name, password=password, **fields)
    user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


def log_in(name: str, password: str = PASSWORD) -> Client:
    http = Http()
    response = http.post("/xqueue/login/", {"username": name, "password": password})
    assert said(response) == (200, {"return_code": 0, "content": "Logged in"})
    return http


def let_leases_run_out() -> None:
    """As if everybody who holds a job had kept it too long; back-offs end, too."""
    ExternalGraderDetail.objects.exclude(available_at=None).update(available_at=now() - timedelta(seconds=1))


def job(submission_id: int) -> ExternalGraderDetail:
    return ExternalGraderDetail.objects.get(submission_id=submission_id)


def points(submission_id: int) -> float | None:
    """What the job's submission earned; None where it has no score."""
    score = api.get_latest_score_for_submission(job(submission_id).submission.uuid)
    return None if score is None else score["points_earned"]


def said(response: Any) -> tuple[int, dict[str, Any]]:
    """Status and body, once it is certain that the body is the envelope and nothing else."""
    assert response["Content-Type"] == "application/json", response.content
    body = json.loads(response.content)
    assert list(body) == ["return_code", "content"], body
    return response.status_code, body


def unpacked(content: str) -> Work:
    """The content of a get_submission's reply."""
    outer = json.loads(content)
    assert list(outer) == ["xqueue_header", "xqueue_body", "xqueue_files"]
    header = json.loads(outer["xqueue_header"])
    return Work(
        header=outer["xqueue_header"],
        submission_id=header["submission_id"],
        key=header["submission_key"],
        body=json.loads(outer["xqueue_body"]),
        files=json.loads(outer["xqueue_files"]),
    )


def pull(http: Client, queue_name: str = "q") -> Work:
    status, body = said(http.get("/xqueue/get_submission/", {"queue_name": queue_name}))
    assert (status, body["return_code"]) == (200, 0), body
    return unpacked(body["content"])


def put(http: Client, header: Any, body: Any = GOOD, **extra: Any) -> tuple[int, dict[str, Any]]:
    """Post a result as a form."""
    return said(http.post("/xqueue/put_result/", {"xqueue_header": header, "xqueue_body": body}, **extra))


def put_json(http: Client, value: Any) -> tuple[int, dict[str, Any]]:
    """Post `value` as JSON (text as it stands)."""
    text = value if isinstance(value, str | bytes) else json.dumps(value)
    return said(http.post("/xqueue/put_result/", text, content_type="application/json"))


def make_submitter(name: str = "lms", **fields: Any) -> User:
    return make_grader(name, group="xqueue-submitters", **fields)


CALLBACK = (
    "https://lms.example/courses/course-v1:X+CS101+R1/xqueue/7/block-v1:X+CS101+R1+type@problem+block@{}/score_update"
)
STUDENT_INFO = '{"anonymous_student_id": "a1b2c3", "submission_time": "20260131120000", "random_seed": 334}'


def header(key: str = "key-1", queue_name: Any = "q", problem: str = "p1", **more: Any) -> str:
    """The xqueue_header of an LMS; `more` replaces members."""
    fields = {"lms_callback_url": CALLBACK.format(problem), "lms_key": key, "queue_name": queue_name}
    return json.dumps({**fields, **more})


def lms_body(response: str = "print(1)", payload: str = '{"grader": "ps1/one.py"}', info: str = STUDENT_INFO) -> str:
    return json.dumps({"student_info": info, "grader_payload": payload, "student_response": response})


def submit(http: Client, head: Any = None, body: Any = None, **more: Any) -> tuple[int, dict[str, Any]]:
    """Submit as an LMS does: a form of several parts. `more`: the files, by name."""
    fields = {"xqueue_header": header() if head is None else head, "xqueue_body": lms_body() if body is None else body}
    return said(http.post("/xqueue/submit/", {**fields, **more}))
