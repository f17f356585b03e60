"""Each format, from what its makers publish; fixtures are written after their pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gradequeue_grader import formats
from gradequeue_grader.protocols import Job, Setup
from gradequeue_grader.protocols.gradescope import Gradescope
from gradequeue_grader.result import faults, share
from gradequeue_grader.tasks import Outcome, Printed
from gradequeue_grader.trial import claim_of

FIXTURES = Path(__file__).with_name("fixtures")


def read(name: str) -> Any:
    ending = {"junit": "junit.xml", "tap": "report.tap"}.get(name, f"{name}.json")
    return formats.read(name, (FIXTURES / ending).read_bytes())


def text(name: str, found: Any) -> Any:
    return formats.read(name, json.dumps(found).encode())


def test_gradescope() -> None:
    assert read("gradescope") == {
        "points_earned": 4.5,
        "feedback": {"format": "markdown", "text": "**Well done**"},
        "visibility": "after_due_date",
        "stdout": {"text": "", "visibility": "visible"},
        "usage": {"wall_ms": 1500.0},
        "tests": [
            {
                "id": "1.1",
                "name": "Adds",
                "status": "passed",
                "points": 2.0,
                "max_points": 2.0,
                "output": "2 + 2 is 4",
                "tags": ["sum", "easy"],
                "visibility": "visible",
            },
            {
                "id": "1.2",
                "name": "Divides",
                "status": "failed",
                "points": 2.5,
                "max_points": 3,
                "output": "<b>by zero?</b>",
                "format": "html",
            },
            {"name": "Test 3", "status": "failed", "points": 0, "max_points": 1, "visibility": "hidden"},
        ],
        "extra": {
            "gradescope": {
                "extra_data": {"attempt": 3},
                "leaderboard": [{"name": "Time", "value": 15.1, "order": "asc"}],
                "tests": {"0": {"extra_data": {"line": 7}}},
            }
        },
    }


def test_gradescope_says_once_how_its_tests_are_written() -> None:
    tests = [{"output": "<b>a</b>"}, {"output": "*b*", "output_format": "md"}, {"output": "c", "output_format": "text"}]
    report = {"score": 1, "test_output_format": "html", "tests": tests}
    assert [test.get("format") for test in text("gradescope", report)["tests"]] == ["html", "markdown", "text"]
    # Written again, it is what it was, and each test says so, too.
    back = json.loads(formats.write("gradescope", text("gradescope", report)))
    assert back["test_output_format"] == "html"
    assert [test["output_format"] for test in back["tests"]] == ["html", "md", "text"]


def test_gradescope_without_a_score_on_top_is_the_sum_of_its_tests() -> None:
    found = text("gradescope", {"tests": [{"score": 2, "max_score": 2}, {"score": 1, "max_score": 4}]})
    assert "score" not in found
    assert "points_earned" not in found
    assert share(found, 100) == 0.5


def test_prairielearn() -> None:
    assert read("prairielearn") == {
        "score": 0.25,
        "feedback": {"text": "Tests completed."},
        "stdout": {"text": "Running tests...\nTest 1 passed\n", "visibility": "visible"},
        "tests": [
            {
                "name": "Test 1",
                "status": "passed",
                "points": 1,
                "max_points": 1,
                "message": "No errors!",
                "output": "ok",
            },
            {"name": "Test 2", "status": "failed", "points": 0, "max_points": 3, "message": "Look again."},
        ],
        "extra": {
            "prairielearn": {
                "images": [{"label": "Plot", "url": "data:image/png;base64,AAAA"}],
                "tests": {
                    "0": {"description": "Does a thing."},
                    "1": {"description": "Harder.", "images": ["data:image/gif;base64,BBBB"]},
                },
            }
        },
    }


@pytest.mark.parametrize("errors", [["No f.", "No g."], "No f.\nNo g."])
def test_what_prairielearn_calls_not_gradable_has_no_result(errors: Any) -> None:
    with pytest.raises(formats.Ungradable, match=r"No f\.\nNo g\."):
        text("prairielearn", {"gradable": False, "format_errors": errors})


def test_ctrf_has_no_points() -> None:
    found = read("ctrf")
    assert found["score"] == 0.5  # two of the four that were to run
    assert found["grader"] == {"name": "pytest", "version": "9.0"}
    assert found["tests"] == [
        {"name": "adds", "status": "passed", "duration_ms": 12, "group": "sums > small", "tags": ["fast"]},
        {"name": "adds more", "status": "passed", "duration_ms": 3, "id": "1d3fb7a1-0c7c-4a9b-9ac0-1d9b1f9f2a11"},
        {"name": "divides", "status": "failed", "duration_ms": 5, "message": "by zero", "output": "one\ntwo"},
        {"name": "not yet", "status": "skipped", "duration_ms": 0},
        {"name": "never ends", "status": "timeout", "duration_ms": 30000},
    ]
    left = found["extra"]["ctrf"]["results"]
    assert left["summary"] == {"start": 1706828654274, "stop": 1706828655782}
    assert left["tests"]["2"] == {"trace": "line 3", "filePath": "t.py", "line": 3}


def test_junit() -> None:
    found = read("junit")
    assert found["score"] == pytest.approx(1 / 3)
    assert found["tests"] == [
        {"name": "adds", "group": "tests.Sums", "status": "passed", "duration_ms": 250.0},
        {
            "name": "divides",
            "group": "tests.Sums",
            "status": "failed",
            "duration_ms": 500.0,
            "message": "by zero",
            "output": "line 3\ndividing",
        },
        {"name": "later", "group": "inner", "status": "skipped", "message": "not yet"},
        {"name": "breaks", "group": "inner", "status": "error", "message": "boom"},
    ]
    assert found["extra"]["junit"]["properties"] == {"seed": "7"}
    assert found["extra"]["junit"]["tests"]["0"] == {"suite": "sums", "file": "sums.py", "line": "3"}


def test_junit_with_points_as_properties() -> None:
    case = '<testcase name="a"><properties><property name="points" value="2"/><property name="max_points" value="4"/>'
    found = formats.read("junit", f"<testsuite>{case}</properties></testcase></testsuite>".encode())
    assert found == {"tests": [{"name": "a", "status": "passed", "points": 2.0, "max_points": 4.0}]}
    case = '<properties><property name="score" value="0.75"/></properties><testcase name="a"/>'
    assert formats.read("junit", f"<testsuite>{case}</testsuite>".encode())["score"] == 0.75


BOMB = '<!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>'
FILE = '<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite><testcase name="x">&a;</testcase></testsuite>'


@pytest.mark.parametrize("hostile", [BOMB, FILE, "<testsuite>", "<html/>", "", "\0"])
def test_junit_that_is_hostile_or_none_is_refused(hostile: str) -> None:
    with pytest.raises(formats.NotAResult):
        formats.read("junit", hostile.encode())


def test_tap() -> None:
    assert read("tap") == {
        "score": 0.5,
        "tests": [
            {"id": "1", "name": "adds", "status": "passed"},
            {"id": "2", "name": "divides", "status": "failed", "output": "by zero\nat: line 3"},
            {"id": "3", "name": "Test 3", "status": "skipped", "message": "SKIP no network"},
            {"id": "4", "name": "rounds", "status": "skipped", "message": "TODO later"},
            {"name": "Test 5", "status": "passed"},
            {"name": "Test 6", "status": "error", "message": "planned, but it did not run"},
        ],
    }


@pytest.mark.parametrize("said", ["ok 1\nok 2\n", "ok 1\n    1..1\n    ok 1\nok 2\n"])
def test_tap_without_a_plan_may_have_broken_off(said: str) -> None:
    with pytest.raises(
        formats.NotAResult, match=r"^this is no TAP: it has no plan, as 1\.\.5, of how many tests there are$"
    ):
        formats.read("tap", said.encode())
    assert formats.read("tap", f"{said}1..2\n".encode())["score"] == 1


@pytest.mark.parametrize("said", ["1..0 # SKIP no compiler\n", "ok 1\nBail out! no disk\n", "hello\n", ""])
def test_tap_of_which_nothing_ran_is_no_result(said: str) -> None:
    with pytest.raises(formats.NotAResult):
        formats.read("tap", said.encode())


def test_watcher() -> None:
    assert read("watcher") == {
        "score": 0.5,
        "correct": False,
        "tests": [
            {"name": "Adds", "message": "two numbers", "status": "passed", "expected": "4\n", "actual": "4\n"},
            {"name": "Divides", "message": "", "status": "failed", "expected": "2\n", "actual": "boom\n"},
        ],
    }
    failed = text("watcher", {"errors": ["No answer.", "Look again."], "tests": [], "correct": False, "score": 0})
    assert failed["feedback"] == {"text": "No answer.\nLook again."}
    assert json.loads(formats.write("watcher", failed))["errors"] == ["No answer.", "Look again."]


def test_xqueue_shows_what_the_learner_may_see() -> None:
    found: Any = {
        "points_earned": 1.5,
        "feedback": {"text": "3 < 4"},
        "tests": [
            {"name": "a & b", "status": "passed", "output": "<x>"},
            {"name": "secret", "status": "failed", "visibility": "hidden"},
            {"name": "later", "status": "failed", "visibility": "tomorrow"},
        ],
    }
    assert json.loads(formats.write("xqueue", found, 3)) == {
        "correct": False,
        "score": 0.5,
        "msg": "<div><pre>3 &lt; 4</pre><ul><li>a &amp; b: passed<pre>&lt;x&gt;</pre></li></ul></div>",
    }
    with pytest.raises(formats.NotAResult, match="how many are possible"):
        formats.write("xqueue", found)
    assert text("xqueue", {"correct": True, "score": 1, "msg": "<p>Yes</p>"}) == {
        "correct": True,
        "score": 1,
        "feedback": {"format": "html", "text": "<p>Yes</p>"},
    }


def test_what_the_learner_may_not_see_is_not_in_prairielearns_tests() -> None:
    found: Any = {
        "score": 0.5,
        "tests": [
            {"name": "shown", "status": "passed"},
            {"name": "secret", "status": "failed", "visibility": "hidden", "output": "the answer"},
        ],
    }
    written = json.loads(formats.write("prairielearn", found))
    assert [test["name"] for test in written["tests"]] == ["shown"]
    assert text("prairielearn", written) == found


@pytest.mark.parametrize("name", ["gradescope", "prairielearn", "ctrf", "junit", "tap", "watcher"])
def test_every_fixture_becomes_a_result_that_the_schema_takes(name: str) -> None:
    assert faults(read(name)) == []


@pytest.mark.parametrize(
    ("name", "empty", "wanted"),
    [
        (
            "gradescope",
            {
                "score": 1,
                "output": None,
                "output_format": None,
                "visibility": None,
                "stdout_visibility": None,
                "tests": [
                    {"score": 1, "max_score": 1, "number": None, "status": None, "output": None, "visibility": None}
                ],
            },
            {
                "points_earned": 1,
                "tests": [{"name": "Test 1", "status": "passed", "points": 1, "max_points": 1}],
            },
        ),
        (
            "prairielearn",
            {"score": 1, "message": None, "output": None, "tests": None},
            {"score": 1},
        ),
        (
            "prairielearn",
            {"score": 1, "tests": [{"name": None, "points": 1, "max_points": 1, "message": None, "output": None}]},
            {"score": 1, "tests": [{"name": "Test 1", "status": "passed", "points": 1, "max_points": 1}]},
        ),
        (
            "ctrf",
            {
                "results": {
                    "tool": {"name": None},
                    "tests": [{"name": "a", "status": "passed", "id": None, "suite": None, "message": None}],
                }
            },
            {"score": 1.0, "tests": [{"name": "a", "status": "passed"}]},
        ),
    ],
)
def test_null_is_as_if_it_were_not_there(name: str, empty: Any, wanted: Any) -> None:
    """A learner would read `null`, and see nothing of what has a visibility that is none."""
    found = text(name, empty)
    del found["extra"]  # it goes back as it came
    assert found == wanted


HUGE = "1" + "0" * 400


@pytest.mark.parametrize("name", ["json", "gradescope", "prairielearn", "watcher", "xqueue"])
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (f'{{"score": {HUGE}}}', "this is no JSON: 1000000000000000000000000000000000000000 is beyond all numbers"),
        ('{"score": 1e400}', "this is no JSON: 1e400 is beyond all numbers"),
        ('{"score": NaN}', "this is no JSON: NaN is no JSON"),
        ('{"score": 1, "extra": ' + "[" * 64 + "]" * 64 + "}", "this is nested deeper than 64"),
        ("[" * 100_000 + "]" * 100_000, "this is nested deeper than 64"),
    ],
)
def test_what_nobody_can_reckon_with_is_no_result(name: str, said: str, why: str) -> None:
    with pytest.raises(formats.NotAResult) as raised:
        formats.read(name, said.encode())
    assert str(raised.value) == why


@pytest.mark.parametrize("ours", [5, "no JSON", [1], {"earned": 5}, {"tests": 5}, {"stdout": 5}, {"tests": {"0": 5}}])
def test_what_stands_under_our_name_and_is_not_ours_is_passed_over(ours: Any) -> None:
    theirs = {"score": 1, "tests": [{"name": "a", "score": 1, "status": "passed"}], "extra_data": {"gradequeue": ours}}
    assert text("gradescope", theirs) == {
        "points_earned": 1,
        "tests": [{"name": "a", "status": "passed", "points": 1}],
    }


@pytest.mark.parametrize("name", ["gradescope", "ctrf", "junit"])
def test_what_is_ours_comes_back_also_where_nothing_was_earned(name: str) -> None:
    told: Any = {"correct": False, "tests": [{"name": "a", "status": "passed", "points": 0, "max_points": 0}]}
    back = formats.read(name, formats.write(name, told).encode())
    assert (back.get("correct"), "score" in back) == (False, False)


def test_an_attribute_of_junit_that_is_called_like_an_element_is_nothing() -> None:
    case = '<testsuite><testcase name="a" failure="1" error="" properties="x"/></testsuite>'
    assert formats.read("junit", case.encode()) == {"score": 1.0, "tests": [{"name": "a", "status": "passed"}]}


def test_as_deep_as_the_queue_takes_it() -> None:
    said = '{"score": 1, "extra": {"a": ' + "[" * 62 + "]" * 62 + "}}"
    assert formats.read("json", said.encode())["score"] == 1


def test_a_sum_beyond_all_numbers_is_said() -> None:
    most = {"score": 1e308, "max_score": 1e308}
    found = text("gradescope", {"tests": [most, most, most]})
    assert faults(found) == ["$.tests: the sum of the points is beyond all numbers"]
    found = text("gradescope", {"score": 1, "tests": [{"score": 1, "max_score": 1e308}] * 3})
    assert faults(found) == []


@pytest.mark.parametrize(
    ("left", "score"),
    [
        ({"score": 30}, 0.75),
        ({"score": 30, "tests": [{"score": 1, "max_score": 2}]}, 0.75),
        ({"tests": [{"score": 10}, {"score": 20, "max_score": 25}]}, 0.75),
        ({"tests": [{"score": 1, "max_score": 2}]}, None),
    ],
)
def test_what_a_gradescope_score_is_out_of(left: Any, score: float | None) -> None:
    nothing = Printed(b"", 0)
    outcome = Outcome(0, "", True, nothing, nothing, json.dumps(left).encode(), {})
    found = Gradescope(Setup(("true",), out_of=40)).result(outcome, Job(claim_of({}, "", None, 10, 1), {}, 0))
    assert found.get("score") == score
    assert "points_earned" not in found
