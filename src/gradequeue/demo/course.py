"""What is graded: problems with their tests, and attempts with the verdict that each ought to get.

The course of our own lies beside this file, one TOML file per problem; `folder` reads others.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Problem:
    name: str
    tests: tuple[Mapping[str, str], ...]
    """Each a ``call`` with what it should ``expect`` or that it ``prints``."""
    prelude: str = ""
    """Python that runs before each program."""

    @property
    def payload(self) -> str:
        """What the example grader is told, as its documentation has it."""
        return json.dumps({"grader": "python", "tests": self.tests, "prelude": self.prelude}, ensure_ascii=False)


@dataclass(frozen=True)
class Attempt:
    problem: Problem
    student: str
    program: str
    known: str
    """Where its verdict comes from, in words: "in wrong/", "half right: forgets the centuries"."""
    right: bool
    """Whether it ought to pass all tests."""
    passes: int | None = None
    """How many tests it ought to pass, where that is known."""

    def agrees(self, share: float | None) -> bool:
        """Whether the score, as a share of the points (0 to 1; None for none), is what it ought to be."""
        if share is None:
            return False
        if self.passes is None:
            return (share == 1) == self.right
        return abs(share - self.passes / len(self.problem.tests)) < 1e-9


def own() -> list[Attempt]:
    """The small course that comes along, problem by problem."""
    folder = resources.files("gradequeue.demo") / "course"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return [
        attempt
        for file in files
        for attempt in _attempts(file.name.removesuffix(".toml"), tomllib.loads(file.read_text("utf-8")))
    ]


def _attempts(name: str, found: Mapping[str, Any]) -> Iterator[Attempt]:
    problem = Problem(name, tuple(found["tests"]), found.get("prelude", ""))
    for attempt in found["attempts"]:
        right = attempt["passes"] == len(problem.tests)
        yield Attempt(problem, attempt["student"], attempt["program"], attempt["what"], right, attempt["passes"])


def in_turns(attempts: Iterable[Attempt]) -> list[Attempt]:
    """One attempt of each problem after the other, as on a day of teaching: no problem waits for another's end."""
    numbered: dict[str, int] = {}
    turns = []
    for attempt in attempts:
        turn = numbered[attempt.problem.name] = numbered.get(attempt.problem.name, 0) + 1
        turns.append((turn, attempt))
    return [attempt for _, attempt in sorted(turns, key=lambda one: one[0])]
