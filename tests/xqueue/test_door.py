"""The graders' own door: the same answers as by the long way, to the last header."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from submissions.models import ExternalGraderDetail
from tests.make import enqueue
from tests.xqueue.talk import GOOD, PASSWORD, pull

DOOR = "gradequeue.http.graders_lane.GradersDoor"
CALLS = [
    ("GET", "/xqueue/get_submission/?queue_name=q"),
    ("GET", "/xqueue/get_submission?queue_name=q"),
    ("GET", "/xqueue/get_submission/"),
    ("HEAD", "/xqueue/get_submission/?queue_name=q"),
    ("OPTIONS", "/xqueue/get_submission/?queue_name=q"),
    ("POST", "/xqueue/get_submission/?queue_name=q"),
    ("GET", "/xqueue/get_queuelen/?queue_name=q"),
    ("POST", "/xqueue/put_result/"),
    ("POST", "/xqueue/put_result"),
    ("GET", "/xqueue/put_result/"),
]


def answered(method: str, path: str, settings: Settings, *, door: bool, session: str, **headers: str) -> HttpResponse:
    both = list(settings.MIDDLEWARE)
    assert DOOR in both
    try:
        if not door:
            settings.MIDDLEWARE = [name for name in both if name != DOOR]
        client = Client(enforce_csrf_checks=True)
        client.cookies["sessionid"] = session
        response = client.generic(method, path, headers=headers)
    finally:
        settings.MIDDLEWARE = both
    assert isinstance(response, HttpResponse)
    return response


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Authorization": "Bearer x"}, {"Host": "evil.example"}]
)
@pytest.mark.parametrize("logged_in", [True, False])
def test_the_door_answers_as_the_long_way_does(
    grader: Client, settings: Settings, logged_in: bool, headers: dict[str, str]
) -> None:
    session = grader.cookies["sessionid"].value if logged_in else "1.gone"
    for method, path in CALLS:
        short, long = (
            answered(method, path, settings, door=door, session=session, **headers) for door in (True, False)
        )
        assert (short.status_code, short.content) == (long.status_code, long.content), (method, path)
        for response in (short, long):
            response.headers.pop("X-Request-ID", None)
        assert dict(sorted(short.headers.items())) == dict(sorted(long.headers.items())), (method, path)
        assert short.cookies.output() == long.cookies.output(), (method, path)


def test_a_job_goes_out_and_comes_in_by_the_door_alone(grader: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [DOOR]
    client = Client()
    client.cookies["sessionid"] = grader.cookies["sessionid"].value
    submission_id = enqueue("q")
    work = pull(client)
    client.post("/xqueue/put_result/", {"xqueue_header": work.header, "xqueue_body": GOOD})
    assert ExternalGraderDetail.objects.get(submission_id=submission_id).status == "retired"


def test_a_password_that_changed_ends_the_session_at_the_door_too(account: User, grader: Client) -> None:
    account.set_password(f"{PASSWORD}!")
    account.save()
    response = grader.get("/xqueue/get_submission/?queue_name=q")
    assert (response.status_code, response.cookies["sessionid"].value) == (302, "")
