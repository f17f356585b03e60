"""A session ends unused, and some day in any case; with its account's rights; and using it writes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now
from pytest_django import Settings

from gradequeue.accounts import session_lifetime
from tests.xqueue.talk import PASSWORD, Http, log_in

HOUR = 3600


class Clock:
    def __init__(self) -> None:
        self.passed = 0

    def time(self) -> float:
        return now().timestamp() + self.passed

    def sleep(self, seconds: int) -> None:
        """As if time had passed for the sessions: their rows age, and what is in them."""
        self.passed += seconds
        for row in Session.objects.all():
            Session.objects.filter(pk=row.pk).update(expire_date=row.expire_date - timedelta(seconds=seconds))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Clock:
    settings.SESSION_IDLE_SECONDS = 8 * HOUR
    settings.SESSION_COOKIE_AGE = 22 * HOUR
    made = Clock()
    # The row's own moment is moved back when time passes; what is written anew must be moved back, too.
    monkeypatch.setattr(session_lifetime, "time", made)
    kept = session_lifetime.prolong
    monkeypatch.setattr(session_lifetime, "prolong", lambda data: kept(data) - timedelta(seconds=made.passed))
    return made


def poll(http: Client) -> int:
    return http.get("/xqueue/get_queuelen/", {"queue_name": "q"}).status_code


def writes(http: Client) -> list[str]:
    with CaptureQueriesContext(connection) as caught:
        assert poll(http) == 200
    return [query["sql"] for query in caught if "UPDATE" in query["sql"] and "session" in query["sql"]]


def test_a_session_that_nobody_uses_ends(grader: Client, clock: Clock) -> None:
    assert poll(grader) == 200
    clock.sleep(8 * HOUR + 1)
    assert poll(grader) == 302


def test_a_watcher_that_polls_stays_logged_in_until_the_absolute_end(clock: Clock, account: User) -> None:
    grader = log_in(account.username)
    seen = []
    for _ in range(26):
        clock.sleep(HOUR)
        seen.append(poll(grader))
    assert seen == [200] * 21 + [302] * 5


def test_a_poll_writes_nothing_until_half_of_the_idle_time_is_over(clock: Clock, account: User) -> None:
    grader = log_in(account.username)
    clock.sleep(4 * HOUR - 60)
    assert [writes(grader) for _ in range(3)] == [[], [], []]
    clock.sleep(120)
    assert len(writes(grader)) == 1
    assert writes(grader) == []


def test_near_its_absolute_end_a_session_is_not_written_again_and_again(clock: Clock, account: User) -> None:
    grader = log_in(account.username)
    for _ in range(20):
        clock.sleep(HOUR)
        writes(grader)
    assert [writes(grader) for _ in range(3)] == [[], [], []]


def test_an_operators_session_ends_unused_too(admin_user: User, clock: Clock) -> None:
    http = Client()
    assert http.post("/admin/login/", {"username": "admin", "password": "password"}).status_code == 302
    clock.sleep(5 * HOUR)
    assert http.get("/admin/").status_code == 200
    clock.sleep(5 * HOUR)
    assert http.get("/admin/").status_code == 200
    clock.sleep(8 * HOUR + 1)
    assert http.get("/admin/").status_code == 302


@pytest.mark.parametrize("change", ["disabled", "password", "group", "deleted"])
def test_a_session_ends_with_its_accounts_rights(grader: Client, account: User, change: str) -> None:
    assert poll(grader) == 200
    if change == "disabled":
        User.objects.update(is_active=False)
    elif change == "password":
        account.set_password("another one, long enough")
        account.save()
    elif change == "group":
        account.groups.clear()
    else:
        account.delete()
    assert poll(grader) == 302


def test_a_session_that_was_set_before_the_login_is_not_the_one_after_it(account: User) -> None:
    planted = "1." + "a" * 26
    http = Http()
    http.cookies["sessionid"] = planted
    assert http.post("/xqueue/login/", {"username": account.username, "password": PASSWORD}).status_code == 200
    assert http.cookies["sessionid"].value != planted
    assert not Session.objects.filter(session_key=planted).exists()
    attacker = Http()
    attacker.cookies["sessionid"] = planted
    assert poll(attacker) == 302


def test_an_operators_session_is_a_new_one_after_the_login(admin_user: User) -> None:
    http = Client()
    http.cookies["sessionid"] = planted = "b" * 32
    http.post("/admin/login/", {"username": "admin", "password": "password"})
    assert http.cookies["sessionid"].value not in ("", planted)


def test_many_sessions_of_one_account_live_side_by_side(account: User) -> None:
    clients = [log_in(account.username) for _ in range(5)]
    clients[0].post("/xqueue/logout/")
    assert [poll(http) for http in clients] == [302, 200, 200, 200, 200]
