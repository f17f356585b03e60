"""Guessing slows down the guesser, and nobody else (ADR 0030)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils.timezone import now
from pytest_django import Settings

from submissions.models import LoginCounter
from tests.make import enqueue as new_job
from tests.xqueue.talk import PASSWORD, Http, make_grader, pull, put, said

LOGIN = "/xqueue/login/"
LOGGED_IN = (200, {"return_code": 0, "content": "Logged in"})


@pytest.fixture(autouse=True)
def _five_are_free(settings: Settings) -> None:
    settings.SUBMISSIONS_LOGIN_FREE_FAILURES = 5


def attempt(address: str, password: str, name: str = "grader") -> int:
    response = Http(REMOTE_ADDR=address).post(LOGIN, {"username": name, "password": password})
    return int(said(response)[0])


def guess(address: str, count: int, name: str = "grader") -> list[int]:
    return [attempt(address, f"guess {number}", name) for number in range(count)]


def let_delays_end() -> None:
    LoginCounter.objects.exclude(blocked_until=None).update(blocked_until=now() - timedelta(seconds=1))


def test_after_the_free_failures_a_login_must_wait(account: User) -> None:
    assert guess("10.0.0.1", 7) == [401] * 5 + [429] * 2
    response = Http(REMOTE_ADDR="10.0.0.1").post(LOGIN, {"username": "grader", "password": PASSWORD})
    assert response.status_code == 429
    assert response["Retry-After"] in ("1", "2")
    assert response["Content-Type"] == "application/json"
    assert response.json()["return_code"] == 1
    assert response.json()["content"].startswith("Too many failed logins; try again in ")


def test_the_delay_doubles_up_to_the_ceiling(account: User, settings: Settings) -> None:
    settings.SUBMISSIONS_LOGIN_DELAY_CEILING_SECONDS = 6
    waits = []
    for number in range(9):
        assert attempt("10.0.0.1", f"guess {number}") == 401
        blocked = LoginCounter.objects.exclude(blocked_until=None)
        waits.append(max((round((row.blocked_until - row.seen_at).total_seconds()) for row in blocked), default=0))  # type: ignore[operator]
        let_delays_end()
    assert waits == [0, 0, 0, 0, 1, 2, 4, 6, 6]


def test_a_delay_that_is_over_lets_the_right_password_in_and_clears_the_count(account: User) -> None:
    guess("10.0.0.1", 6)
    let_delays_end()
    assert attempt("10.0.0.1", PASSWORD) == 200
    assert guess("10.0.0.1", 5) == [401] * 5


def test_a_delay_from_before_a_clock_was_set_back_is_none(account: User) -> None:
    guess("10.0.0.1", 6)
    LoginCounter.objects.exclude(blocked_until=None).update(blocked_until=now() + timedelta(hours=2))
    assert attempt("10.0.0.1", PASSWORD) == 200


def test_a_grader_at_its_usual_address_keeps_working_while_others_guess(account: User) -> None:
    assert attempt("10.0.0.1", PASSWORD) == 200
    for number in range(120):  # a botnet: the account's own counter closes, too
        assert attempt(f"10.9.0.{number}", "guess") in (401, 429)
    assert attempt("10.8.0.1", PASSWORD) == 429
    http = Http(REMOTE_ADDR="10.0.0.1")
    assert said(http.post(LOGIN, {"username": "grader", "password": PASSWORD})) == LOGGED_IN
    new_job("q")
    assert put(http, pull(http).header) == (200, {"return_code": 0, "content": ""})


def test_one_guessing_address_does_not_stop_a_grader_that_was_never_seen(account: User) -> None:
    assert 429 in guess("10.0.0.1", 50)
    assert attempt("10.0.0.2", PASSWORD) == 200


def test_one_network_that_tries_many_accounts_is_slowed_down(account: User) -> None:
    seen = [attempt("10.0.0.1", "guess", f"name{number}") for number in range(60)]
    assert seen == [401] * 50 + [429] * 10


def test_an_unknown_account_is_answered_like_a_known_one(account: User) -> None:
    make_grader("teacher", group="teachers")
    assert guess("10.0.0.1", 7, "grader") == guess("10.0.0.2", 7, "nobody") == [401] * 5 + [429] * 2
    assert [attempt("10.0.0.3", PASSWORD, "teacher") for _ in range(2)] == [401, 401]


def test_a_watcher_that_repeats_its_old_password_stops_nobody(account: User) -> None:
    assert [attempt("10.0.0.1", "the old one") for _ in range(30)] == [401] * 30
    assert attempt("10.0.0.1", PASSWORD) == 200


def test_a_password_that_was_wrong_may_become_the_right_one(account: User) -> None:
    assert attempt("10.0.0.1", "the new one") == 401
    account.set_password("the new one")
    account.save()
    assert attempt("10.0.0.1", "the new one") == 200


@pytest.mark.parametrize("lost", ["activity", "group"])
def test_a_grader_that_was_kept_out_gets_in_as_soon_as_its_account_may(account: User, lost: str) -> None:
    group = account.groups.get()
    if lost == "activity":
        User.objects.filter(pk=account.pk).update(is_active=False)
    else:
        account.groups.clear()
    assert [attempt("10.0.0.1", PASSWORD) for _ in range(3)] == [401] * 3
    User.objects.filter(pk=account.pk).update(is_active=True)
    account.groups.add(group)
    assert attempt("10.0.0.1", PASSWORD) == 200


@pytest.mark.parametrize("name", ["GRADER", "Grader", "\uff27rader"])
def test_spelling_the_name_otherwise_is_no_way_around(account: User, name: str) -> None:
    guess("10.0.0.1", 5)
    assert attempt("10.0.0.1", "another", name) == 429


def test_names_that_the_database_takes_for_one_fail_together(account: User) -> None:
    """By MySQL's collations `grader `, `gr\xe1der` and more are `grader`: each would have free failures of its own."""
    spelled = ["grader ", "gr\xe1der", "GR\xc4DER  "]
    mine = [name for name in spelled if User.objects.filter(username=name).exists()]
    assert mine == (spelled if connection.vendor == "mysql" else [])
    guess("10.0.0.1", 5)
    assert [attempt("10.0.0.1", "another", name) for name in spelled] == [429 if mine else 401] * 3


def test_an_ipv6_customer_is_one_network(account: User) -> None:
    seen = [attempt(f"2001:db8:1:2::{number:x}", f"guess {number}") for number in range(1, 8)]
    assert seen == [401] * 5 + [429] * 2


def test_zero_turns_the_throttle_off(account: User, settings: Settings) -> None:
    settings.SUBMISSIONS_LOGIN_DELAY_CEILING_SECONDS = 0
    assert guess("10.0.0.1", 60) == [401] * 60
    assert not LoginCounter.objects.exists()


def test_neither_names_nor_addresses_nor_passwords_are_kept(account: User) -> None:
    guess("10.0.0.1", 3)
    kept = str(list(LoginCounter.objects.values_list()))
    assert LoginCounter.objects.count() == 3
    assert [text for text in ("grader", "10.0.0.1", "guess") if text in kept] == []


def test_the_admin_is_throttled_too(db: None) -> None:
    User.objects.create_superuser("root", password=PASSWORD)

    def log_in(password: str) -> bytes:
        http = Client(REMOTE_ADDR="10.0.0.1")
        return http.post("/admin/login/", {"username": "root", "password": password}).content

    for number in range(5):
        assert b"Please enter the correct" in log_in(f"guess {number}")
    assert b"Too many failed logins" in log_in(PASSWORD)
    let_delays_end()
    assert log_in(PASSWORD) == b""


@pytest.mark.django_db(transaction=True)
def test_of_many_guesses_at_once_only_the_free_ones_are_answered() -> None:
    make_grader("grader")
    assert sorted(at_once(lambda number: attempt("10.0.0.1", f"guess {number}"), 20)) == [401] * 5 + [429] * 15


@pytest.mark.django_db(transaction=True)
def test_of_many_machines_that_log_in_at_once_each_gets_in() -> None:
    make_grader("grader")
    for turn in range(5):  # an account that was never seen at this address, each time
        address = f"10.0.{turn}.1"
        assert at_once(lambda _, address=address: attempt(address, PASSWORD), 12) == [200] * 12  # type: ignore[misc]


def at_once(ask: Callable[[int], int], times: int) -> list[int]:
    ready, seen = threading.Barrier(times), list[int]()

    def run(number: int) -> None:
        try:
            ready.wait(30)
            seen.append(ask(number))
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen
