"""Crowds of logins: however many come, threads are left for who has a session, and who must come again is told when."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from gradequeue.accounts import hashers, places
from gradequeue.accounts.places import Places
from gradequeue.settings import PASSWORD_HASHERS
from submissions.accounts.throttle import Throttled
from tests.xqueue.talk import said

pytestmark = pytest.mark.once

LOGIN = "/xqueue/login/"
CROWDED = "Too many logins at once; try again in 2 seconds"


@pytest.fixture
def _crowded(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[None]:
    """The service's own hashes, in a process with one place, which somebody else has and does not give back."""
    settings.PASSWORD_HASHERS = PASSWORD_HASHERS
    taken, done = threading.Event(), threading.Event()
    monkeypatch.setattr(places, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(hashers, "_places", Places(1))

    def stay() -> None:
        with hashers._places.one():
            taken.set()
            done.wait(60)

    holder = threading.Thread(target=stay)
    holder.start()
    assert taken.wait(10)
    yield
    done.set()
    holder.join()


def test_no_more_than_half_of_the_threads_reckon_and_a_quarter_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "WAIT_SECONDS", 60)
    crowd, inside, most = Places(4), threading.Semaphore(0), threading.Event()

    def log_in(_: int) -> str:
        try:
            with crowd.one():
                inside.release()
                most.wait(60)
        except Throttled as throttled:
            return str(throttled)
        return "let in"

    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(log_in, number) for number in range(20)]
        for _ in range(4):
            assert inside.acquire(timeout=30)
        deadline = time.monotonic() + 60
        while sum(one.done() for one in asked) < 14 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not inside.acquire(blocking=False)
        most.set()
        said = Counter(one.result(60) for one in asked)
    assert said == {"let in": 6, CROWDED: 14}


def test_who_has_a_place_needs_no_second_one() -> None:
    crowd = Places(1)
    with crowd.one(), crowd.one():
        pass
    with crowd.one():
        pass


@pytest.mark.django_db
@pytest.mark.usefixtures("_crowded")
@pytest.mark.parametrize("name", ["grader", "nobody"])
def test_a_login_that_finds_no_place_is_told_when_to_come_again(name: str) -> None:
    User.objects.create(username="grader", password="pbkdf2_sha256$600000$salt$hash")
    response = Client().post(LOGIN, {"username": name, "password": "a password that somebody chose"})
    assert said(response) == (429, {"return_code": 1, "content": CROWDED})
    assert response["Retry-After"] == "2"


@pytest.mark.django_db
@pytest.mark.usefixtures("_crowded")
def test_the_admin_says_the_same() -> None:
    response = Client().post("/admin/login/", {"username": "root", "password": "a password that somebody chose"})
    assert response.status_code == 200
    assert CROWDED in response.content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("_crowded")
def test_an_account_that_cannot_be_made_for_now_is_no_error(settings: Settings) -> None:
    settings.DEBUG = False
    admin = User.objects.create(username="root", is_staff=True, is_superuser=True)
    browser = Client(raise_request_exception=False)
    browser.force_login(admin)
    password = "correct horse battery"
    response = browser.post(
        "/admin/auth/user/add/",
        {"username": "new", "usable_password": "true", "password1": password, "password2": password},
    )
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert response.content.decode() == f"{CROWDED}\n"


@pytest.mark.usefixtures("_crowded")
def test_a_password_that_was_drawn_needs_no_place() -> None:
    hasher = hashers.PasswordHasher()
    assert hasher.verify("drawn", hasher.encode_random("drawn"))
