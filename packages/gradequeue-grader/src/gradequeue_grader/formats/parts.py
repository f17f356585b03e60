"""How parts of foreign reports are read, and how a test is told in one text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from gradequeue_grader.result import NotAResult, Result, Test


def number(found: Mapping[str, Any], name: str) -> float | None:
    """A member that is a number, or missing (null counts as missing). Raises NotAResult for anything else."""
    value = found.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotAResult(f"{name} is no number: {value!r}")
    return value


def verdict(found: Mapping[str, Any]) -> Result:
    """A share as `score`, and `correct` where it says so. Raises NotAResult where there is no score."""
    score = number(found, "score")
    if score is None:
        raise NotAResult("there is no score")
    return {"score": score, "correct": found["correct"]} if isinstance(found.get("correct"), bool) else {"score": score}


def objects(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A member that is a list of objects. Raises NotAResult for anything else."""
    value = found.get(name)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise NotAResult(f"{name} is no list of objects")
    return value


def text_of(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def name_of(test: Test) -> str:
    """What stands where a name has to."""
    return test.get("name") or test.get("id") or "Test"


def told(test: Test) -> str | None:
    """All texts of a test in one; None where it has none."""
    said = [test[name] for name in ("message", "output") if name in test]
    said += [f"{name}: {test[name]}" for name in ("expected", "actual") if name in test]
    return "\n".join(said) if said else None


def passed_share(tests: list[Test]) -> Result:
    """A score: passed / (all - skipped); none where none ran."""
    ran = [test for test in tests if test["status"] != "skipped"]
    return {"score": sum(test["status"] == "passed" for test in ran) / len(ran)} if ran else {}
