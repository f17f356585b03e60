from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import Manager
from django.dispatch import Signal
from pytest_django import Settings

from submissions import api
from submissions.models import (
    ExternalGraderDetail,
    GraderQueue,
    Score,
    ScoreAnnotation,
    ScoreSummary,
    StudentItem,
    Submission,
    SubmissionFile,
    TeamSubmission,
)


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """The cache outlives the rows that it was filled from."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def stored(tmp_path: Path, settings: Settings) -> Callable[[], list[bytes]]:
    """Files are kept in a folder of the test's own; a call gives what stands in it."""
    folder = tmp_path / "stored"
    backend = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(folder)}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    return lambda: sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def heard() -> Iterator[Callable[[Signal], list[dict[str, Any]]]]:
    """``heard(signal)`` listens to it from then on: a list of the keyword arguments of each time it was sent."""
    connected: list[tuple[Signal, Any]] = []

    def listen(signal: Signal) -> list[dict[str, Any]]:
        received: list[dict[str, Any]] = []

        def receiver(**facts: Any) -> None:
            received.append({name: value for name, value in facts.items() if name != "signal"})

        signal.connect(receiver)
        connected.append((signal, receiver))
        return received

    yield listen
    for signal, receiver in connected:
        signal.disconnect(receiver)


Heard = Callable[[Signal], list[dict[str, Any]]]
Stored = Callable[[], list[bytes]]


def rows() -> dict[str, int]:
    """How many rows stand in each table that a submission can write to; those with none are left out."""
    managers: dict[str, Manager[Any]] = {
        "items": StudentItem.objects,
        "teams": TeamSubmission._objects,
        "submissions": Submission._objects,
        "scores": Score.objects,
        "summaries": ScoreSummary.objects,
        "annotations": ScoreAnnotation.objects,
        "jobs": ExternalGraderDetail.objects,
        "files": SubmissionFile.objects,
        "queues": GraderQueue.objects,
    }
    return {name: manager.count() for name, manager in managers.items() if manager.exists()}


def item(**fields: Any) -> dict[str, Any]:
    """A student item: Tim's at the first item, but for `fields`."""
    usual = {"student_id": "Tim", "course_id": "Demo_Course", "item_id": "item_one", "item_type": "Peer_Submission"}
    return usual | fields


def submit(**fields: Any) -> str:
    """The uuid of a new submission to `item(**fields)`."""
    return str(api.create_submission(item(**fields), "an answer")["uuid"])


def points(score: dict[str, Any] | None) -> tuple[Any, Any]:
    assert score is not None
    return score["points_earned"], score["points_possible"]
