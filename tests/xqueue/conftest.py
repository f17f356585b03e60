from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.server import Server
from tests.xqueue.program import FORM, LOGGED_IN, Program
from tests.xqueue.talk import PASSWORD, Http, log_in, make_grader


@pytest.fixture
def account(db: None) -> User:
    """The account of a grader, with the least rights that grading needs."""
    return make_grader("grader")


@pytest.fixture
def stranger(db: None) -> Client:
    """A client that has not logged in."""
    return Http()


@pytest.fixture
def grader(account: User) -> Client:
    """A logged-in grader's client."""
    return log_in(account.username, PASSWORD)


@pytest.fixture
def password(server: Server, name: str) -> str:
    """Of a new grader `name` of the real server."""
    return server.grader(name)


@pytest.fixture
def program(server: Server, name: str, password: str) -> Program:
    """Logged in to the real server as the grader `name`."""
    one = Program(server)
    assert one.ask("POST", "/xqueue/login/", f"username={name}&password={password}", Content_Type=FORM) == LOGGED_IN
    return one
