"""Random sequences of verbs on twins: one done by the literal statements, the other by the general verbs.

After each step the rows of both are the same, in all tables, keys and times aside.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from submissions import queue
from submissions.errors import QueueError
from submissions.models import ExternalGraderDetail as Job
from submissions.upkeep import audit
from tests.make import make
from tests.queue.fast import ways
from tests.queue.jobs import later, limit

LITERAL, GENERAL = "literal", "general"
SCORES = st.sampled_from([0, 0.5, 1, "x", None, True, -1, 1.5, float("nan")])
PAUSES = st.sampled_from([1, 11, 101, 40])


class Twins(RuleBasedStateMachine):
    way = ""

    def __init__(self) -> None:
        super().__init__()
        ways.empty()
        self.twins: list[dict[str, int]] = []
        self.keys: list[dict[str, list[str]]] = []
        for name in (LITERAL, GENERAL):
            limit(name, lease_seconds=100, max_failures=3, backoff_seconds=10)

    def teardown(self) -> None:
        assert list(audit.problems()) == []
        ways.empty()

    def both(self, act: Any) -> tuple[Any, Any]:
        """What `act` returns, or the refusal's name, for each of the twins in its own way."""
        said = []
        for name in (LITERAL, GENERAL):
            with pytest.MonkeyPatch.context() as patched:
                ways.go(self.way if name == LITERAL else ways.GENERAL, patched)
                try:
                    said.append(act(name))
                except QueueError as refusal:
                    said.append(type(refusal).__name__)
        return said[0], said[1]

    @rule(learner=st.sampled_from(["a", "b"]))
    def enqueue(self, learner: str) -> None:
        self.twins.append({name: make(name, student=f"{name} {learner}").submission_id for name in (LITERAL, GENERAL)})
        self.keys.append({LITERAL: ["none"], GENERAL: ["none"]})

    @rule(seconds=PAUSES)
    def time_passes(self, seconds: int) -> None:
        later(seconds)

    @rule(grader=st.sampled_from(["ada", "bob"]))
    def claim(self, grader: str) -> None:
        def act(name: str) -> list[int]:
            found = []
            for job in queue.claim(name, grader=grader):
                place = next(i for i, twin in enumerate(self.twins) if twin[name] == job.submission_id)
                self.keys[place][name].append(job.pullkey)
                found.append(place)
            return found

        literal, general = self.both(act)
        assert literal == general

    @precondition(lambda self: self.twins)
    @rule(data=st.data(), verb=st.sampled_from(["complete", "fail", "release", "retry", "retire", "release_lease"]))
    def move(self, data: st.DataObject, verb: str) -> None:
        place = data.draw(st.integers(0, len(self.twins) - 1))
        which = data.draw(st.integers(-2, len(self.keys[place][LITERAL]) - 1))
        given: dict[str, Any] = {}
        if verb == "complete":
            score = data.draw(SCORES)
            given = {"score": score, "reply": str(score)}
        elif verb == "fail":
            given = {"reason": "broke"}

        def act(name: str) -> str:
            keys = self.keys[place][name]
            key = (
                [keys[which] if -len(keys) <= which < len(keys) else "x"]
                if verb in ("complete", "fail", "release")
                else []
            )
            return str(getattr(queue, verb)(self.twins[place][name], *key, **given).status)

        literal, general = self.both(act)
        assert literal == general, verb

    @invariant()
    def both_have_left_the_same_rows(self) -> None:
        rows = ways.tables()
        assert _of(rows, 0) == _of(rows, 1)


def _of(rows: dict[str, list[dict[str, Any]]], twin: int) -> dict[str, Any]:
    """The rows of the jobs of one twin: they were made by turns."""
    jobs = rows["ExternalGraderDetail"]
    mine = {place for place in range(len(jobs)) if place % 2 == twin}
    plain = [
        {name: value for name, value in jobs[place].items() if name not in ("queue_name", "submission_id")}
        for place in sorted(mine)
    ]
    scores = [
        [
            (row["points_earned"], row["points_possible"], row["reset"])
            for row in rows["Score"]
            if row["submission_id"] == place
        ]
        for place in sorted(mine)
    ]
    ends = sorted(
        (row["submission_id"] // 2, row["outcome"], row["grader"], row["gave_up"])
        for row in rows["ClaimEnd"]
        if row["submission_id"] in mine
    )
    best = sorted(
        (rows["Score"][row["latest_id"]]["submission_id"] // 2, rows["Score"][row["highest_id"]]["submission_id"] // 2)
        for row in rows["ScoreSummary"]
        if rows["Score"][row["latest_id"]]["submission_id"] in mine
    )
    return {"jobs": plain, "scores": scores, "ends": ends, "best": best}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", list(ways.FILES))
def test_no_sequence_of_verbs_tells_the_ways_apart(way: str) -> None:
    machine = type("Machine", (Twins,), {"way": way})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert Job.objects.count() == 0
