"""A claim that comes later than a grader waits is taken back: it costs the job nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from submissions import signals
from submissions.queue import claim_log
from submissions.xqueue import patience
from tests.make import enqueue
from tests.xqueue.talk import job, pull, put, said

PATH = "/xqueue/get_submission/"
EMPTY = (200, {"return_code": 1, "content": "Queue 'q' is empty"})


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same in tenths of a second."""
    monkeypatch.setattr(patience, "PATIENCE", 0.3)
    monkeypatch.setattr(patience, "QUIET", 0.4)
    yield
    time.sleep(0.4)  # what this process remembers must not reach the next test


def wait(**_: Any) -> None:
    """A receiver that takes as long as a database that stands still."""
    time.sleep(0.35)


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_came_too_late_is_taken_back(grader: Client) -> None:
    submission_id = enqueue()
    signals.job_claimed.connect(wait)
    try:
        assert said(grader.get(PATH, {"queue_name": "q"})) == EMPTY
    finally:
        signals.job_claimed.disconnect(wait)
    row = job(submission_id)
    assert (row.status, row.num_failures, row.num_pulls, row.last_error) == ("retry", 0, 1, None)
    (pulled,) = claim_log.of(row)
    assert (pulled.outcome, pulled.reason) == ("released", "The claim came too late: the grader had gone.")
    # Those that the web server kept meanwhile have gone, too.
    assert said(grader.get(PATH, {"queue_name": "q"})) == EMPTY
    assert job(submission_id).num_pulls == 1
    time.sleep(0.45)
    assert grader.get(PATH, {"queue_name": "q"}).json()["return_code"] == 0
    assert job(submission_id).status == "pulled"


@pytest.mark.django_db(transaction=True)
def test_a_result_that_took_long_is_taken_and_tells_that_the_polls_have_gone(grader: Client) -> None:
    first, second = enqueue(), enqueue()
    got = pull(grader)
    signals.job_completed.connect(wait)
    try:
        assert put(grader, got.header, '{"score": 1}') == (200, {"return_code": 0, "content": ""})
    finally:
        signals.job_completed.disconnect(wait)
    assert job(first).status == "retired"
    assert said(grader.get(PATH, {"queue_name": "q"})) == EMPTY
    assert job(second).status == "pending"


@pytest.mark.django_db
def test_a_poll_that_is_quick_is_served(grader: Client) -> None:
    enqueue()
    assert grader.get(PATH, {"queue_name": "q"}).json()["return_code"] == 0
