"""One job, handed in, graded over a real socket and looked at: what every way to install must be able to do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

Run = Callable[..., str]
"""`gradequeue WORDS`, with `given` on its standard input; what it prints."""

QUEUE = "essays"
JOB = {
    "queue_name": QUEUE,
    "course_id": "CS101",
    "item_id": "motto",
    "student_id": "s1",
    "answer": "Make it work, then right",
    "points_possible": 10,
    "files": {"notes.txt": "seen"},
}
GRADER = """\
import json, sys

words = len(json.load(sys.stdin)["answer"].split())
print(json.dumps({"score": words / 10, "feedback": {"text": f"{words} words."}}))
"""


def hand_in(run: Run) -> int:
    """The id of a submission that waits."""
    return int(json.loads(run("enqueue", given=json.dumps(JOB)))["submission_id"])


def token(run: Run) -> str:
    """Of a new grader, for this queue alone."""
    run("grader", "create", "words", "--queue", QUEUE)
    made = run("token", "create", "words", "--scope", "claim", "--queue", QUEUE, "--json")
    return str(json.loads(made)["token"])


def worker(url: str, token_file: Path | str, *program: str) -> list[str]:
    """The words that grade what waits, and end."""
    return ["run", "--url", url, "--token-file", str(token_file), "--queue", QUEUE, "--once", "--", *program]


def graded(run: Run, number: int) -> dict[str, Any]:
    """What is asked of the submission afterwards."""
    shown = json.loads(run("show", "--json", str(number)))
    return {name: shown[name] for name in ("status", "points_earned", "grader", "num_failures")}


GRADED = {"status": "retired", "points_earned": 5, "grader": "words", "num_failures": 0}


def await_answer(url: str, alive: Callable[[], bool], log: Callable[[], str], verify: str | bool = True) -> None:
    """Until the page answers 200; for at most five minutes, and only while somebody is there to answer."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert alive(), log()
        try:
            if requests.get(url, timeout=5, verify=verify).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{url} did not answer:\n{log()}")
