"""get_queuelen/ tells how many jobs a claim would find now, as a JSON integer."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from submissions import queue
from submissions.models import GraderQueue
from tests.make import enqueue
from tests.xqueue.talk import job, let_leases_run_out, log_in, make_grader, pull, put, said

PATH = "/xqueue/get_queuelen/"


def length(http: Client, queue_name: str = "q") -> tuple[int, dict[str, object]]:
    return said(http.get(PATH, {"queue_name": queue_name}))


@pytest.mark.parametrize("path", ["/xqueue/get_queuelen/", "/xqueue/get_queuelen"])
def test_the_waiting_jobs_are_counted(grader: Client, path: str) -> None:
    for _ in range(3):
        enqueue("q")
    enqueue("another")
    response = grader.get(path, {"queue_name": "q", "block": "true"})
    assert response.content == b'{"return_code":0,"content":3}'
    assert said(response) == (200, {"return_code": 0, "content": 3})


def test_asking_claims_nothing(grader: Client) -> None:
    submission_id = enqueue("q")
    assert length(grader) == (200, {"return_code": 0, "content": 1})
    assert length(grader) == (200, {"return_code": 0, "content": 1})
    assert job(submission_id).status == "pending"


def test_what_is_being_graded_or_was_graded_is_not_counted(grader: Client) -> None:
    enqueue("q"), enqueue("q")
    work = pull(grader)
    assert length(grader) == (200, {"return_code": 0, "content": 1})
    put(grader, work.header)
    assert length(grader) == (200, {"return_code": 0, "content": 1})
    pull(grader)
    assert length(grader) == (200, {"return_code": 0, "content": 0})


def test_a_lease_that_ran_out_is_counted(grader: Client) -> None:
    enqueue("q")
    pull(grader)
    let_leases_run_out()
    assert length(grader) == (200, {"return_code": 0, "content": 1})


def test_a_job_under_back_off_is_not_counted(grader: Client) -> None:
    enqueue("q")
    put(grader, pull(grader).header, "{}")
    assert length(grader) == (200, {"return_code": 0, "content": 0})


def test_a_released_job_is_counted(grader: Client) -> None:
    enqueue("q")
    work = pull(grader)
    queue.release(work.submission_id, work.key)
    assert length(grader) == (200, {"return_code": 0, "content": 1})


@pytest.mark.parametrize("query", [{}, {"queue_name": ""}, {"queue": "q"}])
def test_a_missing_queue_name_is_told(grader: Client, query: dict[str, str]) -> None:
    said_so = {"return_code": 1, "content": "'get_queuelen' must provide parameter 'queue_name'"}
    assert said(grader.get(PATH, query)) == (400, said_so)


def test_an_unknown_queue_is_answered_with_the_names_of_the_known_ones(grader: Client) -> None:
    assert length(grader, "no") == (200, {"return_code": 1, "content": "Valid queue names are: "})
    enqueue("zebra"), enqueue("ant")
    assert length(grader, "no") == (200, {"return_code": 1, "content": "Valid queue names are: ant, zebra"})


@pytest.mark.parametrize(
    "name", ["q\0", "\n", "' OR 1=1 --", "<b>q</b>", "q" * 200, "q" * 5000, "\U0001f600", "q/../q"]
)
def test_hostile_names_are_names_of_no_queue(grader: Client, name: str) -> None:
    enqueue("q")
    assert length(grader, name) == (200, {"return_code": 1, "content": "Valid queue names are: q"})


def test_only_the_queues_that_the_account_may_see_are_named(account: User, grader: Client) -> None:
    GraderQueue.objects.create(name="open")
    GraderQueue.objects.create(name="mine").graders.add(account)
    GraderQueue.objects.create(name="theirs").graders.add(make_grader("other"))
    enqueue("theirs"), enqueue("mine")
    visible = (200, {"return_code": 1, "content": "Valid queue names are: mine, open"})
    assert length(grader, "theirs") == visible
    assert length(grader, "no") == visible
    assert length(grader, "mine") == (200, {"return_code": 0, "content": 1})
    assert length(log_in("other"), "theirs") == (200, {"return_code": 0, "content": 1})


def test_a_paused_queue_looks_empty(grader: Client) -> None:
    enqueue("q")
    GraderQueue.objects.filter(name="q").update(paused=True)
    assert length(grader) == (200, {"return_code": 0, "content": 0})


def test_a_strict_registry_knows_what_was_set_up(grader: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_STRICT_QUEUES = True
    GraderQueue.objects.create(name="q")
    assert length(grader) == (200, {"return_code": 0, "content": 0})
    assert length(grader, "no") == (200, {"return_code": 1, "content": "Valid queue names are: q"})


def test_the_last_of_two_queue_names_counts(grader: Client) -> None:
    enqueue("q")
    assert said(grader.get(PATH + "?queue_name=no&queue_name=q")) == (200, {"return_code": 0, "content": 1})
