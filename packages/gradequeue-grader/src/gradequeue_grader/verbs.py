"""Every request, described once; `Client` and `AsyncClient` send them.

with Client("https://grades.example.org", token) as client:
    for claim in client.send(verbs.claim("python", wait_seconds=20)).claims:
        client.send(verbs.put_result(claim.id, {"score": 1.0}))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

from gradequeue_grader.claims import Beat, Claim, Claimed, File, Me
from gradequeue_grader.problems import Problem, Refused, refusal

T = TypeVar("T")
Kind = Literal["grader", "infrastructure", "ungradable"]
# A lease of half a minute outlasts one heartbeat that hangs, and the next one.
HEARTBEAT_SECONDS = 8.0


@dataclass(frozen=True)
class Request(Generic[T]):
    """What is sent, and how its answer is read."""

    method: str
    path: str
    """Below ``/api/external_grading/v1/``."""
    read: Callable[[httpx.Response], T]
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[tuple[str, tuple[str, bytes, str]]] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    waits: float = 0
    """Seconds that the server may take on purpose."""
    within: float | None = None
    """Seconds after which it is better asked again than waited for; None: as long as the client waits."""


# A grader's. --------------------------------------------------------------------------------------------------------


def claim(
    *queues: str,
    max_claims: int = 1,
    wait_seconds: int = 0,
    lease_seconds: int | None = None,
    worker: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Request[Claimed]:
    """Up to `max_claims` jobs of these queues, in the order of preference; the server waits `wait_seconds` for one.

    With an `idempotency_key`, the same request again after a lost answer gives the same claims.
    """
    body: dict[str, Any] = {"queue_name": queues[0]} if len(queues) == 1 else {"queues": list(queues)}
    body |= {"max_claims": max_claims, "wait_seconds": wait_seconds}
    if lease_seconds is not None:
        body["lease_seconds"] = lease_seconds
    if worker is not None:
        body["worker"] = dict(worker)
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return Request("POST", "claims/", _json(Claimed.read), body, headers, waits=wait_seconds)


def claim_again(claim_id: str) -> Request[Claim]:
    """The claim once more, while it is current."""
    return Request("GET", f"claims/{claim_id}/", _json(Claim.read))


def heartbeat(
    claim_id: str, progress: float | None = None, phase: str | None = None, lease_seconds: int | None = None
) -> Request[Beat]:
    """The lease begins anew, as long as the claim's, or `lease_seconds`. `progress` is 0 to 1."""
    told = {"progress": progress, "phase": phase, "lease_seconds": lease_seconds}
    body = {name: value for name, value in told.items() if value is not None}
    return Request("POST", f"claims/{claim_id}/heartbeats/", _json(Beat.read), body)


def heartbeats(claim_ids: Sequence[str]) -> Request[dict[str, Beat | Refused]]:
    """The same for up to 200 claims; each has its beat, or why not."""
    body = {"claims": [{"id": claim_id} for claim_id in claim_ids]}
    return Request("POST", "heartbeats/", _json(_beats), body, within=HEARTBEAT_SECONDS)


def put_result(claim_id: str, result: Mapping[str, Any]) -> Request[dict[str, Any]]:
    """Ends the claim with a result; the same again gets the same answer. The result as it was stored."""
    return Request("PUT", f"claims/{claim_id}/result/", _object, result)


def put_results(results: Mapping[str, Mapping[str, Any]]) -> Request[dict[str, Refused | None]]:
    """The same for up to 50 claims (id to result); for each None, or why it was not stored."""
    body = {"results": [{"claim_id": claim_id, "result": result} for claim_id, result in results.items()]}
    return Request("POST", "results/", _json(_stored), body)


def fail(claim_id: str, kind: Kind, message: str, retry_after_seconds: float | None = None) -> Request[dict[str, Any]]:
    """Ends the claim without a result. `grader` counts, `infrastructure` does not by itself, `ungradable` ends it."""
    body: dict[str, Any] = {"kind": kind, "message": message}
    if retry_after_seconds is not None:
        body["retry_after_seconds"] = retry_after_seconds
    return Request("PUT", f"claims/{claim_id}/failure/", _object, body)


def give_back(claim_id: str) -> Request[None]:
    """Ends the claim; nothing is counted."""
    return Request("DELETE", f"claims/{claim_id}/", lambda answer: None)


def file(one: File) -> Request[bytes]:
    """The contents of a claim's file."""
    return Request("GET", one.url, lambda answer: answer.content)


# A submitter's. -----------------------------------------------------------------------------------------------------


def submit(
    submission: Mapping[str, Any], idempotency_key: str, files: Mapping[str, bytes] | None = None
) -> Request[dict[str, Any]]:
    """Hand in one submission, with files (name to contents); the same key again gives the same submission."""
    headers = {"Idempotency-Key": idempotency_key}
    parts = [("file", (name, contents, "application/octet-stream")) for name, contents in (files or {}).items()]
    return Request("POST", "submissions/", _object, submission, headers, parts)


def submission(uuid: str) -> Request[dict[str, Any]]:
    """Where it stands."""
    return Request("GET", f"submissions/{uuid}/", _object)


def submissions(**filters: str) -> Request[dict[str, Any]]:
    """One page; follow its ``next`` with `page`."""
    return Request("GET", "submissions/", _object, params=filters)


def page(address: str) -> Request[dict[str, Any]]:
    """Another page, by the ``next`` or ``previous`` of one."""
    return Request("GET", address, _object)


def result(uuid: str) -> Request[dict[str, Any]]:
    """Its result; 404 (`Refused`) until there is one."""
    return Request("GET", f"submissions/{uuid}/result/", _object)


def position(uuid: str) -> Request[dict[str, Any]]:
    """How many stand before it, and when its turn may come."""
    return Request("GET", f"submissions/{uuid}/position/", _object)


def cancel(uuid: str, reason: str | None = None) -> Request[dict[str, Any]]:
    """End it without a score."""
    return Request("POST", f"submissions/{uuid}/cancellations/", _object, {"reason": reason} if reason else {})


# An operator's. -----------------------------------------------------------------------------------------------------


def retry(uuid: str) -> Request[dict[str, Any]]:
    """A failed submission waits for a grader again; its new state."""
    return Request("POST", f"submissions/{uuid}/retries/", _object, {})


def release_lease(uuid: str) -> Request[dict[str, Any]]:
    """A submission is taken from the grader that holds it; its new state."""
    return Request("POST", f"submissions/{uuid}/lease_releases/", _object, {})


def pause(queue_name: str, paused: bool = True) -> Request[dict[str, Any]]:
    """Graders receive nothing of a queue, or receive again; the queue's settings."""
    return Request("PATCH", f"queues/{quote(queue_name, safe='')}/", _object, {"paused": paused})


# Who observes. ------------------------------------------------------------------------------------------------------


def queues(**filters: str) -> Request[dict[str, Any]]:
    """One page of queues with their settings; follow its ``next`` with `page`."""
    return Request("GET", "queues/", _object, params=filters)


def queue(name: str) -> Request[dict[str, Any]]:
    """A queue's settings."""
    return Request("GET", f"queues/{quote(name, safe='')}/", _object)


def statistics(queue_name: str) -> Request[dict[str, Any]]:
    """A queue's numbers."""
    return Request("GET", f"queues/{quote(queue_name, safe='')}/statistics/", _object)


# Anybody's. ---------------------------------------------------------------------------------------------------------


def me() -> Request[Me]:
    """The token that asks."""
    return Request("GET", "tokens/me/", _json(Me.read))


# How answers are read. ----------------------------------------------------------------------------------------------


def _json(read: Callable[[Any], T]) -> Callable[[httpx.Response], T]:
    return lambda answer: read(answer.json())


def _object(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()
    return found


def _beats(found: Mapping[str, Any]) -> dict[str, Beat | Refused]:
    return {one["id"]: _refused(one["problem"]) if "problem" in one else Beat.read(one) for one in found["claims"]}


def _stored(found: Mapping[str, Any]) -> dict[str, Refused | None]:
    return {one["claim_id"]: _refused(one["problem"]) if "problem" in one else None for one in found["results"]}


def _refused(problem: dict[str, Any]) -> Refused:
    return refusal(Problem.read(problem, 409))
