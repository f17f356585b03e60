"""What is done beside the requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from gradequeue.processes import chores
from submissions.models import ExternalGraderDetail, QueueMinute, QueueTotal
from submissions.statistics import depths, history
from tests.make import make

pytestmark = pytest.mark.django_db(transaction=True)


def test_minutes_that_are_over_are_counted_and_deep_queues_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depths, "MOST", 2)
    for _ in range(3):
        make("q")
    ExternalGraderDetail.objects.update(created_at=datetime.now(UTC) - timedelta(minutes=10))
    chores.once()
    assert sum(QueueMinute.objects.values_list("arrived", flat=True)) == 3
    assert QueueTotal.objects.get(queue_name="q").depths == '{"pending": 3}'


def test_whoever_catches_up_rests_longer_than_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rests, minutes = iter([0.0, 2.0, 10.0, 10.5, 20.0]), list[float](), iter([60, 7, 0])
    monkeypatch.setattr(chores, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=rests.append))
    monkeypatch.setattr(history, "roll_up", lambda: next(minutes))
    monkeypatch.setattr(depths, "recount", lambda: 0)
    chores.once()
    assert rests == [6.0, 1.5]


def test_what_fails_is_logged_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(limit: int = 0) -> int:
        raise OSError("The database is away")

    monkeypatch.setattr(history, "roll_up", away)
    chores.once()
    assert "the queues could not be counted" in caplog.text
