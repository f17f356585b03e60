"""What holds for each address: refusals, methods, slashes, hosts' settings, and what a browser may read."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests
from django.db import OperationalError
from django.test import Client

from submissions import queue
from submissions.errors import LeaseLost
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later
from tests.rest.talk import NO_CLAIM, ROOT, Rest, account, grader, operator
from tests.server import Server

pytestmark = pytest.mark.django_db

PATHS = [
    "claims/",
    f"claims/{NO_CLAIM}/",
    f"claims/{NO_CLAIM}/heartbeats/",
    f"claims/{NO_CLAIM}/result/",
    f"claims/{NO_CLAIM}/failure/",
    f"claims/{NO_CLAIM}/files/1/",
    "heartbeats/",
    "results/",
    "submissions/",
    f"submissions/{NO_CLAIM}/",
    f"submissions/{NO_CLAIM}/result/",
    f"submissions/{NO_CLAIM}/position/",
    f"submissions/{NO_CLAIM}/cancellations/",
    f"submissions/{NO_CLAIM}/retries/",
    f"submissions/{NO_CLAIM}/lease_releases/",
    "queues/",
    "queues/q/",
    "queues/q/statistics/",
    "tokens/me/",
    "schema/",
]


@pytest.mark.parametrize("path", PATHS)
def test_an_address_without_its_slash_is_nothing(path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        said = operator().ask(method, path.rstrip("/"))
        assert (said.status, said.kind) == (404, "not-found")
        assert "Location" not in said.headers


@pytest.mark.parametrize("path", PATHS)
def test_without_a_token_and_with_another_method(path: str) -> None:
    for method in ("GET", "POST"):
        assert Rest().ask(method, path).kind == "authn"
    said = operator().ask("PUT" if "result" not in path and "failure" not in path else "PATCH", path, {})
    assert (said.status, said.kind) == (405, "method")
    assert said.headers["Allow"]
    assert operator().ask("OPTIONS", path).status == 405


def test_an_unknown_parameter_is_named() -> None:
    said = grader().get("tokens/me/?colour=red")
    assert (said.status, list(said.body["errors"])) == (400, ["colour"])


def test_a_problem_has_all_its_members() -> None:
    said = grader().get("claims/x/")
    assert said.body == {
        "type": "urn:gradequeue:problem:claim-lost",
        "title": "The claim is not current",
        "status": 409,
        "detail": "This is no current claim of this account.",
        "instance": "/api/external_grading/v1/claims/x/",
    }


def test_accept_is_not_looked_at() -> None:
    assert grader().get("tokens/me/", Accept="text/html").status == 200


def test_a_database_that_is_away_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = grader()

    def broken(*_: Any, **__: Any) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(queue, "claim_from", broken)
    said = rest.post("claims/", {"queue_name": "q"})
    assert (said.status, said.kind, said.headers["Retry-After"]) == (503, "unavailable", "5")


def test_a_fault_of_ours_is_a_problem_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = grader()

    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("secret")

    monkeypatch.setattr(queue, "claim_from", broken)
    said = rest.post("claims/", {"queue_name": "q"})
    assert (said.status, said.kind) == (500, "internal")
    assert "secret" not in str(said.body)


def test_schema_and_docs_are_for_tokens_and_for_staff() -> None:
    assert Rest().get("schema/").kind == "authn"
    said = grader().get("schema/")
    assert (said.status, said.body["openapi"]) == (200, "3.1.0")
    yaml = grader().get("schema/", Accept="application/yaml")
    assert yaml.headers["Content-Type"] == "application/yaml"
    assert yaml.body.startswith(b"openapi: 3.1.0")
    browser = Client()
    assert browser.get(f"{ROOT}docs/").status_code == 401
    browser.force_login(account("staff", "", is_staff=True))
    page = browser.get(f"{ROOT}docs/")
    assert page.status_code == 200
    assert b"swagger-ui-bundle.js" in page.content
    assert "script-src 'self';" in page["Content-Security-Policy"]
    assert b"/api/external_grading/v1/schema/" in browser.get(f"{ROOT}docs/script.js/").content
    assert browser.get(f"{ROOT}queues/").status_code == 401
    assert browser.post(f"{ROOT}schema/").status_code in (401, 405)


# Two at once, over a real server. -------------------------------------------------------------------------------------


def test_one_key_at_once_is_one_submission_and_one_claim(server: Server, name: str) -> None:
    server.grader(name, name)
    server.rows("submitter", "create", f"{name}-lms", "--json")
    tokens = []
    for who, scope in ((f"{name}-lms", "submit"), (name, "claim")):
        (made,) = server.rows("token", "create", who, "--scope", scope, "--queue", name, "--json")
        tokens.append(made["token"])
    handed = {"queue_name": name, "course_id": "c", "item_id": "i", "learner_id": "l", "answer": "x"}
    made_ids = _at_once(server, tokens[0], "submissions/", handed, 201)
    assert len({row["uuid"] for row in made_ids}) == 1
    server.enqueue(*({"queue_name": name, "student_id": str(number)} for number in range(5)))
    answers = _at_once(server, tokens[1], "claims/", {"queue_name": name}, 200)
    assert len({claim["id"] for row in answers for claim in row["claims"]}) == 1
    (row,) = (row for row in server.rows("queues", "--json") if row["queue_name"] == name)
    assert (row["waiting"], row["being_graded"]) == (5, 1)


def _at_once(server: Server, token: str, path: str, body: Any, status: int) -> list[Any]:
    said: list[requests.Response] = []
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "one"}

    def ask() -> None:
        said.append(requests.post(f"{server.url}{ROOT}{path}", json=body, headers=headers, timeout=30))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.status_code for one in said] == [status] * 6, [one.text for one in said]
    return [one.json() for one in said]


def test_a_claim_by_xqueue_ends_the_one_by_rest_and_the_other_way_round() -> None:
    job = make()
    ada = grader("ada")
    claim = ada.claim()
    later(301)
    by_xqueue = claim_one(grader="bob")
    assert ada.put(f"claims/{claim['id']}/result/", {"score": 1}).kind == "claim-lost"
    later(301)
    again = ada.claim()
    with pytest.raises(LeaseLost):
        queue.complete(job.submission_id, key_of(by_xqueue), score=1, reply="{}")
    assert ada.put(f"claims/{again['id']}/result/", {"score": 1}).status == 200
