"""The endpoints in a platform: its own middleware, accounts and receivers, which know nothing of graders."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, HttpResponse
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from submissions.models import ExternalGraderDetail, SubmissionFile
from tests.make import enqueue
from tests.rest.talk import platform as rest_platform
from tests.xqueue.talk import (
    PASSWORD,
    Http,
    header,
    job,
    lms_body,
    make_grader,
    make_submitter,
    pull,
    put,
    said,
    submit,
)

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
LOGGED_IN = (200, {"return_code": 0, "content": "Logged in"})
EMPTY = {"return_code": 1, "content": "Queue 'q' is empty"}


class HostClient(Http):
    """With the middleware that the settings name now."""

    def __init__(self) -> None:
        super().__init__()
        self.handler = Client(enforce_csrf_checks=True).handler


@pytest.fixture(autouse=True)
def host(db: None, settings: Settings) -> Settings:
    """The least that a platform needs."""
    settings.MIDDLEWARE = MIDDLEWARE
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    settings.ROOT_URLCONF = "tests.xqueue.platform_urls"
    return settings


def log_in(name: str = "grader", password: str = PASSWORD) -> Client:
    http = HostClient()
    assert said(http.post("/xqueue/login/", {"username": name, "password": password})) == LOGGED_IN
    return http


# Its middleware. ----------------------------------------------------------------------------------------------------


def test_where_all_pages_need_a_login_graders_are_not_sent_to_that_of_people(host: Settings) -> None:
    host.MIDDLEWARE = [*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    make_grader("grader")
    make_submitter()
    stranger = HostClient()
    assert said(stranger.get("/xqueue/status/")) == (200, {"return_code": 0, "content": "OK"})
    lost = stranger.get("/xqueue/get_submission/", {"queue_name": "q"})
    assert (said(lost)[1]["content"], lost["Location"][:15]) == ("login_required", "/xqueue/login/?")
    assert said(stranger.post("/xqueue/submit/"))[1]["content"] == "login_required"
    upload = SimpleUploadedFile("a.py", b"a")
    assert submit(log_in("lms"), **{"a.py": upload})[1]["return_code"] == 0
    work = pull(log_in())
    fetched = stranger.get(work.files["a.py"].removeprefix("http://testserver"))
    assert b"".join(fetched) == b"a"
    for path, status in (("tokens/me/", 401), ("nowhere", 404)):
        told = stranger.get(f"/xqueue/api/external_grading/v1/{path}")
        assert (told.status_code, told["Content-Type"]) == (status, "application/problem+json")


def test_where_all_pages_are_cached_no_answer_is_given_twice(host: Settings) -> None:
    host.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    host.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "pages"}}
    make_grader("grader")
    http = log_in()
    try:
        for _ in range(2):
            assert said(http.get("/xqueue/get_submission/", {"queue_name": "q"}))[1] == EMPTY
        enqueue("q")
        enqueue("q")
        assert pull(http).submission_id != pull(http).submission_id
    finally:
        cache.clear()


def ask_for_form(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """As a middleware that keeps a log of what is sent (Open edX has one)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        dict(request.POST)
        return get_response(request)

    return middleware


@pytest.fixture
def reading(host: Settings) -> None:
    host.MIDDLEWARE = [*MIDDLEWARE, f"{__name__}.ask_for_form"]


@pytest.mark.usefixtures("reading")
def test_where_forms_are_read_before_us_files_are_submitted_all_the_same() -> None:
    make_submitter()
    make_grader("grader")
    lms = log_in("lms")
    body = lms_body("é")
    assert submit(lms, body=body, **{"é.py": SimpleUploadedFile("x", b"\xff\0")})[1] == {
        "return_code": 0,
        "content": "1",
    }
    (row,) = SubmissionFile.objects.all()
    with row.file.open() as stored:
        assert (row.original_filename, stored.read()) == ("é.py", b"\xff\0")
    work = pull(log_in())
    assert job(work.submission_id).body == body
    assert put(log_in(), work.header)[1]["return_code"] == 0


@pytest.mark.usefixtures("reading")
def test_where_forms_are_read_before_us_bytes_that_are_no_text_are_still_refused() -> None:
    make_submitter()
    raw = (
        b'--x\r\nContent-Disposition: form-data; name="xqueue_header"\r\n\r\n{}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="xqueue_body"\r\n\r\n\xff\r\n--x--\r\n'
    )
    told = said(log_in("lms").generic("POST", "/xqueue/submit/", raw, content_type="multipart/form-data; boundary=x"))
    assert told[1]["content"].endswith(": it is not UTF-8, or has a replacement character")


@pytest.mark.usefixtures("reading")
def test_where_forms_are_read_before_us_files_come_by_rest_too() -> None:
    rest = rest_platform()
    rest.http = HostClient()
    raw = (
        b'--x\r\nContent-Disposition: form-data; name="submission"\r\n\r\n'
        b'{"queue_name": "q", "course_id": "c", "item_id": "i", "learner_id": "\xc3\xa9", "answer": 1}\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.py"\r\n\r\n\xff\r\n--x--\r\n'
    )
    response = rest.http.generic(
        "POST",
        "/xqueue/api/external_grading/v1/submissions/",
        raw,
        content_type="multipart/form-data; boundary=x",
        headers={**rest.headers, "Idempotency-Key": "k"},
    )
    assert (response.status_code, response.json()["learner_id"]) == (201, "é")
    (row,) = SubmissionFile.objects.all()
    assert (row.original_filename, row.size) == ("a.py", 1)


# Its limits. --------------------------------------------------------------------------------------------------------


def half(http: Client, server: LiveServer, verb: str, fields: dict[str, str]) -> bytes:
    """The first line that is answered to a form that breaks off. Django's own server, for one, says nothing of it."""
    body = urlencode(fields).encode()
    cookies = "; ".join(f"{name}={value.value}" for name, value in http.cookies.items())
    address = urlsplit(server.url)
    head = (
        f"POST /xqueue/{verb}/ HTTP/1.1\r\nHost: {address.netloc}\r\nCookie: {cookies}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=20) as connection:
        connection.sendall(head.encode() + body[:-8])
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


@pytest.mark.django_db(transaction=True)
def test_what_breaks_off_is_no_result_and_no_submission(live_server: LiveServer) -> None:
    make_grader("grader")
    make_submitter()
    submission_id = enqueue("q")
    http = log_in()
    result = {"xqueue_header": pull(http).header, "xqueue_body": '{"score": 1, "msg": "0123456789"}'}
    told = half(http, live_server, "put_result", result)
    assert told.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert told.endswith(b'{"return_code":1,"content":"Incorrect reply format: it broke off"}')
    row = job(submission_id)
    assert (row.status, row.num_failures, row.grader_reply) == ("pulled", 0, None)
    told = half(log_in("lms"), live_server, "submit", {"xqueue_header": header(), "xqueue_body": lms_body()})
    assert told.endswith(b'{"return_code":1,"content":"Queue request has invalid format: it broke off"}')
    assert ExternalGraderDetail.objects.count() == 1


def test_a_form_may_be_larger_than_a_platforms_own_forms(host: Settings) -> None:
    host.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    make_submitter()
    lms = log_in("lms")
    fields = {"xqueue_header": "{}", "xqueue_body": "x" * 1000}
    told = said(lms.post("/xqueue/submit/", fields, content_type="application/json"))
    assert told[1]["content"].startswith("Queue request has invalid format")  # it was read
    # Of several parts, Django reads no more; then its number is told.
    assert said(lms.post("/xqueue/submit/", fields))[1]["content"] == "The request is larger than 1000 bytes"


def test_a_stranger_has_no_more_read_than_a_login_needs() -> None:
    make_grader("grader")
    form = {"username": "grader", "password": PASSWORD, "more": "x" * 16_384}
    insufficient = (400, {"return_code": 1, "content": "Insufficient login info"})
    for kind in ("application/json", "multipart/form-data; boundary=BoUnDaRyStRiNg"):
        assert said(HostClient().post("/xqueue/login/", form, content_type=kind)) == insufficient


# Its accounts. ------------------------------------------------------------------------------------------------------


@pytest.fixture
def one_session_each() -> Iterator[None]:
    """As Open edX's PREVENT_CONCURRENT_LOGINS: each login ends the session of the one before."""
    last: dict[int, str] = {}

    def end_last(request: Any, user: User, **_: Any) -> None:
        if user.pk in last:
            import_module(django_settings.SESSION_ENGINE).SessionStore(last[user.pk]).delete()
        last[user.pk] = str(request.session.session_key)

    user_logged_in.connect(end_last)
    yield
    user_logged_in.disconnect(end_last)


@pytest.mark.usefixtures("one_session_each")
def test_machines_of_one_account_do_not_end_each_others_sessions() -> None:
    make_grader("grader")
    machines = [log_in() for _ in range(3)]
    for http in machines:
        assert said(http.get("/xqueue/get_submission/", {"queue_name": "q"})) == (200, EMPTY)


class Elsewhere(ModelBackend):
    """Accounts that prove themselves elsewhere, as by LDAP: none has a password here."""

    def authenticate(self, request: Any, username: Any = None, password: Any = None, **_: Any) -> Any:
        return User.objects.filter(username=username).first() if password == PASSWORD else None


def test_an_account_whose_password_is_kept_elsewhere_is_refused_or_let_in(host: Settings) -> None:
    host.AUTHENTICATION_BACKENDS = [f"{__name__}.Elsewhere"]
    for user in (make_grader("grader"), User.objects.create_user("learner")):
        user.set_unusable_password()
        user.save()
    log_in()
    refused = HostClient().post("/xqueue/login/", {"username": "learner", "password": PASSWORD})
    assert said(refused) == (401, {"return_code": 1, "content": "Incorrect login credentials"})
