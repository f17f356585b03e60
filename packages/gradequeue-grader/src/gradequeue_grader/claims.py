"""A claim as the server tells it: one job, ours until its lease ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class File:
    """A file of the submission, kept by the server; its address needs the token."""

    name: str
    url: str
    size: int | None
    """Bytes; None where the server does not know."""
    sha256: str | None


@dataclass(frozen=True)
class Link:
    """A file that the platform only linked; its address is somebody else's and never sees the token."""

    name: str
    url: str


@dataclass(frozen=True)
class Claim:
    """What a grader needs to know of a job. `raw` has all of it, as it came."""

    id: str
    submission: str
    """The submission's uuid."""
    queue_name: str
    answer: Any
    """Text, or any JSON that the platform sent."""
    grader_payload: Any
    files: tuple[File, ...]
    links: tuple[Link, ...]
    points_possible: float
    """0 where only the platform knows it."""
    lease_seconds_left: float
    next_heartbeat_seconds: float
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Claim:
        """From the server's JSON; members that this version does not know stay in `raw`."""
        return cls(
            id=found["id"],
            submission=found["submission"]["uuid"],
            queue_name=found["queue_name"],
            answer=found["answer"],
            grader_payload=found.get("grader_payload"),
            files=tuple(File(one["name"], one["url"], one["size"], one["sha256"]) for one in found.get("files") or ()),
            links=tuple(Link(one["name"], one["url"]) for one in found.get("links") or ()),
            points_possible=found.get("points_possible") or 0,
            lease_seconds_left=float(found["lease_seconds_left"]),
            next_heartbeat_seconds=float(found["next_heartbeat_seconds"]),
            raw=found,
        )


@dataclass(frozen=True)
class Claimed:
    """The answer to a request for jobs."""

    claims: tuple[Claim, ...]
    poll_after_seconds: float

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Claimed:
        """From the server's JSON."""
        return cls(tuple(map(Claim.read, found["claims"])), float(found["poll_after_seconds"]))


@dataclass(frozen=True)
class Beat:
    """The answer to a heartbeat."""

    lease_seconds_left: float
    next_heartbeat_seconds: float
    instruction: str
    """``continue`` or ``cancel``."""

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Beat:
        """From the server's JSON."""
        left, next_one = float(found["lease_seconds_left"]), float(found["next_heartbeat_seconds"])
        return cls(left, next_one, str(found["instruction"]))


@dataclass(frozen=True)
class Me:
    """The token that asks."""

    name: str
    scopes: tuple[str, ...]
    queues: tuple[str, ...]
    """Patterns; only ``*`` is special."""

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Me:
        """From the server's JSON."""
        return cls(str(found.get("name") or ""), tuple(found.get("scopes") or ()), tuple(found.get("queues") or ()))
