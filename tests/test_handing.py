"""Answers that hand out a job, as a WSGI server sends them: closed before its end, an answer reached nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from gradequeue.wsgi import application
from submissions import queue
from submissions.accounts import tokens
from submissions.models import ExternalGraderDetail as Job
from submissions.queue import claim_log
from submissions.xqueue import views
from tests.make import make
from tests.rest.talk import ROOT, account
from tests.xqueue.talk import log_in, make_grader

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """As Django's own test client does: the test's connection stays."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def asked(method: str, path: str, body: bytes = b"", **environ: str) -> Any:
    """What the application gives the server."""
    place, _, query = path.partition("?")
    whole: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": place, "QUERY_STRING": query, **environ}
    setup_testing_defaults(whole)
    whole["wsgi.input"], whole["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
    start: Any = lambda *_: None  # noqa: E731
    return application(whole, start)


def send(answer: Any) -> bytes:
    parts = b"".join(answer)
    getattr(answer, "close", bool)()
    return parts


def send_in_vain(answer: Any) -> None:
    """As servers do where the client has gone: the first part is not taken."""
    next(iter(answer))
    getattr(answer, "close", bool)()


def by_rest(**environ: str) -> Any:
    token = tokens.make_token(account("grader"), scopes=("claim",), queues=("*",))[1]
    body = json.dumps({"queue_name": "q"}).encode()
    known = {"CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": f"Bearer {token}"}
    return asked("POST", f"{ROOT}claims/", body, **known, **environ)


def by_xqueue() -> Any:
    if not User.objects.filter(username="grader").exists():
        make_grader("grader")
    session = log_in("grader").cookies["sessionid"].value
    return asked("GET", "/xqueue/get_submission/?queue_name=q", HTTP_COOKIE=f"sessionid={session}")


@pytest.mark.parametrize("ask", [by_rest, by_xqueue])
def test_a_job_whose_answer_reaches_nobody_is_due_again_at_once(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "SLOW_SECONDS", 0)
    make()
    send_in_vain(ask())
    row = Job.objects.get()
    assert (row.status, row.num_failures, row.num_pulls, row.interruptions) == ("retry", 0, 1, 0)
    (pulled,) = claim_log.of(row)
    assert (pulled.outcome, pulled.reason) == ("released", "The claim came too late: the grader had gone.")
    assert b"submission" in send(ask())
    row.refresh_from_db()
    assert (row.status, row.num_failures, row.num_pulls) == ("pulled", 0, 2)


def test_with_a_key_a_claim_is_kept_for_the_same_request_again() -> None:
    make()
    first = by_rest(HTTP_IDEMPOTENCY_KEY="again")
    second = json.loads(send(by_rest(HTTP_IDEMPOTENCY_KEY="again")))
    send_in_vain(first)  # only now does the server find out
    row = Job.objects.get()
    assert (row.status, row.num_pulls, claim_log.of(row)) == ("pulled", 1, [])
    assert [claim["id"] for claim in second["claims"]] == [str(row.claim_id)]


def test_a_claim_that_was_ended_meanwhile_stays_ended() -> None:
    make()
    answer = by_rest()
    row = Job.objects.get()
    queue.complete(row.submission_id, str(row.pullkey), score=1, reply='{"score": 1}')
    send_in_vain(answer)
    row.refresh_from_db()
    assert (row.status, row.is_graded) == ("retired", True)


def test_a_quick_poll_is_answered_as_ever() -> None:
    make()
    assert isinstance(by_xqueue(), list)
