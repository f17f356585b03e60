"""A Result: its schema, what it earned, what the learner sees of it, and its limits."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Literal, TypedDict

import jsonschema

Status = Literal["passed", "failed", "error", "skipped", "timeout"]
Format = Literal["text", "markdown", "html"]

VISIBLE = "visible"
HIDDEN = "hidden"
WORDS = (VISIBLE, "after_due_date", "after_published", HIDDEN)
"""Who may see a part, and when. An unknown word means hidden."""

# What the server takes (bytes of UTF-8; numbers of tests).
BODY_BYTES = 1024**2
FEEDBACK_BYTES = 256 * 1024
TEXT_BYTES = 64 * 1024
TESTS = 2000
DEEPEST = 64
# Texts are not cut below this to make a result fit.
LEAST_BYTES = 64

TEST_TEXTS = ("message", "output", "expected", "actual")


class Feedback(TypedDict, total=False):
    format: Format
    text: str


class Test(TypedDict, total=False):
    id: str
    name: str
    group: str
    status: Status
    points: float
    max_points: float
    duration_ms: float
    message: str
    output: str
    expected: str
    actual: str
    format: Format
    visibility: str
    tags: list[str]


class Stdout(TypedDict, total=False):
    text: str
    visibility: str


class Usage(TypedDict, total=False):
    wall_ms: float
    cpu_ms: float
    max_rss_bytes: float


class Grader(TypedDict, total=False):
    name: str
    version: str
    image: str
    seed: int | str


class Result(TypedDict, total=False):
    """As `result.schema.json` has it."""

    score: float
    points_earned: float
    correct: bool
    feedback: Feedback
    tests: list[Test]
    visibility: str
    stdout: Stdout
    usage: Usage
    grader: Grader
    extra: dict[str, Any]


class NotAResult(ValueError):
    """What a grader gave is no result; the sentence says what is wrong with it."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a result."""
    found: dict[str, Any] = json.loads((resources.files(__package__) / "result.schema.json").read_text("utf-8"))
    return found


def faults(result: Any) -> list[str]:
    """What is wrong with it, a sentence each, at most ten; empty where nothing is."""
    return misfits(result) or list(_senseless(result))


def misfits(result: Any) -> list[str]:
    """The same of its form alone: whether it earned anything is not looked at."""
    validator = jsonschema.Draft202012Validator(schema())
    errors = sorted(validator.iter_errors(result), key=lambda error: error.json_path)
    return [f"{error.json_path}: {error.message[:300]}" for error in errors[:10]]


def _senseless(result: Result) -> Iterator[str]:
    """What a schema cannot say."""
    for name, value in (("score", result.get("score")), ("points_earned", result.get("points_earned"))):
        if value is not None and not math.isfinite(value):
            yield f"$.{name}: {value} is no finite number"
    earned = share(result, 1)
    if earned is None and "points_earned" not in result:
        yield "$: neither a score, nor points_earned, nor tests with points"
    elif earned is not None and not math.isfinite(earned):
        yield "$.tests: the sum of the points is beyond all numbers"


def share(result: Result, points_possible: float) -> float | None:
    """What it earned, as a share of the points (0 to 1 where it is in range); None where it does not say."""
    if "score" in result:
        return result["score"]
    earned = result.get("points_earned")
    if earned is None:
        scored = [test for test in result.get("tests", []) if "points" in test]
        if not scored:
            return None
        earned = total(scored, "points")
        if all("max_points" in test for test in scored):
            most = total(scored, "max_points")
            return earned / most if most else None
    return earned / points_possible if points_possible else None


def total(tests: Sequence[Test], name: Literal["points", "max_points"]) -> float:
    """The sum over the tests that say; infinite where it is beyond all numbers."""
    try:
        return math.fsum(test.get(name, 0) for test in tests)
    except OverflowError:
        return math.inf


# What the learner sees. ---------------------------------------------------------------------------------------------


def learners(result: Result) -> Result:
    """The parts that are visible at once, and without what is for machines."""
    seen: Result = {}
    if "feedback" in result and word(result, None) == VISIBLE:
        seen["feedback"] = result["feedback"]
    seen["tests"] = [test for test in result.get("tests", []) if word(result, test.get("visibility")) == VISIBLE]
    if "stdout" in result and result["stdout"].get("visibility", HIDDEN) == VISIBLE:
        seen["stdout"] = result["stdout"]
    return seen


def word(result: Result, own: str | None) -> str:
    """A part's visibility: its own word, else the result's, else visible."""
    found = own if own is not None else result.get("visibility", VISIBLE)
    return found if found in WORDS else HIDDEN


# Limits. ------------------------------------------------------------------------------------------------------------


def cut(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, cut between characters, and a mark that says so on top of them."""
    whole = text.encode("utf-8", "replace")
    if len(whole) <= limit:
        return text
    kept = whole[:limit].decode("utf-8", "ignore")
    return f"{kept}\n[cut: {len(kept.encode())} of {len(whole)} bytes]"


def fit(result: Result) -> Result:
    """The same with its texts cut, so that the server takes it: each to its limit, and all shorter where the whole is
    too long. What is too long for another reason stays so."""
    limit = TEXT_BYTES
    fitted = _with_texts(result, limit)
    while _size(fitted) > BODY_BYTES and limit > LEAST_BYTES:
        limit //= 4
        fitted = _with_texts(result, limit)
    return fitted


def _size(result: Result) -> int:
    return len(json.dumps(result, ensure_ascii=True, separators=(",", ":")))


def _with_texts(result: Result, limit: int) -> Result:
    fitted = copy.deepcopy(result)
    if "feedback" in fitted:
        _cut_in(fitted["feedback"], ("text",), min(FEEDBACK_BYTES, limit * 4))
    if "stdout" in fitted:
        _cut_in(fitted["stdout"], ("text",), limit)
    # What a grader prints may be anything; the server says what is wrong with it.
    tests: Any = fitted.get("tests")
    for test in tests if isinstance(tests, list) else ():
        _cut_in(test, TEST_TEXTS, limit)
    return fitted


def _cut_in(part: Any, names: Sequence[str], limit: int) -> None:
    for name in names:
        if isinstance(part, dict) and isinstance(part.get(name), str):
            part[name] = cut(part[name], limit)


# JSON. --------------------------------------------------------------------------------------------------------------


def loads(text: str | bytes) -> Any:
    """JSON as the server reads it: no NaN, no member twice, nested to DEEPEST at the most; and no number that is beyond
    all that one can reckon with. Raises NotAResult."""
    hooks: dict[str, Any] = {"parse_float": _finite, "parse_int": _whole, "object_pairs_hook": _once}
    try:
        found = json.loads(text, parse_constant=_no_constant, **hooks)
    except RecursionError as error:
        raise NotAResult(TOO_DEEP) from error
    except ValueError as error:
        raise NotAResult(f"this is no JSON: {error}") from error
    if _is_deeper(found, DEEPEST):
        raise NotAResult(TOO_DEEP)
    return found


TOO_DEEP = f"this is nested deeper than {DEEPEST}"


def _is_deeper(value: Any, most: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return not most or any(_is_deeper(one, most - 1) for one in inner)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text[:40]} is beyond all numbers")
    return float(text)


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice in an object")
    return found
