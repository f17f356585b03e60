"""Nothing lost, nothing double, while everything is killed: a short run; ``make nemesis`` is the long one."""

import pytest

from tests.nemesis.run import Options, run

pytestmark = pytest.mark.walk


def test_nothing_is_lost_and_nothing_is_double_while_everything_fails(kind: str) -> None:
    outcome = run(
        Options(kind, seconds=10, jobs=160, graders=4, seed=7469)
    )  # the faults that are asked for below come first
    print(outcome.ledger.text())
    assert outcome.ledger.disagreements == [], outcome.logs
    lines = dict(outcome.ledger.lines)
    assert lines["graded"] + lines["poison, given up for good"] == lines["enqueued"] >= 40
    assert lines["  graders that it killed"] >= lines["poison, given up for good"] >= 1
    assert lines["scores told to the platform"] == lines["graded"]
    assert lines["claims"] > lines["graded"]
    assert outcome.ledger.faults["kill a web worker"] > 0
    assert outcome.ledger.faults["kill the delivery loop"] > 0
    assert outcome.ledger.faults["kill a grader"] > 0
    assert outcome.ledger.faults["drop an answer"] > 0
    assert not outcome.mortal or outcome.ledger.faults["kill the database"] > 0
