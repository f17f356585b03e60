"""What a grader's container prints for xqueue-watcher:
https://github.com/openedx/xqueue-watcher/blob/master/docs/grader-interface.md#the-grader-container-protocol"""

from __future__ import annotations

from typing import Any

from gradequeue_grader.formats.parts import name_of, text_of, verdict
from gradequeue_grader.result import VISIBLE, NotAResult, Result, Test, share, word


def read(found: dict[str, Any]) -> Result:
    """Raises NotAResult where there is no score."""
    result = verdict(found)
    errors = found.get("errors") or []
    if not isinstance(errors, list) or not isinstance(found.get("tests") or [], list):
        raise NotAResult("errors and tests are lists")
    if errors:
        result["feedback"] = {"text": "\n".join(map(text_of, errors))}
    if "tests" in found:
        result["tests"] = list(map(_read_test, found["tests"] or []))
    return result


def _read_test(found: Any) -> Test:
    if not isinstance(found, list) or len(found) != 5:
        raise NotAResult(f"a test is [short, long, correct, expected, actual], not {found!r}")
    short, long, correct, expected, actual = found
    return {
        "name": text_of(short),
        "status": "passed" if correct is True else "failed",
        "message": text_of(long),
        "expected": text_of(expected),
        "actual": text_of(actual),
    }


def write(result: Result, points_possible: float | None) -> dict[str, Any]:
    """Raises NotAResult where the share is not known. Tests that the learner may not see are not in it.

    Feedback is not in it either: it has a place for errors only, and an error is not what feedback says.
    """
    earned = share(result, points_possible or 0)
    if earned is None:
        raise NotAResult("a watcher wants a share of the points: say how many are possible")
    seen = [test for test in result.get("tests", []) if word(result, test.get("visibility")) == VISIBLE]
    found = {"errors": [], "tests": list(map(_write_test, seen))}
    return found | {"correct": result.get("correct", earned >= 1), "score": earned}


def _write_test(test: Test) -> list[Any]:
    actual = test.get("actual", test.get("output", ""))
    return [name_of(test), test.get("message", ""), test["status"] == "passed", test.get("expected", ""), actual]
