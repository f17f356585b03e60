"""Prints what PrairieLearn reads as results.json."""

import json
from pathlib import Path

import grader

data = json.loads(Path("/grade/data/data.json").read_text())
tests, prelude = grader.parsed(Path(f"/grade/tests/questions/{data['params']['question']}.json").read_text())
outcomes = grader.run(tests, prelude, Path("/grade/student/answer.py").read_text(errors="replace"))
told = [
    {"name": test.call, "points": int(outcome.passed), "max_points": 1, "message": outcome.note}
    for test, outcome in zip(tests, outcomes, strict=True)
]
score = sum(outcome.passed for outcome in outcomes) / len(outcomes)
print(json.dumps({"gradable": True, "score": score, "message": "All tests ran.", "tests": told}))
