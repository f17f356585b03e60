"""What a grader saw and did, one JSON object per line. Written so that it survives the grader's sudden death."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

POISON = "poison"
"""An answer that begins so kills each grader that takes it."""


@dataclass(frozen=True)
class Delivered:
    """A job that came in an answer to a poll."""

    grader: str
    asked: float
    """When the poll was sent (seconds of this machine's clock)."""
    at: float
    """When its answer had been read (seconds of this machine's clock)."""
    queue: str
    submission_id: int
    key: str
    answer: str
    """The learner's answer, as it reached the grader."""
    files: int


@dataclass(frozen=True)
class Fetched:
    """A submitted file, as it came from its address."""

    grader: str
    at: float
    submission_id: int
    name: str
    digest: str
    """SHA-256 of its bytes, in hexadecimal digits."""


@dataclass(frozen=True)
class Sent:
    """A result that is about to be sent, written down before its first byte leaves."""

    number: str
    """Of this sending, unique in the run."""
    at: float
    kind: str
    """One of `grader.KINDS`: what is right or wrong about it."""
    submission_id: int
    key: str
    reply: str
    score: float | None


@dataclass(frozen=True)
class Answered:
    """What the server said to the sending `number`. A sending without this line lost its answer."""

    number: str
    at: float
    status: int
    return_code: int | None
    content: str


@dataclass(frozen=True)
class Noticed:
    """Anything else: a poll or a login that ended in an unusual way."""

    at: float
    what: str
    status: int | None


@dataclass(frozen=True)
class Told:
    """A result that reached the platform, written down before it is answered."""

    at: float
    submission_id: int
    points: float | None
    """None: there will be no score."""


@dataclass(frozen=True)
class Acknowledged:
    """The platform's answer to what it was told, given while its sender still waited."""

    at: float
    submission_id: int
    points: float | None


Entry = Delivered | Fetched | Sent | Answered | Noticed | Told | Acknowledged
KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Delivered, Fetched, Sent, Answered, Noticed, Told, Acknowledged)
}


class Journal:
    """One process's own file; a process that takes over from a dead one begins a new file."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, entry: Entry) -> None:
        """In the kernel's hands when this returns: what kills this process cannot take it back."""
        line = json.dumps({"entry": type(entry).__name__, **asdict(entry)}) + "\n"
        os.write(self.descriptor, line.encode())


def read_all(folder: Path) -> list[Entry]:
    """The entries of all journals in `folder`, in order within each grader."""
    return [entry for path in sorted(folder.glob("*.jsonl")) for entry in _read(path)]


def _read(path: Path) -> Iterator[Entry]:
    lines = path.read_text().split("\n")
    for line in lines[:-1]:  # a last line without its end is one that a kill cut short
        fields = json.loads(line)
        yield KINDS[fields.pop("entry")](**fields)
