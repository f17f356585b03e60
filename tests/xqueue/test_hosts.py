"""The endpoints in a platform: its own middleware, accounts and receivers, which know nothing of graders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

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

from submissions.models import SubmissionFile
from tests.make import enqueue
from tests.rest.talk import platform as rest_platform
from tests.xqueue.talk import PASSWORD, Http, job, lms_body, make_grader, make_submitter, pull, put, said, submit

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
