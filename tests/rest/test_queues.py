"""queues/, their statistics, and tokens/me/."""

from __future__ import annotations

from typing import Any

import pytest

from submissions.models import GraderQueue
from tests.make import make
from tests.queue.jobs import limit
from tests.rest.talk import account, grader, operator, with_token

pytestmark = pytest.mark.django_db


def test_the_settings_of_a_queue_without_its_secrets() -> None:
    limit("q", webhook_secrets="whsec_x", webhook_url="https://x.example", lease_seconds=60)
    limit("other")
    root = operator(queues=("q*",))
    said = root.get("queues/")
    assert [row["name"] for row in said.body["results"]] == ["q"]
    assert root.get("queues/q/").body == {
        "name": "q",
        "paused": False,
        "lease_seconds": 60,
        "max_grading_seconds": 3600,
        "max_failures": 5,
        "backoff_seconds": 5,
        "score_meaning": "ratio",
        "supersede": False,
        "initial_delay_seconds": 0,
        "is_restricted": False,
        "is_pushed": False,
    }
    for name in ("other", "nothing", "q/x", "Q"):
        assert root.get(f"queues/{name}/").kind == "not-found"


def test_a_queue_is_paused_and_nothing_else() -> None:
    limit("q")
    root = operator()
    for _ in range(2):
        assert root.ask("PATCH", "queues/q/", {"paused": True}).body["paused"] is True
    assert GraderQueue.objects.get().paused
    assert root.ask("PATCH", "queues/q/", {"paused": False}).body["paused"] is False
    for body in ({}, {"paused": 1}, {"paused": None}, {"paused": True, "lease_seconds": 1}):
        given: Any = body
        assert root.ask("PATCH", "queues/q/", given).status == 400


def test_an_observer_sees_its_queues_alone() -> None:
    limit("mine").observers.add(account("observer", ""))
    limit("theirs")
    observer = with_token(account("observer", ""), "observe", queues=("*",))
    assert [row["name"] for row in observer.get("queues/").body["results"]] == ["mine"]
    assert observer.get("queues/theirs/").kind == "not-found"
    assert observer.get("queues/theirs/statistics/").kind == "not-found"
    assert observer.ask("PATCH", "queues/mine/", {"paused": True}).kind == "authz"
    assert observer.get("submissions/").kind == "authz"


def test_the_numbers_of_a_queue() -> None:
    make(), make()
    ada = grader()
    ada.put(f"claims/{ada.claim()['id']}/result/", {"score": 1})
    said = operator().get("queues/q/statistics/")
    assert said.status == 200
    numbers = said.body
    assert numbers.pop("oldest_queued_seconds") >= 0
    assert numbers.pop("wait_seconds").keys() == numbers.pop("grading_seconds").keys() == {"p50", "p95"}
    assert numbers == {
        "queued": 1,
        "grading": 0,
        "failed": 0,
        "arrivals_per_minute": 0.033,
        "graded_per_minute": 0.017,
        "active_workers": 1,
        "desired_workers": 1,
    }


def test_a_token_asks_what_it_is() -> None:
    said = grader("ada", queues=("python", "cs-*")).get("tokens/me/")
    assert said.status == 200
    assert said.body.pop("id")
    assert said.body.pop("server_version")
    assert said.body == {
        "name": "",
        "account": "ada",
        "scopes": ["claim"],
        "queues": ["python", "cs-*"],
        "expires_at": None,
    }
