"""The two ways in which a platform mounts the endpoints, by the import paths of edx-submissions."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from pytest_django import Settings

from submissions import api
from tests.make import enqueue
from tests.xqueue.talk import GOOD, PASSWORD, Http, job, points, said, unpacked

PLATFORM = "tests.xqueue.platform_urls"
ROUTER = "tests.xqueue.router_urls"


def grade_one(prefix: str) -> None:
    """One job through all endpoints below `prefix`."""
    submission_id = enqueue("q")
    http = Http()
    login = http.post(f"{prefix}login/", {"username": "grader", "password": PASSWORD})
    assert said(login) == (200, {"return_code": 0, "content": "Logged in"})
    assert said(http.get(f"{prefix}status/")) == (200, {"return_code": 0, "content": "OK"})
    length = http.get(f"{prefix}get_queuelen/", {"queue_name": "q"})
    assert said(length) == (200, {"return_code": 0, "content": 1})
    work = unpacked(said(http.get(f"{prefix}get_submission/", {"queue_name": "q"}))[1]["content"])
    put = http.post(f"{prefix}put_result/", {"xqueue_header": work.header, "xqueue_body": GOOD})
    assert said(put) == (200, {"return_code": 0, "content": ""})
    assert said(http.post(f"{prefix}logout/")) == (200, {"return_code": 0, "content": "Goodbye"})
    lost = http.get(f"{prefix}get_submission/", {"queue_name": "q"})
    assert said(lost) == (302, {"return_code": 1, "content": "login_required"})
    assert lost["Location"] == f"{prefix}login/?next={prefix}get_submission/%3Fqueue_name%3Dq"
    assert points(submission_id) == 1


@pytest.mark.parametrize(
    ("urls", "prefix"), [(PLATFORM, "/xqueue/"), (PLATFORM, "/elsewhere/queue/"), (ROUTER, "/xqueue/")]
)
def test_a_platform_serves_all_endpoints(account: User, settings: Settings, urls: str, prefix: str) -> None:
    settings.ROOT_URLCONF = urls
    grade_one(prefix)


@pytest.mark.parametrize("urls", [PLATFORM, ROUTER])
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT"])
def test_no_other_method_claims_in_a_platform(account: User, settings: Settings, urls: str, method: str) -> None:
    settings.ROOT_URLCONF = urls
    submission_id = enqueue("q")
    http = Http()
    http.post("/xqueue/login/", {"username": "grader", "password": PASSWORD})
    assert http.generic(method, "/xqueue/get_submission/?queue_name=q").status_code == 405
    assert (job(submission_id).status, job(submission_id).num_pulls) == ("pending", 0)


def test_the_addresses_have_names_as_in_edx_submissions(settings: Settings) -> None:
    settings.ROOT_URLCONF = PLATFORM
    assert reverse("submissions:xqueue-login") == "/xqueue/login/"
    assert reverse("submissions:xqueue-put_result") == "/xqueue/put_result/"
    settings.ROOT_URLCONF = ROUTER
    assert reverse("xqueue-get_submission") == "/xqueue/get_submission/"


def test_files_are_served_below_the_mount_that_was_asked(account: User, settings: Settings) -> None:
    settings.ROOT_URLCONF = PLATFORM
    enqueue("q", files={"a.py": b"print(1)"})
    http = Http()
    http.post("/elsewhere/queue/login/", {"username": "grader", "password": PASSWORD})
    content = said(http.get("/elsewhere/queue/get_submission/", {"queue_name": "q"}))[1]["content"]
    (address,) = unpacked(content).files.values()
    assert address.startswith("http://testserver/elsewhere/queue/files/")
    response = Http().get(address.removeprefix("http://testserver"))
    assert b"".join(response.streaming_content) == b"print(1)"  # type: ignore[attr-defined]


def test_files_have_addresses_also_where_no_request_tells_the_mount(db: None, settings: Settings) -> None:
    settings.ROOT_URLCONF = PLATFORM
    settings.SUBMISSIONS_BASE_URL = "https://lms.example.org"
    files = api.get_files_for_grader(job(enqueue("q", files={"a.py": b"1"})))
    assert files["a.py"].startswith("https://lms.example.org/xqueue/files/")


@pytest.mark.parametrize("endpoint", ["login.json", "get_submission.json", "put_result.api", "status.xml"])
def test_the_suffixes_of_a_router_are_the_same_endpoints(account: User, settings: Settings, endpoint: str) -> None:
    settings.ROOT_URLCONF = ROUTER
    submission_id = enqueue("q")
    http = Http()
    http.post("/xqueue/login/", {"username": "grader", "password": PASSWORD})
    method = "POST" if endpoint.startswith("put") else "GET"
    status, body = said(http.generic(method, f"/xqueue/{endpoint}?queue_name=q"))
    assert status == (400 if method == "POST" else 200)
    if endpoint.startswith("get"):
        assert json.loads(body["content"])["xqueue_files"] == "{}"
        assert job(submission_id).status == "pulled"
