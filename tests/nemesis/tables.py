"""The tables as they stand, read with SQL of our own and none of the service's code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.nemesis.stores import Store

JOBS = "submissions_externalgraderdetail"


@dataclass(frozen=True)
class Submission:
    id: int
    student_item: int
    attempt: int
    answer: str
    student: str
    item: str


@dataclass(frozen=True)
class Job:
    submission_id: int
    queue: str
    status: str
    key: str | None
    reply: str | None
    pulls: int
    possible: float
    offered: bool
    """Whether it has a time from which on it is offered to graders."""
    files: int
    taken_back: int = 0
    """How many of its claims were undone, because whoever had asked was gone."""


@dataclass(frozen=True)
class Score:
    id: int
    submission_id: int
    student_item: int
    earned: float
    possible: float


@dataclass(frozen=True)
class Summary:
    student_item: int
    latest: int
    highest: int


@dataclass(frozen=True)
class StoredFile:
    submission_id: int
    name: str
    digest: str
    """SHA-256 of the bytes that lie there, in hexadecimal digits; empty where none do."""


@dataclass(frozen=True)
class Tables:
    submissions: list[Submission] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    files: list[StoredFile] = field(default_factory=list)


def read(store: Store, media: Path | None = None) -> Tables:
    """All of it; nobody may be writing. `media`: the folder of the submitted files, if it is one of this machine."""
    submissions = store.rows(
        "SELECT s.id, s.student_item_id, s.attempt_number, s.raw_answer, i.student_id, i.item_id"
        " FROM submissions_submission s JOIN submissions_studentitem i ON i.id = s.student_item_id"
    )
    jobs = store.rows(
        "SELECT j.submission_id, j.queue_name, j.status, j.pullkey, j.grader_reply, j.num_pulls, j.points_possible,"
        " j.available_at IS NOT NULL,"
        " (SELECT COUNT(*) FROM submissions_submissionfile f WHERE f.external_grader_id = j.id), j.pulls"
        " FROM submissions_externalgraderdetail j"
    )
    scores = store.rows(
        "SELECT id, submission_id, student_item_id, points_earned, points_possible FROM submissions_score"
    )
    summaries = store.rows("SELECT student_item_id, latest_id, highest_id FROM submissions_scoresummary")
    return Tables(
        [
            Submission(id_, item_id, attempt, json.loads(answer), student, item)
            for id_, item_id, attempt, answer, student, item in submissions
        ],
        [_job(*row) for row in jobs],
        [
            Score(id_, submission_id, item_id, float(earned), float(possible))
            for id_, submission_id, item_id, earned, possible in scores
        ],
        [Summary(*row) for row in summaries],
        list(_files(store, media)) if media else [],
    )


def _files(store: Store, media: Path) -> Iterator[StoredFile]:
    rows = store.rows(
        "SELECT j.submission_id, f.original_filename, f.file FROM submissions_submissionfile f"
        " JOIN submissions_externalgraderdetail j ON j.id = f.external_grader_id"
    )
    for submission_id, name, place in rows:
        path = media / place
        yield StoredFile(submission_id, name, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")


def held_keys(store: Store) -> set[str]:
    """The keys of all claims that stand now."""
    return {str(key) for (key,) in store.rows(f"SELECT pullkey FROM {JOBS} WHERE status = 'pulled'")}


def _job(*row: Any) -> Job:
    submission_id, queue, status, key, reply, pulls, possible, offered, files, ended = row
    taken_back = sum(claim["outcome"] == "released" for claim in json.loads(ended or "[]"))
    return Job(submission_id, queue, status, key, reply, pulls, float(possible), bool(offered), files, taken_back)


def failed(store: Store, beginning: str) -> list[str]:
    """The ids of failed jobs whose answer begins so."""
    found = store.rows(
        "SELECT s.id, s.raw_answer FROM submissions_externalgraderdetail j"
        " JOIN submissions_submission s ON s.id = j.submission_id WHERE j.status = 'failed'"
    )
    return [str(id_) for id_, answer in found if str(json.loads(answer)).startswith(beginning)]


def untold(store: Store) -> int:
    """How many results the platform was not told of yet."""
    ((count,),) = store.rows("SELECT COUNT(*) FROM submissions_delivery WHERE state IN ('waiting', 'due')")
    return int(count)


def states(store: Store) -> dict[str, int]:
    found = store.rows("SELECT status, COUNT(*) FROM submissions_externalgraderdetail GROUP BY status")
    return {str(status): int(count) for status, count in found}
