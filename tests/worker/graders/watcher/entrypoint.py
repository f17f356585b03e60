"""A grader's container for xqueue-watcher: GRADER SEED, the answer in the environment, the reply on the last line."""

import json
import os
import sys
from pathlib import Path

import grader

path, seed = sys.argv[1:]
tests, prelude = grader.parsed(Path(path).read_text())
outcomes = grader.run(tests, prelude, os.environ["SUBMISSION_CODE"])
print("seed", int(seed))
told = [
    [test.call, "", outcome.passed, test.expect, outcome.note] for test, outcome in zip(tests, outcomes, strict=True)
]
score = sum(outcome.passed for outcome in outcomes) / len(outcomes)
print(json.dumps({"errors": [], "tests": told, "correct": score == 1, "score": score}))
