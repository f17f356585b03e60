#!/usr/bin/env python3
"""A grader for Python programs that the worker runs: a claim on standard input, a Result on standard output.

    gradequeue-grader run --url http://127.0.0.1:8000 --token-file token --queue QUEUE -- python3 json_grader.py

It needs Python 3.11 and `grader.py` beside it, which says how tests travel in `grader_payload`, and how a program is
held. All that has to do with the queue is the worker's.
"""

from __future__ import annotations

import json
import sys

import grader

NO_TESTS = 65  # to the worker: this submission can never be graded


def main() -> int:
    claim = json.load(sys.stdin)
    payload = claim["grader_payload"]
    try:
        tests, prelude = grader.parsed(payload if isinstance(payload, str) else json.dumps(payload))
    except ValueError as error:
        print(error, file=sys.stderr)
        return NO_TESTS
    outcomes = grader.run(tests, prelude, claim["answer"])
    told = [
        {
            "name": test.call,
            "status": "passed" if outcome.passed else "failed",
            "points": int(outcome.passed),
            "max_points": 1,
            "message": "" if outcome.passed else outcome.note,
        }
        for test, outcome in zip(tests, outcomes, strict=True)
    ]
    # The learner reads the message; each test by itself is for those who run the course.
    feedback = {"format": "html", "text": grader.message(tests, outcomes)}
    print(json.dumps({"feedback": feedback, "tests": [test | {"visibility": "hidden"} for test in told]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
