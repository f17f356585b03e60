"""Claims and results by REST, by the literal statements and by the general verbs: the same rows in all tables."""

from __future__ import annotations

from typing import Any

import pytest

from submissions import queue
from submissions.models import ClaimEnd, ScoreMeaning
from submissions.models import ExternalGraderDetail as Job
from tests.make import make
from tests.queue.fast import ways
from tests.queue.jobs import key_of, later, limit

pytestmark = pytest.mark.django_db(transaction=True)


def walked() -> Any:
    """A job claimed by its name, given back, claimed again, and graded with a result."""
    ways.empty()
    make(student="s", points_possible=10)
    terms = queue.Terms(seconds=40, named=True)
    (claim,) = queue.claim("q", grader="ada", terms=terms)
    row = Job.objects.get()
    assert row.claim_id == claim.claim_id is not None
    assert row.available_at is not None
    assert row.pulled_at is not None
    assert round((row.available_at - row.pulled_at).total_seconds()) == 40
    assert claim.claim_id is not None
    queue.give_back(claim.claim_id, "ada")
    (again,) = queue.claim("q", grader="ada", terms=terms)
    assert again.claim_id not in (None, claim.claim_id)
    given = {"meaning": ScoreMeaning.POINTS, "result": '{"points_earned":7}', "digest": "d" * 64}
    queue.complete(again.submission_id, key_of(again), score=7, reply='{"score": 0.7}', **given)  # type: ignore[arg-type]
    return ways.tables()


@pytest.mark.parametrize("way", list(ways.FILES))
def test_both_ways_leave_the_same_rows(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left = []
    for each in (ways.GENERAL, way):
        with monkeypatch.context() as patched:
            ways.go(each, patched)
            left.append(walked())
    assert left[0] == left[1]
    (job,) = left[0]["ExternalGraderDetail"]
    assert (job["result"], job["result_digest"], job["claim_id"]) == ('{"points_earned":7}', "d" * 64, "there")
    (score,) = left[0]["Score"]
    assert score["points_earned"] == 7


@pytest.mark.parametrize("way", ways.WAYS)
def test_a_claim_without_a_name_takes_the_old_one_away(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ways.go(way, monkeypatch)
    ways.empty()
    make()
    (claim,) = queue.claim("q", grader="ada", terms=queue.Terms(named=True))
    queue.release_lease(claim.submission_id)
    queue.claim("q", grader="bob")
    assert Job.objects.get().claim_id is None


@pytest.mark.parametrize("way", ways.WAYS)
def test_a_result_is_late_by_the_lease_that_heartbeats_made_longer(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ways.go(way, monkeypatch)
    ways.empty()
    limit(lease_seconds=300, max_grading_seconds=3000)
    for beats, late in ((1, []), (0, [400])):
        make()
        (claim,) = queue.claim("q", grader="ada", terms=queue.Terms(named=True))
        assert claim.claim_id is not None
        later(200)
        for _ in range(beats):
            queue.renew(claim.claim_id, "ada")
        later(200)
        queue.complete(claim.submission_id, key_of(claim), score=1, reply='{"score": 1}')
        seconds = ClaimEnd.objects.filter(outcome="late").values_list("seconds", flat=True)
        assert [round(one or 0, -1) for one in seconds] == late
