"""The graders' lane for workers: the same answers as by the long way, to the last header."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from gradequeue.http.graders_lane import is_workers
from submissions.models import ExternalGraderDetail
from tests.make import make
from tests.rest.talk import account, grader, with_token

pytestmark = pytest.mark.django_db
LANE = "gradequeue.http.graders_lane.GradersDoor"
ROOT = "/api/external_grading/v1/"
GONE = "3c9f4c57-56b2-4f5d-8a0e-0e2a6ce4f6a1"
CALLS = [
    ("POST", "claims/", '{"queue_name": "empty"}'),
    ("POST", "claims/", '{"queue_name": 1, "nonsense": 2}'),
    ("POST", "claims/", "{"),
    ("POST", "claims/", ""),
    ("POST", "claims/?x=1", "{}"),
    ("GET", "claims/", ""),
    ("GET", f"claims/{GONE}/", ""),
    ("HEAD", f"claims/{GONE}/", ""),
    ("DELETE", f"claims/{GONE}/", ""),
    ("DELETE", "claims/no-uuid/", ""),
    ("OPTIONS", "claims/", ""),
    ("PUT", f"claims/{GONE}/result/", '{"score": 1}'),
    ("PUT", f"claims/{GONE}/failure/", '{"kind": "grader", "reason": "x"}'),
    ("POST", f"claims/{GONE}/heartbeats/", "{}"),
    ("POST", "heartbeats/", '{"heartbeats": [{"claim_id": "x"}]}'),
    ("POST", "results/", '{"results": [{"claim_id": "x", "result": {}}]}'),
]


@pytest.mark.parametrize(
    "headers",
    [
        {"good": "yes"},
        {},
        {"Authorization": "Bearer gq_wrong"},
        {"good": "yes", "Host": "evil.example"},
        {"good": "yes", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_the_lane_answers_as_the_long_way_does(settings: Settings, headers: dict[str, str]) -> None:
    sent = {name: value for name, value in headers.items() if name != "good"}
    if "good" in headers:
        sent |= with_token(account("worker"), "claim").headers
    for call in CALLS:
        short = answered(*call, **sent)
        both = list(settings.MIDDLEWARE)
        settings.MIDDLEWARE = [name for name in both if name != LANE]
        assert len(settings.MIDDLEWARE) == len(both) - 1
        long = answered(*call, **sent)
        settings.MIDDLEWARE = both
        assert (short.status_code, short.content) == (long.status_code, long.content), call
        for response in (short, long):
            assert response.headers.pop("X-Request-ID")
        assert dict(sorted(short.headers.items())) == dict(sorted(long.headers.items())), call
        assert not short.cookies
        assert not long.cookies


def answered(method: str, path: str, body: str, **headers: str) -> HttpResponse:
    client = Client(enforce_csrf_checks=True)
    response = client.generic(method, ROOT + path, body, content_type="application/json", headers=headers)
    assert isinstance(response, HttpResponse)
    return response


def test_a_job_goes_out_and_comes_in_by_the_lane_alone(settings: Settings) -> None:
    worker = grader()
    settings.MIDDLEWARE = [LANE]
    job = make()
    (claim,) = worker.post("claims/", {"queue_name": "q"}).body["claims"]
    assert worker.put(f"claims/{claim['id']}/result/", {"score": 1}).status == 200
    assert ExternalGraderDetail.objects.get(pk=job.pk).status == "retired"


@pytest.mark.parametrize(
    ("path", "lane"),
    [
        ("claims/", True),
        ("claims/x/", True),
        ("claims/x/result/", True),
        ("results/", True),
        ("heartbeats/", True),
        ("claims/x/files/1/", False),
        ("claims", False),
        ("submissions/", False),
        ("queues/claims/", False),
    ],
)
def test_what_is_a_workers(path: str, lane: bool) -> None:
    assert is_workers(ROOT + path) is lane


def test_another_hosts_addresses_are_its_own(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.rest.elsewhere"
    assert is_workers(f"{ROOT}claims/") is False
