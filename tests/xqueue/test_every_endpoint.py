"""What holds for all endpoints: the envelope, methods, slashes, logins, other sites."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from gradequeue.http import errors
from tests.make import enqueue
from tests.xqueue.talk import job, log_in, said

METHODS = {
    "login": ["GET", "POST"],
    "logout": ["GET", "POST"],
    "status": ["GET", "POST"],
    "get_queuelen": ["GET"],
    "get_submission": ["GET"],
    "put_result": ["POST"],
}
PRIVATE = ["get_queuelen", "get_submission", "put_result"]
EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "get")
LOGIN_REQUIRED = {"return_code": 1, "content": "login_required"}
NOTHING_HERE = (404, {"return_code": 1, "content": "There is nothing at this address"})


SENTENCES = {
    "login": "'login' must use HTTP GET or POST",
    "logout": "'logout' must use HTTP GET or POST",
    "status": "'status' must use HTTP GET or POST",
    "get_queuelen": "'get_queuelen' must use HTTP GET",
    "get_submission": "'get_submission' must use HTTP GET",
    "put_result": "'put_result' must use HTTP POST",
}


@pytest.mark.parametrize("endpoint", METHODS)
def test_a_wrong_method_is_told_the_right_ones(grader: Client, endpoint: str) -> None:
    for method in EVERY_METHOD:
        if method.upper() in METHODS[endpoint]:
            continue
        for slash in ("/", ""):
            response = grader.generic(method, f"/xqueue/{endpoint}{slash}?queue_name=q")
            assert said(response) == (405, {"return_code": 1, "content": SENTENCES[endpoint]}), method
            assert response["Allow"] == ", ".join(METHODS[endpoint])


def test_head_is_a_wrong_method_everywhere(grader: Client) -> None:
    for endpoint, methods in METHODS.items():
        response = grader.head(f"/xqueue/{endpoint}/?queue_name=q")
        assert response.status_code == 405
        assert response["Content-Type"] == "application/json"
        assert response["Allow"] == ", ".join(methods)


def test_no_answer_redirects_to_a_slash(account: User) -> None:
    for endpoint, methods in METHODS.items():
        response = log_in("grader").generic(methods[0], f"/xqueue/{endpoint}?queue_name=q")
        assert said(response)[0] == (400 if endpoint == "put_result" else 200)
        assert "Location" not in response


@pytest.mark.parametrize("endpoint", PRIVATE)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic Z3JhZGVyOnB3"}, {"Authorization": "basic"}, {"Cookie": "sessionid=gone1234"}],
)
def test_without_a_session_the_client_is_sent_to_login(
    stranger: Client, endpoint: str, headers: dict[str, str]
) -> None:
    response = stranger.generic(METHODS[endpoint][0], f"/xqueue/{endpoint}/?queue_name=a%20b&x=1", headers=headers)
    assert said(response) == (302, LOGIN_REQUIRED)
    assert response["Location"] == f"/xqueue/login/?next=/xqueue/{endpoint}/%3Fqueue_name%3Da%2520b%26x%3D1"
    assert "WWW-Authenticate" not in response


@pytest.mark.parametrize("endpoint", PRIVATE)
def test_the_slashless_form_is_sent_to_the_same_login(stranger: Client, endpoint: str) -> None:
    response = stranger.generic(METHODS[endpoint][0], f"/xqueue/{endpoint}")
    assert said(response) == (302, LOGIN_REQUIRED)
    assert response["Location"] == f"/xqueue/login/?next=/xqueue/{endpoint}"


@pytest.mark.parametrize("endpoint", PRIVATE)
def test_following_the_redirect_ends_at_login_required(stranger: Client, endpoint: str) -> None:
    response = stranger.generic(METHODS[endpoint][0], f"/xqueue/{endpoint}/?queue_name=q")
    assert said(stranger.get(response["Location"])) == (200, LOGIN_REQUIRED)


@pytest.mark.parametrize("endpoint", PRIVATE)
def test_another_scheme_without_a_session_is_unauthorized(stranger: Client, endpoint: str) -> None:
    for value in ("Bearer abc", "Token abc", "bearer", "Digest x", "nonsense"):
        response = stranger.generic(METHODS[endpoint][0], f"/xqueue/{endpoint}/", headers={"Authorization": value})
        assert said(response) == (401, LOGIN_REQUIRED)
        assert "Location" not in response


@pytest.mark.parametrize("value", ["Basic Z3JhZGVyOndyb25n", "Bearer abc", "nonsense"])
def test_an_authorization_header_beside_a_session_changes_nothing(grader: Client, value: str) -> None:
    response = grader.get("/xqueue/get_submission/", {"queue_name": "q"}, headers={"Authorization": value})
    assert said(response) == (200, {"return_code": 1, "content": "Queue 'q' is empty"})


@pytest.mark.parametrize("endpoint", METHODS)
def test_requests_from_other_sites_are_refused_and_do_nothing(grader: Client, endpoint: str) -> None:
    submission_id = enqueue("q")
    for method in METHODS[endpoint]:
        response = grader.generic(method, f"/xqueue/{endpoint}/?queue_name=q", headers={"Sec-Fetch-Site": "cross-site"})
        assert said(response) == (403, {"return_code": 1, "content": "Requests from other sites are refused"})
        assert not response.cookies
    assert (job(submission_id).status, job(submission_id).num_pulls) == ("pending", 0)
    assert said(grader.get("/xqueue/get_queuelen/", {"queue_name": "q"}))[0] == 200


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none"])
def test_requests_of_the_own_site_are_served(grader: Client, site: str) -> None:
    response = grader.get("/xqueue/get_submission/", {"queue_name": "q"}, headers={"Sec-Fetch-Site": site})
    assert said(response) == (200, {"return_code": 1, "content": "Queue 'q' is empty"})


@pytest.mark.parametrize("endpoint", METHODS)
def test_any_accept_header_is_answered_in_json(grader: Client, endpoint: str) -> None:
    path = f"/xqueue/{endpoint}/?queue_name=q&format=xml"
    for accept in ("*/*", "text/html", "application/xml", "text/plain;q=0", "nonsense", ""):
        status, _ = said(grader.generic(METHODS[endpoint][0], path, headers={"Accept": accept}))
        assert status == (400 if endpoint == "put_result" else 200), accept


NOWHERE = [
    "/xqueue",
    "/xqueue/",
    "/xqueue/no",
    "/xqueue/no/",
    "/xqueue/login/no/",
    "/xqueue/get_submission.json",
    "/xqueue/files/x/y",
    "/xqueue/files/1/a/b",
    "/xqueue/%00",
    "/xqueue/%ff",
    "/xqueue/%0A",
]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_an_address_with_nothing_behind_it_is_not_found(grader: Client, method: str) -> None:
    for path in NOWHERE:
        assert said(grader.generic(method, path)) == NOTHING_HERE, path


@pytest.mark.parametrize("host", ["evil.example", "", "a<b>c", "[::", "\u00fc", "testserver,evil"])
def test_a_host_that_is_not_ours_is_a_bad_request(grader: Client, host: str) -> None:
    for endpoint, methods in METHODS.items():
        response = grader.generic(methods[0], f"/xqueue/{endpoint}/?queue_name=q", HTTP_HOST=host)
        assert said(response) == (400, {"return_code": 1, "content": "Bad request"})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_file_address_has_the_envelope_too(grader: Client, method: str) -> None:
    response = grader.generic(method, "/xqueue/files/1/a.py")
    assert said(response) == (405, {"return_code": 1, "content": "A file is fetched with GET"})
    assert response["Allow"] == "GET, HEAD"


def test_a_request_larger_than_the_limit_is_not_read(grader: Client, settings: Settings) -> None:
    settings.SUBMISSIONS_REQUEST_MAX_BYTES = 1000
    for endpoint in ("login", "put_result"):
        response = grader.post(f"/xqueue/{endpoint}/", {"xqueue_body": "x" * 1000})
        assert said(response) == (413, {"return_code": 1, "content": "The request is larger than 1000 bytes"})


def test_a_fault_of_ours_is_told_in_the_envelope_and_claims_nothing(grader: Client, settings: Settings) -> None:
    submission_id = enqueue("q")
    settings.SUBMISSIONS_LEASE_SECONDS = "a fault that the start-up checks would have found"
    response = grader.get("/xqueue/get_submission/", {"queue_name": "q"})
    assert said(response) == (500, {"return_code": 1, "content": "Internal error; please try again"})
    assert (job(submission_id).status, job(submission_id).num_pulls) == ("pending", 0)
    del settings.SUBMISSIONS_LEASE_SECONDS
    assert said(grader.get("/xqueue/get_submission/", {"queue_name": "q"}))[1]["return_code"] == 0


ANSWERS = [
    (errors.bad_request, [ValueError("secret")], 400, "Bad request"),
    (errors.forbidden, [PermissionDenied("secret")], 403, "Forbidden"),
    (errors.not_found, [KeyError("secret")], 404, "There is nothing at this address"),
    (errors.server_error, [], 500, "Internal error; please try again"),
]


@pytest.mark.parametrize(("handler", "arguments", "status", "sentence"), ANSWERS)
def test_what_django_itself_refuses_has_the_envelope_here_and_a_sentence_elsewhere(
    handler: Any, arguments: list[Any], status: int, sentence: str
) -> None:
    response: HttpResponse = handler(RequestFactory().get("/xqueue/login/"), *arguments)
    assert said(response) == (status, {"return_code": 1, "content": sentence})
    response = handler(RequestFactory().get("/elsewhere/"), *arguments)
    assert (response.status_code, response.content) == (status, f"{sentence}\n".encode())
    assert response["Content-Type"] == "text/plain; charset=utf-8"


def test_the_reply_is_ascii_whatever_was_asked(grader: Client) -> None:
    response = grader.get("/xqueue/get_submission/", {"queue_name": "sch\u00f6n"})
    assert response.content == b'{"return_code":1,"content":"Queue \'sch\\u00f6n\' is empty"}'
    assert json.loads(response.content)["content"] == "Queue 'sch\u00f6n' is empty"
