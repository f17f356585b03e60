"""Failed jobs, grouped by cause: their errors without process ids, line numbers and times."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models.functions import Left

from gradequeue.dashboard.reads.newest import newest
from submissions.models import Status

# How many of the newest failed jobs are read; the page says where there are more.
MOST = 1000
# Of an error's text, from its beginning (characters).
LENGTH = 400
MOST_SHOWN = 30

VARYING = (
    # In this order: a uuid is full of numbers.
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "…"),
    (re.compile(r"\b(?:0x)?(?=[0-9a-f]*\d)[0-9a-f]{7,}\b", re.IGNORECASE), "…"),
    (re.compile(r"\d+(?:\.\d+)?"), "#"),
    (re.compile(r"\s+"), " "),
)


@dataclass
class Cause:
    """Failed jobs of one queue that failed in the same way."""

    key: str
    words: str
    """What their errors have in common; "#" stands for a number."""
    example: str
    """The newest error, unchanged."""
    newest: datetime
    ids: list[int] = field(default_factory=list)
    """Of their submissions, newest first."""
    graders: set[str] = field(default_factory=set)

    @property
    def who(self) -> list[str]:
        """Sorted: the order of a set differs between processes, and the page would flicker."""
        return sorted(self.graders - {""})

    @property
    def some(self) -> list[int]:
        return self.ids[:5]


@dataclass(frozen=True)
class Failures:
    causes: list[Cause]
    """Those of most jobs first."""
    looked_at: int
    more: bool
    """Whether there are failed jobs beyond the newest MOST."""

    @property
    def shown(self) -> list[Cause]:
        return self.causes[:MOST_SHOWN]


def failures(queue_name: str) -> Failures:
    rows = _newest(queue_name)
    causes: dict[str, Cause] = {}
    for submission_id, error, grader, failed_at in rows[:MOST]:
        words = cause_of(error or "", grader)
        cause = causes.setdefault(words, Cause(_key(words), words, error or words, failed_at))
        cause.ids.append(submission_id)
        cause.graders.add(grader)
    ordered = sorted(causes.values(), key=lambda cause: -len(cause.ids))
    return Failures(ordered, min(len(rows), MOST), len(rows) > MOST)


def _newest(queue_name: str) -> list[tuple[int, str | None, str, datetime]]:
    failed = newest(queue_name, Status.FAILED)
    return list(failed.values_list("submission_id", Left("last_error", LENGTH), "grader", "status_time")[: MOST + 1])


def cause_of(error: str, grader: str = "") -> str:
    """`error` without what differs from job to job."""
    text = error.strip()
    if grader:
        text = text.replace(grader, "A grader" if text.startswith(grader) else "the grader")
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return text.strip() or "No reason was given"


def ids_of(queue_name: str, key: str) -> Iterator[int]:
    """The submissions of the cause with this key, among the newest."""
    for cause in failures(queue_name).causes:
        if cause.key == key:
            yield from cause.ids


def _key(words: str) -> str:
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16]
