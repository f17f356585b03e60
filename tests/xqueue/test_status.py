"""status/ says that somebody answers, to anybody, and asks nothing of the database."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.xqueue.talk import said

OK = (200, {"return_code": 0, "content": "OK"})


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/xqueue/status/", "/xqueue/status", "/xqueue/status/?block=true"])
def test_anybody_may_ask(stranger: Client, method: str, path: str) -> None:
    response = stranger.generic(method, path)
    assert said(response) == OK
    assert response.content == b'{"return_code":0,"content":"OK"}'
    assert not response.cookies


def test_the_database_is_not_asked_even_for_a_live_session(
    grader: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert said(grader.get("/xqueue/status/")) == OK


@pytest.mark.parametrize("value", ["Basic Z3JhZGVyOndyb25n", "Bearer abc", "nonsense"])
def test_an_authorization_header_changes_nothing(stranger: Client, value: str) -> None:
    assert said(stranger.get("/xqueue/status/", headers={"Authorization": value})) == OK


def test_a_body_is_not_looked_at(stranger: Client) -> None:
    assert said(stranger.post("/xqueue/status/", "{", content_type="application/json")) == OK
    assert said(stranger.post("/xqueue/status/", b"\x00\xff", content_type="image/png")) == OK
