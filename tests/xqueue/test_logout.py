"""logout/ ends one session, and answers whoever asks."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from tests.xqueue.talk import Http, log_in, said

GOODBYE = (200, {"return_code": 0, "content": "Goodbye"})


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/xqueue/logout/", "/xqueue/logout"])
def test_logging_out_ends_the_session(grader: Client, method: str, path: str) -> None:
    session = grader.cookies["sessionid"].value
    response = grader.generic(method, path)
    assert said(response) == GOODBYE
    assert response.cookies["sessionid"].value == ""
    assert response.cookies["sessionid"]["max-age"] == 0
    assert not Session.objects.filter(session_key=session).exists()
    again = Http()
    again.cookies["sessionid"] = session
    response = again.get("/xqueue/get_submission/", {"queue_name": "q"})
    assert said(response) == (302, {"return_code": 1, "content": "login_required"})


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_needs_to_be_logged_in_to_log_out(stranger: Client, method: str) -> None:
    response = stranger.generic(method, "/xqueue/logout/")
    assert said(response) == GOODBYE
    assert not response.cookies


def test_logging_out_twice_is_the_same_goodbye(grader: Client) -> None:
    assert said(grader.post("/xqueue/logout/")) == GOODBYE
    assert said(grader.post("/xqueue/logout/")) == GOODBYE


def test_the_other_sessions_of_the_account_live_on(account: User) -> None:
    first, second = log_in("grader"), log_in("grader")
    assert said(first.post("/xqueue/logout/")) == GOODBYE
    response = second.get("/xqueue/get_submission/", {"queue_name": "q"})
    assert said(response) == (200, {"return_code": 1, "content": "Queue 'q' is empty"})


def test_a_body_that_is_no_json_does_not_matter(grader: Client) -> None:
    assert said(grader.post("/xqueue/logout/", b"{\xff", content_type="application/json")) == GOODBYE


def test_a_session_id_that_no_database_can_hold_does_not_matter(stranger: Client) -> None:
    response = stranger.get("/xqueue/logout/", headers={"Cookie": 'sessionid="abcdefgh\\000"'})
    assert said(response) == GOODBYE
