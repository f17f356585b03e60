#!/usr/bin/env python3
"""A grader for a compiled language that the worker runs: compile once, feed each test, compare what is printed.

    gradequeue-grader run --url ... --token-file token --queue c --processes 64 -- python3 c_grader.py

It needs a C compiler; for another language change COMPILE. What to test travels in `grader_payload`:

    {"tests": [{"name": "adds", "stdin": "2 3\\n", "stdout": "5\\n", "points": 2, "visibility": "visible"}]}

White space at the ends of lines does not count. The worker's sandbox holds the program: time, memory, network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COMPILE = ["cc", "-std=c17", "-O1", "-Wall", "-o", "program", "answer.c", "-lm"]
SOURCE = "answer.c"
TEST_SECONDS = 2


def main() -> int:
    claim = json.load(sys.stdin)
    payload = claim["grader_payload"]
    if isinstance(payload, str):
        payload = json.loads(payload)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / SOURCE).write_text(claim["answer"], encoding="utf-8", errors="replace")
        compiled = subprocess.run(COMPILE, cwd=place, capture_output=True, text=True, errors="replace", check=False)
        if compiled.returncode != 0:
            print(json.dumps({"score": 0, "feedback": {"text": f"It does not compile.\n{compiled.stderr}"}}))
        else:
            print(json.dumps({"tests": [run(place / "program", test) for test in payload["tests"]]}))
    return 0


def run(program: Path, test: dict[str, Any]) -> dict[str, Any]:
    """One test as a Result has it."""
    points = test.get("points", 1)
    told = {"name": test["name"], "max_points": points, "points": 0, "visibility": test.get("visibility", "visible")}
    try:
        done = subprocess.run(
            [program], input=test["stdin"].encode(), capture_output=True, timeout=TEST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return told | {"status": "timeout", "message": f"It did not end within {TEST_SECONDS} s."}
    printed = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        return told | {"status": "error", "message": f"It ended with status {done.returncode}.", "output": printed}
    if lines(printed) != lines(test["stdout"]):
        return told | {"status": "failed", "expected": test["stdout"], "actual": printed}
    return told | {"status": "passed", "points": points}


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


if __name__ == "__main__":
    sys.exit(main())
