"""What became of a job's earlier claims: a short list that the job carries with it, for whoever asks why.

The row's own columns tell of the last claim only. Each entry is written by the statement that ends the claim.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from django.utils.dateparse import parse_datetime

from submissions import sql
from submissions.text import duration

# A job that operators put back again and again must not grow forever: the newest entries are kept.
MOST_KEPT = 50
# The whole reason of the last failure stands in last_error (characters).
REASON_LENGTH = 200

COMPLETED, FAILED, RELEASED, LOST = "completed", "failed", "released", "lost"
INTERRUPTED, UNGRADABLE = "interrupted", "ungradable"
"""The grader's machine broke; the grader said that nobody can grade it."""
RETRIED, RETIRED = "retried", "retired"
"""What an operator, a newer submission or a deletion did; where no claim ended by it, there is no grader."""


@dataclass(frozen=True)
class Pull:
    """One claim that ended, or a move that no grader made."""

    outcome: str
    until: datetime
    grader: str = ""
    since: datetime | None = None
    """When it was claimed; None where nobody had claimed it."""
    reason: str = ""


class Claimed(Protocol):
    """What is noted of a job's claim: of a row of the table, or of what a statement has read."""

    @property
    def pulls(self) -> str | None: ...
    @property
    def grader(self) -> str: ...
    @property
    def pulled_at(self) -> datetime | None: ...


def note(
    job: Claimed, now: datetime, outcome: str, reason: str = "", *, claim: bool = True, key: str | None = None
) -> str:
    """The job's list with one more entry, as the column ``pulls`` keeps it. `claim`: whether a claim ended now.

    `key`: of a claim whose lease ran out; by its digest a late result is known again.
    """
    entry: dict[str, str] = {"outcome": outcome, "until": _text(now)}
    if claim:
        entry["grader"] = job.grader
        if job.pulled_at is not None:
            entry["from"] = _text(job.pulled_at)
    if key:
        entry["key"] = _digest(key)
    if reason:
        entry["reason"] = reason[:REASON_LENGTH]
    # ASCII escapes: they hold what some databases' text cannot.
    return json.dumps([*_entries(job.pulls), entry][-MOST_KEPT:])


def of(job: Claimed) -> list[Pull]:
    """The entries of the job, oldest first."""
    return [pull for entry in _entries(job.pulls) if (pull := _pull(entry)) is not None]


def mark_late(job: Claimed, key: str, now: datetime) -> tuple[Pull, str] | None:
    """The lost claim that had `key`, and the column's new text, with the reason that its result did come, too late.

    None where there is no such claim, or it was marked before.
    """
    entries, digest = _entries(job.pulls), _digest(key)
    for entry in entries:
        if isinstance(entry, dict) and entry.get("key") == digest:
            del entry["key"]
            since = _time(entry.get("from")) or now
            entry["reason"] = f"Its result came {duration(now - since)} after the claim."
            pull = _pull(entry)
            return None if pull is None else (pull, json.dumps(entries))
    return None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]


def _entries(text: str | None) -> list[object]:
    try:
        kept = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []  # a claim must not fail because of what only explains earlier ones
    return kept if isinstance(kept, list) else []


def _pull(entry: object) -> Pull | None:
    if not isinstance(entry, dict):
        return None
    until = _time(entry.get("until"))
    if until is None:
        return None
    words = {name: str(entry.get(name) or "") for name in ("outcome", "grader", "reason")}
    return Pull(until=until, since=_time(entry.get("from")), **words)


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()


def _time(value: object) -> datetime | None:
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if found is None else sql.as_read(found if found.tzinfo else found.replace(tzinfo=UTC))
