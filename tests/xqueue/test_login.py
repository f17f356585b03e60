"""POST login/ begins a session; GET login/ is where the redirects of a lost session end."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from gradequeue.settings import PASSWORD_HASHERS as SERVICE_HASHERS
from tests.xqueue.talk import PASSWORD, Http, log_in, make_grader, said

LOGIN = "/xqueue/login/"
RIGHT = {"username": "grader", "password": PASSWORD}

LOGGED_IN = (200, {"return_code": 0, "content": "Logged in"})
REFUSED = (401, {"return_code": 1, "content": "Incorrect login credentials"})
INCOMPLETE = (400, {"return_code": 1, "content": "Insufficient login info"})


def is_logged_in(http: Client) -> bool:
    return bool(http.get("/xqueue/get_submission/", {"queue_name": "q"}).status_code == 200)


@pytest.mark.parametrize("path", ["/xqueue/login/", "/xqueue/login"])
def test_asking_for_the_page_says_login_required_and_sets_the_csrf_cookie(stranger: Client, path: str) -> None:
    response = stranger.get(path)
    assert said(response) == (200, {"return_code": 1, "content": "login_required"})
    assert list(response.cookies) == ["csrftoken"]
    assert len(response.cookies["csrftoken"].value) == 32
    assert response.cookies["csrftoken"]["samesite"] == "Lax"
    assert response.cookies["csrftoken"]["path"] == "/"


@pytest.mark.parametrize("path", ["/xqueue/login/", "/xqueue/login", "/xqueue/login/?next=/xqueue/status/&block=true"])
def test_the_right_password_logs_in(account: User, stranger: Client, path: str) -> None:
    response = stranger.post(path, RIGHT)
    assert said(response) == LOGGED_IN
    cookie = response.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert "Location" not in response
    assert is_logged_in(stranger)


def test_the_right_password_logs_in_as_form_urlencoded(account: User, stranger: Client) -> None:
    form = "username=grader&password=correct+horse+battery%20staple&remember=1"
    assert said(stranger.post(LOGIN, form, content_type="application/x-www-form-urlencoded")) == LOGGED_IN
    assert is_logged_in(stranger)


def test_the_right_password_logs_in_as_json(account: User, stranger: Client) -> None:
    assert said(stranger.post(LOGIN, json.dumps(RIGHT), content_type="application/json")) == LOGGED_IN
    assert is_logged_in(stranger)


@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/xml", "text/plain", "nonsense", ""])
def test_any_accept_header_will_do(account: User, stranger: Client, accept: str) -> None:
    assert said(stranger.post(LOGIN, RIGHT, headers={"Accept": accept})) == LOGGED_IN


@pytest.mark.parametrize("value", ["Basic Z3JhZGVyOndyb25n", "Bearer abc", "nonsense", "Basic"])
def test_an_authorization_header_changes_nothing(account: User, stranger: Client, value: str) -> None:
    assert said(stranger.post(LOGIN, RIGHT, headers={"Authorization": value})) == LOGGED_IN
    assert is_logged_in(stranger)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("grader", "wrong"),
        ("grader", PASSWORD + " "),
        ("nobody", PASSWORD),
        ("grader\0", PASSWORD),
        ("grader", "\0"),
        ("g" * 5000, PASSWORD),
        ("grader", "p" * 5000),
        ("' OR 1=1 --", "' OR 1=1 --"),
        ("<script>alert(1)</script>", "x"),
    ],
)
def test_wrong_credentials_are_refused(account: User, stranger: Client, username: str, password: str) -> None:
    response = stranger.post(LOGIN, {"username": username, "password": password})
    assert said(response) == REFUSED
    assert not response.cookies
    assert "WWW-Authenticate" not in response


@pytest.mark.parametrize("number", ["\\ud800", "\\udfff\\ud800"])
def test_a_lone_surrogate_is_a_wrong_credential(account: User, stranger: Client, number: str) -> None:
    body = f'{{"username": "{number}", "password": "{number}"}}'
    assert said(stranger.post(LOGIN, body, content_type="application/json")) == REFUSED


@pytest.mark.parametrize(
    "fields",
    [
        {"group": "teachers"},
        {"group": "teachers", "is_staff": True, "is_superuser": True},
        {"group": "xqueue", "is_active": False},
    ],
    ids=["outside the group", "superuser outside the group", "inactive"],
)
def test_only_active_members_of_the_group_are_let_in(stranger: Client, fields: dict[str, Any]) -> None:
    make_grader("other", **fields)
    response = stranger.post(LOGIN, {"username": "other", "password": PASSWORD})
    assert said(response) == REFUSED
    assert not response.cookies
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"username": "grader"},
        {"password": PASSWORD},
        {"username": "", "password": PASSWORD},
        {"username": "grader", "password": ""},
        {"user": "grader", "pass": PASSWORD},
    ],
)
def test_a_missing_or_empty_field_is_insufficient(account: User, stranger: Client, fields: dict[str, str]) -> None:
    response = stranger.post(LOGIN, fields)
    assert said(response) == INCOMPLETE
    assert not response.cookies


@pytest.mark.parametrize(
    "body",
    [
        '{"username": "grader", "password": null}',
        '{"username": 5, "password": true}',
        '{"username": ["grader"], "password": {"a": 1}}',
        '["grader", "secret"]',
        "null",
        "5",
        '"grader"',
        "",
        "{",
        "{'username': 'grader'}",
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_json_without_two_texts_is_insufficient(account: User, stranger: Client, body: str) -> None:
    assert said(stranger.post(LOGIN, body, content_type="application/json")) == INCOMPLETE


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data"])
def test_a_body_of_another_kind_is_insufficient(account: User, stranger: Client, content_type: str) -> None:
    body = f"username=grader&password={PASSWORD}"
    assert said(stranger.post(LOGIN, body, content_type=content_type)) == INCOMPLETE


def test_a_file_is_no_password(account: User, stranger: Client) -> None:
    boundary = "--b\r\nContent-Disposition: form-data; name={}\r\n\r\n{}\r\n"
    body = boundary.format("username", "grader") + boundary.format('password; filename="p"', PASSWORD) + "--b--\r\n"
    assert said(stranger.post(LOGIN, body, content_type="multipart/form-data; boundary=b")) == INCOMPLETE


def test_each_login_is_a_session_of_its_own_and_ends_no_other(account: User) -> None:
    first, second = log_in("grader"), log_in("grader")
    assert first.cookies["sessionid"].value != second.cookies["sessionid"].value
    assert is_logged_in(first)
    assert is_logged_in(second)


def test_logging_in_again_leaves_the_earlier_session_valid_and_asks_for_no_token(grader: Client) -> None:
    earlier = grader.cookies["sessionid"].value
    assert said(grader.post(LOGIN, RIGHT)) == LOGGED_IN
    assert grader.cookies["sessionid"].value != earlier
    other = Http()
    other.cookies["sessionid"] = earlier
    assert is_logged_in(other)
    assert is_logged_in(grader)


def test_a_failed_login_leaves_the_live_session_alone(grader: Client) -> None:
    assert said(grader.post(LOGIN, {**RIGHT, "password": "wrong"})) == REFUSED
    assert is_logged_in(grader)


def test_a_stale_csrf_cookie_and_a_foreign_referer_do_not_matter(account: User, stranger: Client) -> None:
    stranger.cookies["csrftoken"] = "x" * 32
    headers = {"Referer": "https://elsewhere.example/", "Origin": "https://elsewhere.example", "X-CSRFToken": "y"}
    assert said(stranger.post(LOGIN, RIGHT, headers=headers, secure=True)) == LOGGED_IN


@pytest.mark.parametrize("value", ["", "x", "garbage", '"ab\\000cdefgh"', "x" * 5000, "../../etc/passwd"])
def test_a_garbage_session_cookie_does_not_stop_a_login(account: User, stranger: Client, value: str) -> None:
    response = stranger.post(LOGIN, RIGHT, headers={"Cookie": f"sessionid={value}; csrftoken={value}"})
    assert said(response) == LOGGED_IN


def test_a_login_is_noted_on_the_account(account: User, grader: Client) -> None:
    account.refresh_from_db()
    assert account.last_login is not None


def test_the_session_ends_with_the_membership(account: User, grader: Client) -> None:
    account.groups.clear()
    response = grader.get("/xqueue/get_submission/", {"queue_name": "q"})
    assert said(response) == (302, {"return_code": 1, "content": "login_required"})
    assert said(grader.post(LOGIN, RIGHT)) == REFUSED


def test_the_session_ends_when_the_account_is_disabled(account: User, grader: Client) -> None:
    account.is_active = False
    account.save()
    assert not is_logged_in(grader)
    assert said(grader.post(LOGIN, RIGHT)) == REFUSED


def create_grader(*words: str) -> str:
    """The password of an account made by the command line."""
    printed = io.StringIO()
    call_command("grader", "create", "made", "--json", *words, stdout=printed, stderr=io.StringIO())
    return str(json.loads(printed.getvalue())["password"])


def test_a_password_that_we_drew_costs_a_login_little_and_is_not_hashed_anew(db: None, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = SERVICE_HASHERS
    password = create_grader()
    kept = User.objects.get(username="made").password
    assert kept.startswith("pbkdf2_sha256$1000$")
    first, second = log_in("made", password), log_in("made", password)
    assert User.objects.get(username="made").password == kept
    assert is_logged_in(first)
    assert is_logged_in(second)


def test_a_password_that_somebody_chose_keeps_all_its_rounds(db: None, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = SERVICE_HASHERS
    assert create_grader("--password", PASSWORD) == PASSWORD
    algorithm, rounds, _ = User.objects.get(username="made").password.split("$", 2)
    assert algorithm == "pbkdf2_sha256"
    assert int(rounds) >= 1_000_000  # Django's own number, which grows with its versions
    assert is_logged_in(log_in("made"))
