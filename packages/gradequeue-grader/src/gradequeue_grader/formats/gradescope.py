"""Gradescope's results.json: https://gradescope-autograders.readthedocs.io/en/latest/specs/"""

from __future__ import annotations

from typing import Any

from gradequeue_grader.formats.parts import name_of, number, objects, text_of, told
from gradequeue_grader.result import Format, Result, Test, total

FORMATS: dict[str, Format] = {"text": "text", "html": "html", "md": "markdown"}
NAMES = {ours: theirs for theirs, ours in FORMATS.items()}


def read(found: dict[str, Any]) -> Result:
    """The score is in points. Raises NotAResult."""
    result: Result = {}
    if (score := number(found, "score")) is not None:
        result["points_earned"] = score
    if found.get("output") is not None:
        result["feedback"] = {"text": text_of(found["output"])}
        if kind := FORMATS.get(text_of(found.get("output_format"))):
            result["feedback"]["format"] = kind
    if found.get("tests") is not None:
        usual = {"output_format": found.get("test_output_format")}
        tests = enumerate(objects(found, "tests"), 1)
        result["tests"] = [_read_test(usual | one, place) for place, one in tests]
    if found.get("visibility") is not None:
        result["visibility"] = text_of(found["visibility"])
    if found.get("stdout_visibility") is not None:
        result["stdout"] = {"text": "", "visibility": text_of(found["stdout_visibility"])}
    if (seconds := number(found, "execution_time")) is not None and seconds >= 0:
        result["usage"] = {"wall_ms": seconds * 1000}
    return result


def _read_test(found: dict[str, Any], place: int) -> Test:
    points, most = number(found, "score"), number(found, "max_score")
    test: Test = {"name": text_of(found.get("name") or f"Test {found.get('number') or place}"), "status": "failed"}
    if found.get("status") == "passed" or (
        found.get("status") is None and points is not None and points >= (most or 0)
    ):
        test["status"] = "passed"
    if points is not None:
        test["points"] = points
    if most is not None:
        test["max_points"] = most
    if found.get("number") is not None:
        test["id"] = text_of(found["number"])
    if found.get("output") is not None:
        test["output"] = text_of(found["output"])
    if kind := FORMATS.get(text_of(found.get("output_format"))):
        test["format"] = kind
    if found.get("visibility") is not None:
        test["visibility"] = text_of(found["visibility"])
    if isinstance(found.get("tags"), list):
        test["tags"] = list(map(text_of, found["tags"]))
    return test


def write(result: Result, points_possible: float | None) -> dict[str, Any]:
    """A share is written as points: of `points_possible`, else of the tests' sum, else of 1."""
    found: dict[str, Any] = {}
    tests = result.get("tests", [])
    if "points_earned" in result:
        found["score"] = result["points_earned"]
    elif "score" in result:
        most = total(tests, "max_points")
        found["score"] = result["score"] * (points_possible or most or 1)
    if "feedback" in result:
        found["output"] = result["feedback"].get("text", "")
        if "format" in result["feedback"]:
            found["output_format"] = NAMES[result["feedback"]["format"]]
    if "tests" in result:
        found["tests"] = list(map(_write_test, tests))
    if "visibility" in result:
        found["visibility"] = result["visibility"]
    if "stdout" in result:
        found["stdout_visibility"] = result["stdout"].get("visibility", "hidden")
    if "wall_ms" in result.get("usage", {}):
        found["execution_time"] = result["usage"]["wall_ms"] / 1000
    return found


def _write_test(test: Test) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name_of(test), "status": "passed" if test["status"] == "passed" else "failed"}
    places = {"points": "score", "max_points": "max_score", "id": "number", "visibility": "visibility", "tags": "tags"}
    found |= {theirs: test[ours] for ours, theirs in places.items() if ours in test}  # type: ignore[literal-required]
    if (output := told(test)) is not None:
        found["output"] = output
    if "format" in test:
        found["output_format"] = NAMES[test["format"]]
    return found
