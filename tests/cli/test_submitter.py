"""`gradequeue submitter`: accounts of platforms, which may submit and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

from submissions.models import GraderQueue
from tests.cli.talk import log_in, pull
from tests.server import Server


def submit(http: requests.Session, server: Server, queue: str) -> Any:
    head = {"lms_callback_url": "https://lms.example/back", "lms_key": "k", "queue_name": queue}
    fields = {"xqueue_header": json.dumps(head), "xqueue_body": "{}"}
    return http.post(f"{server.url}/xqueue/submit/", data=fields, timeout=20, allow_redirects=False)


def test_a_new_submitter_gets_the_settings_of_an_lms_and_can_submit_at_once(server: Server, name: str) -> None:
    done = server.run("submitter", "create", name, "--server", "https://q.example/")
    found = json.loads(done.stdout)["XQUEUE_INTERFACE"]
    assert found == {
        "url": "https://q.example",
        "django_auth": {"username": name, "password": found["django_auth"]["password"]},
    }
    assert done.stderr == "For the LMS, as XQUEUE_INTERFACE; the password is not shown again:\n"
    http, status, _ = log_in(server, name, found["django_auth"]["password"])
    with http:
        assert status == 200
        assert submit(http, server, name).json() == {"return_code": 0, "content": "1"}
        assert pull(http, server, name).json() == {"return_code": 1, "content": f"Queue '{name}' not found"}
        (row,) = server.rows("submitter", "disable", name, "--json")
        assert (row["name"], row["active"], row["queues"]) == (name, False, [])
        assert submit(http, server, name).status_code == 302


# What needs no service. ---------------------------------------------------------------------------------------------

in_process = pytest.mark.django_db


def call(*words: str) -> None:
    call_command("submitter", *words)


@in_process
@override_settings(SUBMISSIONS_BASE_URL="https://queue.example.org/")
def test_its_rights_are_a_group_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    call("create", "lms", "--password", "a good long password")
    user = User.objects.get()
    assert [group.name for group in user.groups.all()] == ["xqueue-submitters"]
    assert (user.is_active, user.is_staff, user.is_superuser) == (True, False, False)
    assert json.loads(capsys.readouterr().out) == {
        "XQUEUE_INTERFACE": {
            "url": "https://queue.example.org",
            "django_auth": {"username": "lms", "password": "a good long password"},
        }
    }


@in_process
def test_with_queues_it_is_granted_these_and_is_in_no_group(capsys: pytest.CaptureFixture[str]) -> None:
    call("create", "course", "--queue", "b", "--queue", "a", "--json")
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["name", "password", "xqueue_interface"]
    user = User.objects.get()
    assert list(user.groups.all()) == []
    call("grant", "course", "--queue", "c", "--json")
    call("list", "--json")
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[0]) == {"name": "course", "active": True, "queues": ["a", "b", "c"], "last_login": None}
    assert lines[1:] == lines[:1]
    # Being granted to submitters does not close a queue to graders.
    assert [queue.restricted for queue in GraderQueue.objects.all()] == [False, False, False]


@in_process
def test_the_list_shows_who_may_submit_to_every_queue(capsys: pytest.CaptureFixture[str]) -> None:
    call("create", "lms")
    call_command("grader", "create", "grader")
    capsys.readouterr()
    call("list")
    assert capsys.readouterr().out.splitlines() == [
        "name  active  queues       last login",
        "lms   True    every queue  -         ",
    ]


@in_process
def test_a_new_password_is_printed_with_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    call("create", "lms")
    capsys.readouterr()
    call("password", "lms", "--json")
    told = json.loads(capsys.readouterr().out)
    assert User.objects.get().check_password(told["password"])


@in_process
@pytest.mark.parametrize("what", ["password", "disable", "grant"])
def test_a_grader_is_no_submitter(what: str) -> None:
    call_command("grader", "create", "ada", "--queue", "q")
    with pytest.raises(CommandError, match="There is no submitter 'ada'"):
        call(what, "ada", *(["--queue", "q"] if what == "grant" else []))
    with pytest.raises(CommandError, match="There is an account 'ada' already"):
        call("create", "ada")


@pytest.mark.once
@pytest.mark.parametrize("words", [(), ("create",), ("grant", "ada"), ("list", "ada")])
def test_wrong_words_are_wrong_usage(server: Server, words: tuple[str, ...]) -> None:
    done = server.run("submitter", *words, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: gradequeue submitter" in done.stderr
