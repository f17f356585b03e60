"""Every state x every verb, done by the literal statements and by the general verbs: the same rows in all tables."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pytest_django import Settings

from submissions import queue
from submissions.errors import QueueError
from submissions.models import ExternalGraderDetail as Job
from tests.make import make
from tests.queue import test_states
from tests.queue.fast import ways
from tests.queue.jobs import claim_one, key_of, limit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("transports", [[], ["signal", "event"]], ids=["nobody is told", "two are told"])
@pytest.mark.parametrize("state", test_states.STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("way", list(ways.FILES))
def test_both_ways_leave_the_same_rows(
    way: str, state: Any, transports: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SUBMISSIONS_TRANSPORTS, settings.SUBMISSIONS_DELIVER_AT_ONCE = transports, False
    left: dict[str, list[Any]] = {}
    for each in (ways.GENERAL, way):
        with monkeypatch.context() as patched:
            ways.go(each, patched)
            left[each] = [_after(state, verb) for verb in test_states.VERBS]
    for verb, general, literal in zip(test_states.VERBS, left[ways.GENERAL], left[way], strict=True):
        assert literal == general, verb.__name__


def _after(state: Any, verb: Any) -> Any:
    """What came of the verb, and all tables afterwards."""
    ways.empty()
    job, key = state()
    try:
        came = verb(job, key) or "ok"
    except QueueError as refusal:
        came = re.sub(r"\d+", "N", repr(refusal))  # ids differ from run to run
    assert Job.objects.count() >= 1
    return came, ways.tables()


@pytest.mark.parametrize("score", [0, 1, 0.5, 0.07, 1.5, -1, True, None, "1", float("nan"), float("inf"), 10**400])
@pytest.mark.parametrize("possible", [1, 10, 0.5])
@pytest.mark.parametrize("meaning", ["ratio", "points"])
@pytest.mark.parametrize("way", list(ways.FILES))
def test_scores_are_the_same(
    way: str, meaning: str, possible: float, score: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> Any:
        limit(score_meaning=meaning)
        make(points_possible=possible)
        job = claim_one()
        return job, key_of(job)

    def verb(job: Job, key: str) -> None:
        queue.complete(job.submission_id, key, score=score, reply="the reply ☃ 100 %s :x %(y)s")

    left = []
    for each in (ways.GENERAL, way):
        with monkeypatch.context() as patched:
            ways.go(each, patched)
            left.append(_after(state, verb))
    assert left[0] == left[1]


@pytest.mark.parametrize("order", ["oldest first", "newest first"])
@pytest.mark.parametrize("way", list(ways.FILES))
def test_the_latest_and_the_highest_score_are_the_same(way: str, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def graded() -> Any:
        ways.empty()
        for _ in range(5):
            make(student="s", points_possible=10)
        held = [claim_one() for _ in range(5)]
        for number, job in enumerate(held if order == "oldest first" else reversed(held)):
            score = (0.3, 0.7, 0.5, 0.7, 0)[number]
            queue.complete(job.submission_id, key_of(job), score=score, reply="{}")
        return ways.tables()

    left = []
    for each in (ways.GENERAL, way):
        with monkeypatch.context() as patched:
            ways.go(each, patched)
            left.append(graded())
    assert left[0] == left[1]
    (summary,) = left[0]["ScoreSummary"]
    assert (summary["latest_id"], summary["highest_id"]) == ((4, 1) if order == "oldest first" else (0, 1))
