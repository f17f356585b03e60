"""Common Test Report Format: https://ctrf.io/docs/specification/overview"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from gradequeue_grader.formats.parts import name_of, number, objects, passed_share, text_of
from gradequeue_grader.result import NotAResult, Result, Status, Test

STATUSES: dict[str, Status] = {"passed": "passed", "failed": "failed", "skipped": "skipped", "pending": "skipped"}
NAMES = {"passed": "passed", "failed": "failed", "skipped": "skipped", "timeout": "other", "error": "other"}
SUITES = " > "


def read(found: dict[str, Any]) -> Result:
    """It has no points: the score is passed / (all - skipped - pending). Raises NotAResult."""
    report = found.get("results")
    if not isinstance(report, dict):
        raise NotAResult("there are no results")
    tests = [_read_test(one, place) for place, one in enumerate(objects(report, "tests"), 1)]
    result: Result = {**passed_share(tests), "tests": tests}
    tool = report.get("tool")
    if isinstance(tool, dict) and tool.get("name") is not None:
        result["grader"] = {"name": text_of(tool["name"])}
        if tool.get("version") is not None:
            result["grader"]["version"] = text_of(tool["version"])
    return result


def _read_test(found: dict[str, Any], place: int) -> Test:
    raw = text_of(found.get("rawStatus") or "").lower()
    otherwise: Status = "timeout" if raw.startswith(("timeout", "timedout", "timed out")) else "error"
    test: Test = {
        "name": text_of(found.get("name") or f"Test {place}"),
        "status": STATUSES.get(text_of(found.get("status")), otherwise),
    }
    if (duration := number(found, "duration")) is not None and duration >= 0:
        test["duration_ms"] = duration
    if found.get("id") is not None:
        test["id"] = text_of(found["id"])
    if found.get("suite") is not None:
        suites = found["suite"]
        test["group"] = SUITES.join(map(text_of, suites)) if isinstance(suites, list) else text_of(suites)
    if found.get("message") is not None:
        test["message"] = text_of(found["message"])
    if isinstance(found.get("stdout"), list):
        test["output"] = "\n".join(map(text_of, found["stdout"]))
    if isinstance(found.get("tags"), list):
        test["tags"] = list(map(text_of, found["tags"]))
    return test


def write(result: Result, points_possible: float | None) -> dict[str, Any]:
    """Points, and what else it has no place for, are in ``extra.gradequeue``."""
    tests = list(map(_write_test, result.get("tests", [])))
    grader = result.get("grader", {})
    tool = {"name": grader.get("name") or "gradequeue-grader"}
    if "version" in grader:
        tool["version"] = grader["version"]
    counts = Counter(test["status"] for test in tests)
    summary: dict[str, Any] = {"tests": len(tests)}
    summary |= {status: counts[status] for status in ("passed", "failed", "skipped", "pending", "other")}
    # When it was is not in a result, only how long it took.
    summary |= {"start": 0, "stop": round(result.get("usage", {}).get("wall_ms", 0))}
    report = {"tool": tool, "summary": summary, "tests": tests}
    return {"reportFormat": "CTRF", "specVersion": "1.0.0", "results": report}


def _write_test(test: Test) -> dict[str, Any]:
    status = test["status"]
    found: dict[str, Any] = {"name": name_of(test), "status": NAMES[status]}
    found["duration"] = round(test.get("duration_ms", 0))
    if found["status"] == "other":
        found["rawStatus"] = status
    if "id" in test and _is_uuid(test["id"]):
        found["id"] = test["id"]
    if "group" in test:
        found["suite"] = test["group"].split(SUITES)
    if "message" in test:
        found["message"] = test["message"]
    if "output" in test:
        found["stdout"] = test["output"].split("\n")
    if "tags" in test:
        found["tags"] = test["tags"]
    return found


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
