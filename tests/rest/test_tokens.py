"""Tokens: how they are made, what they open and what they do not, and when they end."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils.timezone import now

from submissions.accounts import tokens
from submissions.models import ExternalGraderDetail, GraderQueue, Token
from tests.make import make
from tests.rest.talk import NO_CLAIM, Rest, account, grader, operator, platform, with_token
from tests.xqueue.talk import Http, pull, put, said

pytestmark = pytest.mark.django_db


def made(user: User, *scopes: str, **more: Any) -> tuple[Token, str]:
    return tokens.make_token(user, scopes=scopes, queues=more.pop("queues", ["*"]), **more)


def test_the_secret_is_kept_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token, text = made(account("ada"), "claim")
    assert tokens.FORM.fullmatch(text)
    secret = text[12:]
    assert len(secret) == 43
    kept = json.dumps({name: str(value) for name, value in vars(Token.objects.get()).items()})
    assert secret not in kept
    Rest(text).post("claims/", {"queue_name": "q"})
    assert secret not in caplog.text
    assert str(token) == f"gq_{token.public_id}"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Basic abc", "Bearer gq_00000000_" + "x" * 43, "bearer\0", "Bearer gq_é", "x" * 5000],
)
def test_no_good_token(header: str) -> None:
    make()
    rest = Rest()
    rest.headers = {"Authorization": header} if header else {}
    for method, path in (
        ("POST", "claims/"),
        ("GET", "queues/"),
        ("GET", "tokens/me/"),
        ("DELETE", f"claims/{NO_CLAIM}/"),
    ):
        answer = rest.ask(method, path, {"queue_name": "q"})
        assert (answer.status, answer.kind) == (401, "authn")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_ends(settings: Any) -> None:
    user = account("ada")
    token, text = made(user, "claim", expires_at=now() + timedelta(hours=1))
    rest = Rest(text)
    assert rest.get("tokens/me/").status == 200
    Token.objects.update(expires_at=now() - timedelta(seconds=1))
    assert rest.get("tokens/me/").status == 401
    Token.objects.update(expires_at=None)
    user.is_active = False
    user.save()
    assert rest.get("tokens/me/").status == 401
    user.is_active = True
    user.save()
    assert rest.get("tokens/me/").status == 200
    tokens.revoke(token.public_id)
    assert rest.get("tokens/me/").status == 401


def test_a_scope_is_idle_once_the_account_lost_the_right() -> None:
    rest = grader("ada")
    user = User.objects.get()
    user.groups.clear()
    answer = rest.post("claims/", {"queue_name": "q"})
    assert (answer.status, answer.kind) == (403, "authz")
    assert rest.get("tokens/me/").status == 200


def test_no_scope_contains_another() -> None:
    ada, lms, root = grader(), platform(), operator()
    observer = with_token(User.objects.get(username="root"), "observe")
    body = {"queue_name": "q"}
    for who in (lms, root, observer):
        assert who.post("claims/", body).kind == "authz"
    for who in (ada, root, observer):
        assert who.post("submissions/", body, Idempotency_Key="k").kind == "authz"
    for who in (ada, lms):
        assert who.get("queues/").kind == "authz"
    for who in (ada, observer):
        assert who.get("submissions/").kind == "authz"


def test_who_may_have_which_scope() -> None:
    both = account("both")
    account("both", "xqueue-submitters")
    staff, root = account("staff", "", is_staff=True), account("root", "", is_superuser=True, is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_externalgraderdetail"))
    nobody = account("nobody", "")
    for user, scopes in (
        (nobody, ["claim"]),
        (nobody, ["submit"]),
        (nobody, ["observe"]),
        (nobody, ["operate"]),
        (root, ["claim"]),
        (both, ["claim", "submit"]),
        (account("ada"), ["submit"]),
        (staff, ["colour"]),
        (staff, []),
    ):
        with pytest.raises(tokens.TokenRefused):
            made(user, *scopes)
    made(both, "claim")
    with pytest.raises(tokens.TokenRefused):
        made(both, "submit")
    made(User.objects.get(username="staff"), "operate", "observe")
    made(root, "operate", "observe")
    GraderQueue.objects.create(name="q").observers.add(nobody)
    made(User.objects.get(username="nobody"), "observe")
    for queues in ([], [""], ["x" * 129], ["a\n"], ["q"] * 51):
        with pytest.raises(tokens.TokenRefused):
            made(account("ada"), "claim", queues=queues)


@pytest.mark.parametrize(
    ("pattern", "name", "is_covered"),
    [
        ("python", "python", True),
        ("python", "python2", False),
        ("python", "Python", False),
        ("cs101-*", "cs101-", True),
        ("cs101-*", "cs101-a/b", True),
        ("cs101-*", "cs102-a", False),
        ("*", "anything at all", True),
        ("a.c", "abc", False),
        ("a?c", "abc", False),
        ("[ab]", "a", False),
        ("*-x-*", "a-x-b", True),
        ("*-x-*", "a-x", False),
        ("a*b*a", "aba", True),
        ("a*b*a", "abaxbca", True),
        ("a*a", "a", False),
        ("**a**", "bab", True),
        ("*a" * 60 + "*b", "a" * 128, False),
        ("*a" * 60 + "*b", "a" * 127 + "b", True),
    ],
)
def test_only_the_star_is_special(pattern: str, name: str, is_covered: bool) -> None:
    token, _ = made(account("ada"), "claim", queues=["other", pattern])
    assert tokens.covers(token, name) is is_covered


def test_a_name_that_the_database_takes_for_another_is_no_way_around_the_patterns() -> None:
    make("LAB-exam")
    user = account("ada")
    _, text = made(user, "claim", queues=["lab-*"])
    by_mysql = connection.vendor == "mysql"
    asked = Rest(text).post("claims/", {"queue_name": "lab-exam"})
    assert (asked.status, asked.body.get("claims")) == ((404, None) if by_mysql else (200, []))
    http = Http()
    http.post("/xqueue/login/", {"username": "ada", "password": text})
    content = said(http.get("/xqueue/get_submission/", {"queue_name": "lab-exam"}))[1]["content"]
    assert content == f"Queue 'lab-exam' {'not found' if by_mysql else 'is empty'}"
    assert ExternalGraderDetail.objects.get().status == "pending"


def test_the_last_use_is_written_now_and_then() -> None:
    rest = grader("ada")
    assert Token.objects.get().last_used_at is None
    rest.get("tokens/me/")
    first = Token.objects.get().last_used_at
    assert first is not None
    rest.get("tokens/me/")
    assert Token.objects.get().last_used_at == first
    Token.objects.update(last_used_at=first - timedelta(minutes=6))
    rest.get("tokens/me/")
    assert Token.objects.get().last_used_at >= first  # type: ignore[operator]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    account("ada")
    words = ("--scope", "claim", "--queue", "python", "--name", "lab", "--expires-at", "2099-01-31", "--json")
    call_command("token", "create", "ada", *words)
    row = json.loads(capsys.readouterr().out)
    assert row["token"].startswith(f"gq_{row['id']}_")
    assert row["expires_at"] == "2099-01-31T00:00:00+00:00"
    call_command("token", "list", "--json")
    listed = json.loads(capsys.readouterr().out)
    assert "token" not in listed
    assert (listed["account"], listed["scopes"], listed["queues"]) == ("ada", ["claim"], ["python"])
    call_command("token", "revoke", row["token"], "--json")
    assert json.loads(capsys.readouterr().out)["revoked_at"]
    assert Rest(row["token"]).get("tokens/me/").status == 401
    for refused in (["create", "nobody", "--scope", "claim", "--queue", "q"], ["revoke", "nothing1"]):
        with pytest.raises(CommandError):
            call_command("token", *refused)
    with pytest.raises(CommandError, match="'soon' is neither a day nor a time, such as 2027-01-31"):
        call_command("token", "create", "ada", *words[:4], "--expires-at", "soon")


# As the password of an XQueue login. ----------------------------------------------------------------------------------


def test_a_token_is_good_as_the_accounts_password() -> None:
    user = account("ada")
    token, text = made(user, "claim", queues=["python-*"])
    make("python-1"), make("q")
    http = Http()
    status, _ = said(http.post("/xqueue/login/", {"username": "ada", "password": text}))
    assert status == 200
    assert said(http.get("/xqueue/get_submission/", {"queue_name": "q"}))[1]["content"] == "Queue 'q' not found"
    assert said(http.get("/xqueue/get_queuelen/", {"queue_name": "q"}))[1]["return_code"] == 1
    work = pull(http, "python-1")
    assert put(http, work.header)[0] == 200
    tokens.revoke(token.public_id)
    assert said(http.get("/xqueue/get_submission/", {"queue_name": "python-1"}))[0] == 302


def test_a_session_of_a_token_is_good_for_nothing_that_the_token_is_not_good_for() -> None:
    user = account("ada", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(content_type__app_label="submissions"))
    account("ada", "xqueue-submitters")
    token, text = made(user, "claim", queues=["q"])
    GraderQueue.objects.create(name="q")
    http = Http()
    assert said(http.post("/xqueue/login/", {"username": "ada", "password": text}))[0] == 200
    user.refresh_from_db()
    assert user.last_login is not None
    assert said(http.get("/xqueue/get_queuelen/", {"queue_name": "q"})) == (200, {"return_code": 0, "content": 0})
    for page in ("/dashboard/", "/admin/", "/api/external_grading/v1/schema/"):
        assert http.get(page).status_code in (302, 401), page
    sent = {
        "xqueue_header": json.dumps({"lms_callback_url": "https://lms.example/", "lms_key": "k", "queue_name": "other"})
    }
    submitted = {"return_code": 1, "content": "This account may not submit"}
    assert said(http.post("/xqueue/submit/", {**sent, "xqueue_body": "{}"})) == (200, submitted)
    tokens.revoke(token.public_id)
    assert said(http.post("/xqueue/submit/", {**sent, "xqueue_body": "{}"}))[0] == 302
    assert not ExternalGraderDetail.objects.exists()


def test_a_token_is_no_password_of_others_nor_without_its_scope() -> None:
    _, text = made(account("ada"), "claim")
    _, platforms = made(account("lms", "xqueue-submitters"), "submit")
    account("bob")
    for name, password in (("bob", text), ("lms", platforms), ("ada", text[:-1] + "!"), ("Ada", text)):
        status, _ = said(Http().post("/xqueue/login/", {"username": name, "password": password}))
        assert status == 401, name
    assert not Http().login(username="ada", password=text)


# In the admin. --------------------------------------------------------------------------------------------------------


def test_the_admin_shows_a_new_token_once_and_revokes_it() -> None:
    from django.test import Client

    root = account("root", "", is_staff=True, is_superuser=True)
    ada = account("ada")
    browser = Client()
    browser.force_login(root)
    place = "/admin/submissions/token/"
    form = {"account": ada.pk, "name": "lab", "scopes": ["claim"], "queue_patterns": "python-*\nq"}
    page = browser.post(f"{place}add/", form, follow=True).content.decode()
    text = tokens.FORM.search(page)
    assert text is not None
    token = Token.objects.get()
    assert (token.scopes, token.patterns, token.created_by) == ("claim", ["python-*", "q"], "root")
    assert Rest(text[0]).get("tokens/me/").status == 200
    page = browser.get(place).content.decode()
    assert text[0] not in page
    assert f"gq_{token.public_id}" in page
    refused = browser.post(f"{place}add/", {**form, "scopes": ["submit"]}).content.decode()
    assert "has no right to submit" in refused
    assert Token.objects.count() == 1
    browser.post(place, {"action": "revoke", "_selected_action": [token.pk]})
    assert Rest(text[0]).get("tokens/me/").status == 401
