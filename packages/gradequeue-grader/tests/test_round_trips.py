"""There and back: nothing is lost but what `LOSSES` says; and hostile reports are refused in a sentence."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradequeue_grader import formats
from gradequeue_grader.result import WORDS, NotAResult, faults, share
from test_formats import FIXTURES, read

EXTENSIBLE = ["gradescope", "prairielearn", "ctrf", "junit"]

texts = st.text(max_size=20)
numbers = st.one_of(st.integers(0, 100), st.floats(0, 100, allow_nan=False))
words = st.sampled_from([*WORDS, "tomorrow"])
kinds = st.sampled_from(["text", "markdown", "html"])
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
tests = st.fixed_dictionaries(
    {"status": st.sampled_from(["passed", "failed", "error", "skipped", "timeout"])},
    optional={
        **dict.fromkeys(("name", "id", "group", "message", "output", "expected", "actual"), texts),
        **dict.fromkeys(("points", "max_points", "duration_ms"), numbers),
        "format": kinds,
        "visibility": words,
        "tags": st.lists(texts, max_size=3),
    },
)
results = st.fixed_dictionaries(
    {"score": st.floats(0, 1)},
    optional={
        "points_earned": numbers,
        "correct": st.booleans(),
        "feedback": st.fixed_dictionaries({"text": texts}, optional={"format": kinds}),
        "tests": st.lists(tests, max_size=4),
        "visibility": words,
        "stdout": st.fixed_dictionaries({"text": texts}, optional={"visibility": words}),
        "usage": st.fixed_dictionaries({}, optional=dict.fromkeys(("wall_ms", "cpu_ms", "max_rss_bytes"), numbers)),
        "grader": st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "version", "image", "seed"), texts)),
        "extra": st.dictionaries(st.one_of(texts, st.sampled_from(EXTENSIBLE)), json_values, max_size=3),
    },
)


def holds(more: Any, less: Any) -> bool:
    """Whether `more` has all of `less`; what a format requires may have been filled in."""
    if isinstance(less, dict):
        return isinstance(more, dict) and all(name in more and holds(more[name], less[name]) for name in less)
    if isinstance(less, list):
        return isinstance(more, list) and len(more) == len(less) and all(map(holds, more, less))
    return isinstance(more, bool) == isinstance(less, bool) and bool(more == less)


def lacks_score(result: dict[str, Any]) -> bool:
    return "points_earned" in result or any("points" in test for test in result.get("tests", []))


@pytest.mark.parametrize("name", EXTENSIBLE)
@given(results, st.booleans())
@settings(max_examples=120, deadline=None)
def test_a_result_comes_back_whole(name: str, result: Any, without_score: bool) -> None:
    if without_score and lacks_score(result):
        del result["score"]
    try:
        written = formats.write(name, result, 100)
    except NotAResult:
        # PrairieLearn alone asks for a share, and tests that are worth nothing have none.
        assert name == "prairielearn"
        assert share(result, 100) is None
        return
    back = formats.read(name, written.encode())
    assert holds(back, result), written
    assert ("score" in back, "points_earned" in back) == ("score" in result, "points_earned" in result)
    assert faults(back) == faults(result)


@given(results)
@settings(max_examples=120, deadline=None)
def test_a_watchers_reply_keeps_what_it_says_it_keeps(result: Any) -> None:
    back: Any = formats.read("watcher", formats.write("watcher", result).encode())
    assert back["score"] == result["score"]
    assert back["correct"] == result.get("correct", result["score"] >= 1)
    shown = [
        test
        for test in result.get("tests", [])
        if test.get("visibility", result.get("visibility", "visible")) == "visible"
    ]
    assert back["tests"] == [
        {
            "name": test.get("name") or test.get("id") or "Test",
            "message": test.get("message", ""),
            "status": "passed" if test["status"] == "passed" else "failed",
            "expected": test.get("expected", ""),
            "actual": test.get("actual", test.get("output", "")),
        }
        for test in shown
    ]


@given(results)
@settings(max_examples=60, deadline=None)
def test_an_xqueue_reply_keeps_the_score(result: Any) -> None:
    back: Any = formats.read("xqueue", formats.write("xqueue", result).encode())
    assert (back["score"], back["correct"]) == (result["score"], result.get("correct", result["score"] >= 1))


@pytest.mark.parametrize("name", ["gradescope", "prairielearn", "ctrf", "watcher"])
def test_a_report_comes_back_whole(name: str) -> None:
    original = json.loads((FIXTURES / f"{name}.json").read_text())
    written = json.loads(formats.write(name, read(name)))
    # A suite in one text and one in a list read the same.
    assert holds(written, original)


def test_a_junit_report_comes_back_whole() -> None:
    once = read("junit")
    again: Any = formats.read("junit", formats.write("junit", once).encode())
    assert again == once


@pytest.mark.parametrize("name", [*EXTENSIBLE, "watcher", "xqueue", "json"])
@given(json_values)
@settings(max_examples=60, deadline=None)
def test_any_json_is_read_or_refused(name: str, found: Any) -> None:
    refused(name, json.dumps(found).encode())


shapes = st.dictionaries(
    st.sampled_from(
        [
            "score",
            "tests",
            "output",
            "output_format",
            "results",
            "extra_data",
            "gradequeue",
            "errors",
            "gradable",
            "tool",
        ]
    ),
    st.one_of(
        json_values, st.lists(st.dictionaries(st.sampled_from(["name", "score", "status"]), json_values), max_size=2)
    ),
)


@pytest.mark.parametrize("name", ["gradescope", "prairielearn", "ctrf", "watcher", "xqueue"])
@given(shapes)
@settings(max_examples=80, deadline=None)
def test_reports_of_a_strange_shape_are_read_or_refused(name: str, found: Any) -> None:
    refused(name, json.dumps(found).encode())
    refused(name, json.dumps({"results": found, **found}).encode())


@pytest.mark.parametrize("name", [*EXTENSIBLE, "tap", "watcher", "xqueue", "json"])
@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused(name: str, found: bytes) -> None:
    refused(name, found)


def refused(name: str, text: bytes) -> None:
    with contextlib.suppress(NotAResult):
        formats.read(name, text)
