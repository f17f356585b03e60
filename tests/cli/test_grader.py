"""`gradequeue grader`: accounts that may grade and nothing else, and that take effect at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import requests
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

from submissions.models import GraderQueue, OperatorMove
from tests.cli.talk import log_in, pull
from tests.server import Server

WRONG = (401, {"return_code": 1, "content": "Incorrect login credentials"})


@pytest.fixture
def sessions() -> Iterator[list[requests.Session]]:
    """Sessions that are closed at the end."""
    opened: list[requests.Session] = []
    yield opened
    for session in opened:
        session.close()


def test_a_new_grader_gets_a_file_for_its_watcher_and_can_pull_at_once(
    server: Server, name: str, sessions: list[requests.Session]
) -> None:
    done = server.run(
        "grader", "create", name, "--queue", name, "--queue", f"{name}/2", "--server", "https://q.example/"
    )
    servers = json.loads(done.stdout)
    password = servers["default"]["AUTH"][1]
    assert servers == {"default": {"SERVER": "https://q.example", "AUTH": [name, password]}}
    assert len(password) >= 32
    assert done.stderr == "For the watcher, as xqueue_servers.json; the password is not shown again:\n"
    http, status, told = log_in(server, name, password)
    sessions.append(http)
    assert (status, told) == (200, {"return_code": 0, "content": "Logged in"})
    assert pull(http, server, f"{name}/2").json() == {"return_code": 1, "content": f"Queue '{name}/2' is empty"}
    (row,) = (row for row in server.rows("grader", "list", "--json") if row["name"] == name)
    assert (row["active"], row["queues"]) == (True, [name, f"{name}/2"])
    assert row["last_login"] is not None


def test_a_queue_with_grants_is_for_its_graders_alone_and_a_grant_works_within_seconds(
    server: Server, name: str, sessions: list[requests.Session]
) -> None:
    server.enqueue({"queue_name": name})
    server.grader(f"{name}-owner", name)
    http, _, _ = log_in(server, f"{name}-other", server.grader(f"{name}-other"))
    sessions.append(http)
    assert pull(http, server, name).json() == {"return_code": 1, "content": f"Queue '{name}' not found"}
    (row,) = server.rows("grader", "grant", f"{name}-other", "--queue", name, "--json")
    assert (row["name"], row["active"], row["queues"]) == (f"{name}-other", True, [name])
    # Each worker remembers grants for two seconds.
    deadline = time.monotonic() + 20
    while pull(http, server, name).json()["return_code"] != 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_new_password_ends_the_sessions_of_the_old_one(
    server: Server, name: str, sessions: list[requests.Session]
) -> None:
    old = server.grader(name)
    http, _, _ = log_in(server, name, old)
    sessions.append(http)
    (row,) = server.rows("grader", "password", name, "--json")
    assert list(row) == ["name", "password", "xqueue_servers"]
    assert pull(http, server, name).status_code == 302
    again, *told = log_in(server, name, old)
    fresh, status, _ = log_in(server, name, row["password"])
    sessions += [again, fresh]
    assert (*told,) == WRONG
    assert status == 200


def test_a_disabled_grader_is_out_at_once(server: Server, name: str, sessions: list[requests.Session]) -> None:
    password = server.grader(name)
    http, _, _ = log_in(server, name, password)
    sessions.append(http)
    (row,) = server.rows("grader", "disable", name, "--json")
    assert (row["name"], row["active"]) == (name, False)
    assert pull(http, server, name).status_code == 302
    again, *told = log_in(server, name, password)
    sessions.append(again)
    assert (*told,) == WRONG


def test_a_name_that_is_taken_is_refused(server: Server, name: str) -> None:
    server.grader(name)
    done = server.run("grader", "create", name, "--json", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"CommandError: There is an account '{name}' already.\n"


@pytest.mark.parametrize("what", ["password", "disable", "grant"])
def test_a_grader_that_does_not_exist_is_refused(server: Server, what: str) -> None:
    words = ["--queue", "q"] if what == "grant" else []
    done = server.run("grader", what, "nobody-at-all", *words, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "CommandError: There is no grader 'nobody-at-all'.\n"


@pytest.mark.once
@pytest.mark.parametrize("words", [(), ("create",), ("grant", "ada"), ("remove", "ada"), ("list", "ada")])
def test_wrong_words_are_wrong_usage(server: Server, words: tuple[str, ...]) -> None:
    done = server.run("grader", *words, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: gradequeue grader" in done.stderr


# What needs no service. ---------------------------------------------------------------------------------------------

in_process = pytest.mark.django_db


def create(name: str, *words: str) -> None:
    call_command("grader", "create", name, *words)


@in_process
def test_its_rights_are_a_group_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    create("ada", "--password", "a good long password")
    user = User.objects.get()
    assert [group.name for group in user.groups.all()] == ["xqueue"]
    assert (user.is_active, user.is_staff, user.is_superuser, list(user.user_permissions.all())) == (
        True,
        False,
        False,
        [],
    )
    assert list(user.groups.get().permissions.all()) == []
    assert json.loads(capsys.readouterr().out) == {
        "default": {"SERVER": "http://127.0.0.1:8000", "AUTH": ["ada", "a good long password"]}
    }


@in_process
def test_a_weak_password_is_the_operators_choice_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    create("ada", "--password", "ada")
    assert User.objects.get().check_password("ada")
    assert capsys.readouterr().err.startswith("Warning, a weak password: The password is too similar to the username.")


@in_process
@override_settings(SUBMISSIONS_BASE_URL="https://queue.example.org/")
def test_the_configured_address_is_the_watchers(capsys: pytest.CaptureFixture[str]) -> None:
    create("ada")
    assert json.loads(capsys.readouterr().out)["default"]["SERVER"] == "https://queue.example.org"


@in_process
@pytest.mark.parametrize("name", ["", "two words", "a\nb", "x" * 151, "a/b", "<b>"])
def test_a_name_that_nobody_can_log_in_with_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="cannot be a name"):
        create(name)
    assert not User.objects.exists()


@in_process
@pytest.mark.parametrize("queue", ["", " ", "a\nb", "q" * 129])
def test_a_queue_that_cannot_be_is_refused_and_no_account_is_made(queue: str) -> None:
    with pytest.raises(CommandError, match="cannot be the name of a queue"):
        create("ada", "--queue", queue)
    assert not User.objects.exists()


@in_process
def test_an_account_that_is_no_grader_is_left_alone() -> None:
    User.objects.create_user("teacher", password="secret of a teacher")
    with pytest.raises(CommandError, match="There is an account 'teacher' already"):
        create("teacher")
    with pytest.raises(CommandError, match="There is no grader 'teacher'"):
        call_command("grader", "password", "teacher")
    assert User.objects.get().check_password("secret of a teacher")


@pytest.mark.django_db
def test_a_new_account_is_noted_with_the_queue_that_it_may_pull_from() -> None:
    call_command("grader", "create", "ada", "--queue", " python ")
    assert list(GraderQueue.objects.values_list("name", flat=True)) == ["python"]
    assert list(OperatorMove.objects.values_list("move", "subject", "queue_name")) == [("account", "ada", "python")]
