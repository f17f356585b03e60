"""Test Anything Protocol: https://testanything.org/tap-version-14-specification.html (read only)

Subtests and YAML blocks stand indented: the first are left out, since their parent has a line of its own; the second
are what a test says, as they stand.
"""

from __future__ import annotations

import re

from gradequeue_grader.formats.parts import passed_share
from gradequeue_grader.result import TESTS, NotAResult, Result, Test

LINE = re.compile(r"(?P<not>not )?ok\b[ \t]*(?P<number>\d*)[ \t]*(?:- )?(?P<rest>.*)")
DIRECTIVE = re.compile(r"(?:^|\s)#\s*((?:skip|todo)\b.*)", re.IGNORECASE)
PLAN = re.compile(r"1\.\.(\d{1,9})\b")


def read(text: bytes) -> Result:
    """The score is passed / (all - skipped). SKIP and TODO are skipped; planned tests that did not run are errors.

    Raises NotAResult for `Bail out!`, and for what has no plan: what broke off half-way would have passed all it ran.
    """
    tests: list[Test] = []
    planned: int | None = None
    for line in text.decode("utf-8", "replace").splitlines():
        if line.startswith("Bail out!"):
            raise NotAResult(line.strip())
        if found := PLAN.match(line):
            planned = int(found[1])
        elif found := LINE.match(line):
            tests.append(_test(found, len(tests) + 1))
        elif tests and (said := _said(line)) is not None:
            tests[-1]["output"] = f"{tests[-1]['output']}\n{said}" if "output" in tests[-1] else said
    if planned is None:
        raise NotAResult("this is no TAP: it has no plan, as 1..5, of how many tests there are")
    if not tests and not planned:
        raise NotAResult("this TAP has no test")
    tests += map(_absent, range(len(tests) + 1, min(planned, TESTS) + 1))
    return {**passed_share(tests), "tests": tests}


def _test(found: re.Match[str], place: int) -> Test:
    rest = found["rest"].strip()
    directive = DIRECTIVE.search(rest)
    name = rest[: directive.start()].strip() if directive else rest
    test: Test = {
        "name": name.replace("\\#", "#") or f"Test {found['number'] or place}",
        "status": "failed" if found["not"] else "passed",
    }
    if found["number"]:
        test["id"] = found["number"]
    if directive:
        test["status"] = "skipped"
        test["message"] = directive[1].strip()
    return test


def _said(line: str) -> str | None:
    """What a comment says, or a line of a YAML block, which is indented by two spaces."""
    if line.startswith("#"):
        return line[1:].strip()
    return line[2:].rstrip() if re.match(r"  \S|   [^ ]", line) and line.strip() not in ("---", "...") else None


def _absent(place: int) -> Test:
    return {"name": f"Test {place}", "status": "error", "message": "planned, but it did not run"}
