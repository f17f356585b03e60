"""PrairieLearn's results.json: https://prairielearn.readthedocs.io/en/latest/externalGrading/#grading-results"""

from __future__ import annotations

from typing import Any

from gradequeue_grader.formats.parts import name_of, number, objects, text_of, told, verdict
from gradequeue_grader.result import HIDDEN, VISIBLE, NotAResult, Result, Test, share, word


class Ungradable(NotAResult):
    """The submission cannot be graded, and the learner is told why."""


def read(found: dict[str, Any]) -> Result:
    """Raises Ungradable for ``"gradable": false``, NotAResult where there is no score."""
    if found.get("gradable") is False:
        raise Ungradable(_why(found))
    score = verdict(found)["score"]
    result: Result = {"score": score}
    if found.get("message") is not None:
        result["feedback"] = {"text": text_of(found["message"])}
    if found.get("tests") is not None:
        result["tests"] = [_read_test(one, place, score) for place, one in enumerate(objects(found, "tests"), 1)]
    if found.get("output") is not None:
        result["stdout"] = {"text": text_of(found["output"]), "visibility": VISIBLE}
    return result


def _why(found: dict[str, Any]) -> str:
    errors = found.get("format_errors") or found.get("message") or "The submission cannot be graded."
    return "\n".join(map(text_of, errors)) if isinstance(errors, list) else text_of(errors)


def _read_test(found: dict[str, Any], place: int, score: float) -> Test:
    points, most = number(found, "points"), number(found, "max_points")
    full = score >= 1 if points is None else points >= (most or 0)
    test: Test = {"name": text_of(found.get("name") or f"Test {place}"), "status": "passed" if full else "failed"}
    if points is not None:
        test["points"] = points
    if most is not None:
        test["max_points"] = most
    if found.get("message") is not None:
        test["message"] = text_of(found["message"])
    if found.get("output") is not None:
        test["output"] = text_of(found["output"])
    return test


def write(result: Result, points_possible: float | None) -> dict[str, Any]:
    """Raises NotAResult where the share is not known.

    PrairieLearn shows all of it to the learner: what is not visible is not in it.
    """
    earned = share(result, points_possible or 0)
    if earned is None:
        raise NotAResult("PrairieLearn wants a share of the points: say how many are possible")
    found: dict[str, Any] = {"gradable": True, "score": earned}
    if "feedback" in result and word(result, None) == VISIBLE:
        found["message"] = result["feedback"].get("text", "")
    if "tests" in result:
        seen = (test for test in result["tests"] if word(result, test.get("visibility")) == VISIBLE)
        found["tests"] = list(map(_write_test, seen))
    if "stdout" in result and result["stdout"].get("visibility", HIDDEN) == VISIBLE:
        found["output"] = result["stdout"].get("text", "")
    return found


def _write_test(test: Test) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name_of(test)}
    # It shows a test by its points alone.
    found["points"] = test.get("points", 1 if test["status"] == "passed" else 0)
    found["max_points"] = test.get("max_points", max(found["points"], 1))
    if "message" in test:
        found["message"] = test["message"]
    output = told({name: value for name, value in test.items() if name != "message"})  # type: ignore[arg-type]
    if output is not None:
        found["output"] = output
    return found
