"""Both clients against a peer: what is sent, how answers and faults are read."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gradequeue_grader import (
    AsyncClient,
    Busy,
    ClaimLost,
    Client,
    NotAllowed,
    NotGradequeue,
    Refused,
    Unreachable,
    verbs,
)
from gradequeue_grader.client import address
from gradequeue_grader.problems import Problem, check
from peer import TOKEN, Peer


def test_a_job_from_claim_to_result(peer: Peer) -> None:
    job = peer.add("x = 1", payload={"tests": []}, files={"a b.txt": b"\0\xff"}, points=10)
    with Client(peer.url, TOKEN) as client:
        (claim,) = client.send(verbs.claim("python", wait_seconds=1)).claims
        assert (claim.submission, claim.answer, claim.points_possible) == (job.uuid, "x = 1", 10)
        assert claim.raw["a_member_that_is_new"] is True
        assert [client.send(verbs.file(one)) for one in claim.files] == [b"\0\xff"]
        assert client.send(verbs.heartbeats([claim.id]))[claim.id].instruction == "continue"  # type: ignore[union-attr]
        assert client.send(verbs.put_result(claim.id, {"score": 0.5})) == {"score": 0.5}
        assert client.send(verbs.put_result(claim.id, {"score": 0.5})) == {"score": 0.5}
        with pytest.raises(Refused, match="another result"):
            client.send(verbs.put_result(claim.id, {"score": 1}))
    assert job.status == "graded"


def test_the_same_with_asyncio(peer: Peer) -> None:
    job = peer.add("x = 1")

    async def work() -> None:
        async with AsyncClient(peer.url, TOKEN) as client:
            (claim,) = (await client.send(verbs.claim("python"))).claims
            await client.send(verbs.fail(claim.id, "infrastructure", "no compiler", retry_after_seconds=5))
            with pytest.raises(NotAllowed):
                async with AsyncClient(peer.url, "gq_wrong") as other:
                    await other.send(verbs.me())

    asyncio.run(work())
    assert job.failures == [{"kind": "infrastructure", "message": "no compiler", "retry_after_seconds": 5}]


def test_what_is_sent(peer: Peer) -> None:
    with Client(peer.url, TOKEN) as client:
        client.send(verbs.claim("python", max_claims=3, lease_seconds=60, worker={"name": "w"}, idempotency_key="k"))
        client.send(verbs.claim("a", "b"))
    assert [body for _, _, body in peer.requests] == [
        {"queue_name": "python", "max_claims": 3, "wait_seconds": 0, "lease_seconds": 60, "worker": {"name": "w"}},
        {"queues": ["a", "b"], "max_claims": 1, "wait_seconds": 0},
    ]
    assert peer.authorizations == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(("status", "kind"), [(408, Busy), (429, Busy), (500, Busy), (503, Busy), (404, Refused)])
def test_what_may_pass_and_what_may_not(peer: Peer, status: int, kind: type[Exception]) -> None:
    peer.fault = lambda when, method, path: status
    with Client(peer.url, TOKEN) as client, pytest.raises(kind) as caught:
        client.send(verbs.me())
    if isinstance(caught.value, Busy):
        assert caught.value.retry_after == 0


def test_a_claim_that_is_over(peer: Peer) -> None:
    with Client(peer.url, TOKEN) as client:
        with pytest.raises(ClaimLost, match="not current"):
            client.send(verbs.put_result("nothing", {"score": 1}))
        client.send(verbs.give_back("nothing"))
        answers = client.send(verbs.heartbeats(["nothing"]))
        assert isinstance(answers["nothing"], ClaimLost)


def test_nobody_there() -> None:
    with Client("http://127.0.0.1:9", TOKEN) as client, pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        client.send(verbs.me())


def test_somebody_else_there(peer: Peer) -> None:
    with Client(f"{peer.url}/wrong", TOKEN) as client, pytest.raises(NotGradequeue, match="no address of a gradequeue"):
        client.send(verbs.me())


def test_the_token_goes_to_its_own_server_only(peer: Peer) -> None:
    with Client(peer.url, TOKEN) as client:
        for url in ("http://192.0.2.1/x", "https://127.0.0.1/x", "//192.0.2.1/x"):
            with pytest.raises(NotGradequeue, match="the token is not sent there"):
                client.send(verbs.page(url))
        assert TOKEN not in repr(client)


def test_what_goes_by_the_servers_public_name_is_asked_for_where_it_was_claimed(peer: Peer) -> None:
    """Inside a cluster a worker asks `http://gradequeue:8000`, and GRADEQUEUE_BASE_URL names the public address."""
    peer.add("x = 1", files={"a.txt": b"one"})
    with Client(peer.url, TOKEN) as client:
        (claim,) = client.send(verbs.claim("python")).claims
        (file,) = (replace(one, url=one.url.replace(peer.url, "https://192.0.2.1")) for one in claim.files)
        assert file.url.startswith("https://192.0.2.1/api/")
        assert client.send(verbs.file(file)) == b"one"
        for url in (
            "https://192.0.2.1/api/external_grading/v1///192.0.2.2/x",
            "https://192.0.2.1/api/external_grading/",
        ):
            with pytest.raises(NotGradequeue, match="the token is not sent there"):
                client.send(verbs.page(url))


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://g.example", "https://g.example/api/external_grading/v1/"),
        ("https://g.example/lms/", "https://g.example/lms/api/external_grading/v1/"),
        ("https://g.example/api/external_grading/v1", "https://g.example/api/external_grading/v1/"),
    ],
)
def test_addresses(url: str, whole: str) -> None:
    assert address(url) == whole


@pytest.mark.parametrize("url", ["https://u:p@g.example", "https://u@g.example/lms"])
def test_an_address_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    """It would take the token's place in requests, and stand in the log."""
    with pytest.raises(
        ValueError, match="the address has a name or a password; only the token says who asks"
    ) as raised:
        address(url)
    assert "u@" not in str(raised.value)
    assert "u:p" not in str(raised.value)


@pytest.mark.parametrize("url", ["g.example", "ftp://g.example", "", "http://", "http://g.example:port"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        address(url)


def test_numbers_that_are_none_are_not_sent(peer: Peer) -> None:
    with Client(peer.url, TOKEN) as client, pytest.raises(ValueError, match="JSON"):
        client.send(verbs.put_result("x", {"score": float("nan")}))
    assert peer.requests == []


def test_a_problem_in_words() -> None:
    told: Any = {"type": "https://docs.openedx.org/errors/validation", "detail": "Not so.", "status": 400}
    found = Problem.read(told | {"errors": {"score": ["is text"], "x": "unknown"}}, 500)
    assert str(found) == "Not so. score: is text x: unknown (HTTP 400)"
    assert found.name == "validation"


@pytest.mark.parametrize("told", ["later", None, {}, 0])
def test_a_problem_whose_status_is_none_has_that_of_http(told: Any) -> None:
    assert Problem.read({"status": told}, 409).status == 409


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a b", "queues/a%20b/statistics/"),
        ("x/?#%ü", "queues/x%2F%3F%23%25%C3%BC/statistics/"),
    ],
)
def test_a_queue_may_be_called_anything(peer: Peer, name: str, path: str) -> None:
    request = verbs.statistics(name)
    assert request.path == path
    with Client(peer.url, TOKEN) as client:
        assert client._address(request.path) == f"{peer.url}/api/external_grading/v1/{path}"


@pytest.mark.parametrize(
    ("request_", "method", "path", "body"),
    [
        (verbs.queues(), "GET", "queues/", None),
        (verbs.queue("a/b"), "GET", "queues/a%2Fb/", None),
        (verbs.pause("a b"), "PATCH", "queues/a%20b/", {"paused": True}),
        (verbs.pause("a b", paused=False), "PATCH", "queues/a%20b/", {"paused": False}),
        (verbs.retry("u"), "POST", "submissions/u/retries/", {}),
        (verbs.release_lease("u"), "POST", "submissions/u/lease_releases/", {}),
        (verbs.heartbeat("c", lease_seconds=60), "POST", "claims/c/heartbeats/", {"lease_seconds": 60}),
    ],
)
def test_what_operators_and_observers_ask(request_: verbs.Request[Any], method: str, path: str, body: Any) -> None:
    assert (request_.method, request_.path, request_.body) == (method, path, body)


@pytest.mark.parametrize("text", [b"[" * 100_000, b"<h1>Hello</h1>", b"[1]", b'{"scopes": 7}'])
def test_an_answer_that_is_none_is_no_gradequeues(text: bytes) -> None:
    with Client("http://127.0.0.1:9", TOKEN) as client, pytest.raises(NotGradequeue, match="the answer is none of"):
        client._read(verbs.me(), httpx.Response(200, content=text, request=httpx.Request("GET", "http://x/")))


@pytest.mark.parametrize(("told", "wanted"), [("7", 7.0), ("86400", 600.0), ("9" * 5000, 600.0), ("soon", None)])
def test_how_long_it_is_asked_to_wait(told: str, wanted: float | None) -> None:
    answer = httpx.Response(503, headers={"Retry-After": told}, request=httpx.Request("GET", "http://x/"))
    with pytest.raises(Busy) as raised:
        check(answer)
    assert raised.value.retry_after == wanted


def test_a_heartbeat_that_hangs_is_sent_again_before_the_lease_is_over() -> None:
    with Client("http://127.0.0.1:9", TOKEN) as client:
        assert client._form(verbs.heartbeats(["x"]))["timeout"] == 8
        assert client._form(verbs.claim("python", wait_seconds=20))["timeout"] == 50
        assert client._form(verbs.give_back("x"))["timeout"] == 30


def test_a_redirect_says_where_it_leads() -> None:
    there = {"Location": "https://x/api/"}
    answer = httpx.Response(301, headers=there, request=httpx.Request("GET", "http://x/api/"))
    with pytest.raises(NotGradequeue) as raised:
        check(answer)
    assert str(raised.value) == (
        "http://x/api/: this is no address of a gradequeue (HTTP 301); it sends on to https://x/api/."
    )


def test_a_submission_with_files(peer: Peer) -> None:
    """As multipart: a part `submission`, and the files by their names."""
    request = verbs.submit({"queue_name": "python"}, "key", {"a.py": b"x"})
    with Client(peer.url, TOKEN) as client:
        form = client._form(request)
    part, file = form["files"]
    assert (part[0], json.loads(part[1][1]), part[1][2]) == ("submission", {"queue_name": "python"}, "application/json")
    assert file == ("file", ("a.py", b"x", "application/octet-stream"))
    assert form["headers"] == {"Idempotency-Key": "key"}
