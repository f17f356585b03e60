"""The same programs through graders of all four protocols, on a real service: the same scores."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from gradequeue.demo import course, folder
from gradequeue.demo.course import Attempt
from tests.sandboxes import why_none
from tests.server import Server
from tests.worker.conftest import PYTHON, Workers, sandbox_options

pytestmark = pytest.mark.walk

COMMANDS = {
    "json": (PYTHON, "json_grader.py"),
    "watcher": (PYTHON, "watcher/entrypoint.py"),
    "gradescope": ("gradescope/run_autograder",),
    "prairielearn": ("prairielearn/run.sh",),
}
OPTIONS = {"watcher": ("--grader-root", "problems"), "gradescope": ("--answer-file", "answer.py")}
OPTIONS["prairielearn"] = OPTIONS["gradescope"]


def lay_out(place: Path, attempts: Iterable[Attempt]) -> None:
    """Each problem's tests, where each kind of grader has them."""
    for problem in {attempt.problem.name: attempt.problem for attempt in attempts}.values():
        for path in ("problems", "gradescope/assignments", "prairielearn/questions"):
            (place / path).mkdir(exist_ok=True)
            (place / path / f"{problem.name}.json").write_text(problem.payload)


def submission(queue: str, number: int, attempt: Attempt) -> dict[str, Any]:
    name = attempt.problem.name
    told = {"grader": f"{name}.json", "params": {"question": name}}
    payload = json.loads(attempt.problem.payload) | told
    return {
        "queue_name": queue,
        "item_id": name,
        "student_id": f"{queue}-{number}",
        "answer": attempt.program,
        "grader_payload": payload,
        "points_possible": 10,
    }


def shares(workers: Workers, server: Server, queue: str, protocol: str, attempts: list[Attempt]) -> list[float]:
    """What each attempt earned, of 1."""
    workers.token(queue)
    ids = server.enqueue(*(submission(queue, number, one) for number, one in enumerate(attempts)))
    options = (*sandbox_options(), *OPTIONS.get(protocol, ()), "--protocol", protocol, "--jobs", jobs(protocol))
    events = workers.run(queue, *options, "--time-limit", "60", "--", *COMMANDS[protocol])
    assert events[-1]["ends"] == {"graded": len(attempts)}, events
    rows = server.show(*ids)
    assert {row["status"] for row in rows} == {"retired"}
    return [row["points_earned"] / 10 for row in rows]


def jobs(protocol: str) -> str:
    """Without a sandbox there is one /autograder and one /grade."""
    return "1" if why_none() and protocol in ("gradescope", "prairielearn") else "2"


def each_way(workers: Workers, server: Server, name: str, attempts: list[Attempt]) -> dict[str, list[float]]:
    lay_out(workers.folder, attempts)
    return {kind: shares(workers, server, f"{name}-{kind}", kind, attempts) for kind in COMMANDS}


@pytest.mark.once
def test_a_small_course_gets_the_same_scores_by_all_four(workers: Workers, server: Server, name: str) -> None:
    attempts = [attempt for attempt in course.in_turns(course.own()) if attempt.passes is not None][:8]
    found = each_way(workers, server, name, attempts)
    expected = [(attempt.passes or 0) / len(attempt.problem.tests) for attempt in attempts]
    assert found == dict.fromkeys(COMMANDS, pytest.approx(expected))


@pytest.mark.once
def test_programs_of_learners_get_the_same_scores_by_all_four(
    workers: Workers, server: Server, name: str, student_programs: Path | None
) -> None:
    if student_programs is None:
        pytest.skip("NOT RUN: there are no programs of learners on this machine (STUDENT_PROGRAMS)")
    attempts = list(few_of_each(folder.read(student_programs)))
    found = each_way(workers, server, name, attempts)
    assert len({tuple(scores) for scores in found.values()}) == 1, found
    assert [score == 1 for score in found["json"]] == [attempt.right for attempt in attempts]


def few_of_each(attempts: list[Attempt]) -> Iterable[Attempt]:
    """Of each problem one program that is right, and one that is not and fails a test that is shipped."""
    for name in dict.fromkeys(attempt.problem.name for attempt in attempts):
        mine = [attempt for attempt in attempts if attempt.problem.name == name]
        yield from islice((attempt for attempt in mine if attempt.right), 5, 6)
        yield from islice((attempt for attempt in mine if not attempt.right), 11, 12)
