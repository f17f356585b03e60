"""The last attempts of a delivery: a short list that the row carries with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.dateparse import parse_datetime

from submissions.models import Delivery

# The newest are kept.
MOST_KEPT = 20
# Characters.
ERROR_LENGTH = 300

DELIVERED, FAILED, REFUSED, RETRIED, GIVEN_UP = "delivered", "failed", "refused", "retried", "given_up"


@dataclass(frozen=True)
class Attempt:
    """One attempt, or what an operator did."""

    at: datetime
    outcome: str
    error: str


def add(history: str | None, at: datetime, outcome: str, error: str = "") -> str:
    """The list with one more entry, as the column ``history`` keeps it."""
    entry = {"at": at.astimezone(UTC).isoformat(), "outcome": outcome, "error": error[:ERROR_LENGTH]}
    return json.dumps([*_entries(history), entry][-MOST_KEPT:])


def attempts_of(delivery: Delivery) -> list[Attempt]:
    """The last attempts, oldest first."""
    return [found for entry in _entries(delivery.history) if (found := _attempt(entry)) is not None]


def failures(history: str | None) -> int:
    """How many attempts failed since an operator put it back, as far as they are remembered."""
    outcomes = [entry.get("outcome") for entry in _entries(history) if isinstance(entry, dict)]
    since = outcomes[::-1].index(RETRIED) if RETRIED in outcomes else len(outcomes)
    return outcomes[len(outcomes) - since :].count(FAILED)


def _entries(text: str | None) -> list[object]:
    try:
        kept = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return []
    return kept if isinstance(kept, list) else []


def _attempt(entry: object) -> Attempt | None:
    if not isinstance(entry, dict):
        return None
    try:
        at = parse_datetime(str(entry.get("at")))
    except ValueError:
        return None
    return None if at is None else Attempt(at, str(entry.get("outcome") or ""), str(entry.get("error") or ""))
