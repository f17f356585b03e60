"""`try` and `convert`: no server, one submission, one file."""

from __future__ import annotations

import json

import pytest

from conftest import Typed
from test_formats import FIXTURES
from test_round_trips import holds

RESULT = {
    "score": 0.75,
    "feedback": {"text": "Nearly."},
    "tests": [
        {"name": "adds", "status": "passed", "points": 2, "max_points": 2},
        {"name": "divides", "status": "failed", "message": "by zero", "expected": "1", "actual": "2"},
        {"name": "secret", "status": "passed", "visibility": "hidden"},
        {"name": "later", "status": "passed", "visibility": "after_due_date"},
    ],
    "stdout": {"text": "noise"},
}
SEEN = """\
Score: 7.5 of 10 (75%)

Nearly.

✓ adds  2 of 2
✗ divides
    by zero
    expected: 1
    actual: 2
Tests that are not shown: 1 hidden, 1 after_due_date
What it printed is not shown: 5 characters
"""


def test_try_shows_what_the_learner_would_see(typed: Typed, sandboxed: None) -> None:
    (typed.folder / "work").mkdir()
    (typed.folder / "work" / "hw.py").write_text("x = 1")
    program = typed.program("grade.py", f"import json; print(json.dumps({RESULT!r}))")
    done = typed.run("try", "--submission", "work", "--points", "10", "--", program)
    assert (done.returncode, done.stdout) == (0, SEEN), done.stderr
    whole = typed.run("try", "--submission", "work", "--json", "--", program)
    assert json.loads(whole.stdout)["tests"] == RESULT["tests"]


@pytest.mark.parametrize(
    ("program", "status", "sentence"),
    [
        ("print('{}')", 1, "neither a score, nor points_earned, nor tests with points"),
        ("""print('{"score": "1"}')""", 1, "$.score: '1' is not of type 'number'"),
        ("import sys; sys.exit(1)", 1, "No result (grader): The grader ended with status 1."),
        ("import sys; sys.exit('no such task') if 0 else sys.exit(65)", 65, "No result (ungradable)"),
        ("import sys; sys.exit(75)", 75, "No result (infrastructure)"),
    ],
)
def test_try_says_what_is_wrong(typed: Typed, program: str, status: int, sentence: str) -> None:
    (typed.folder / "work.txt").write_text("x")
    words = ("try", "--submission", "work.txt", "--sandbox", "none", "--")
    done = typed.run(*words, typed.program("grade.py", program))
    assert (done.returncode, sentence in done.stdout) == (status, True), done.stdout + done.stderr


def test_try_shows_what_a_terminal_would_obey_and_reads_any_payload(typed: Typed) -> None:
    (typed.folder / "hw.py").write_text("x")
    (typed.folder / "payload").write_bytes(b"\xff")
    told = r'{"score": 1, "feedback": {"text": "a\ud800\u001b[2J\nb"}}'
    words = ("try", "--submission", "hw.py", "--payload", "payload", "--sandbox", "none", "--")
    done = typed.run(*words, typed.program("red.py", f"print({told!r})"))
    assert (done.returncode, done.stdout) == (0, "Score: 1 of 1 (100%)\n\na\\ud800\\x1b[2J\nb\n\n"), done.stderr


def test_what_is_printed_is_utf_8_whatever_the_locale(typed: Typed) -> None:
    (typed.folder / "r.json").write_text(json.dumps({"score": 1, "tests": [{"name": "Ångström", "status": "passed"}]}))
    done = typed.run("convert", "--from", "json", "--to", "junit", "r.json", PYTHONIOENCODING="ascii")
    assert (done.returncode, 'name="Ångström"' in done.stdout) == (0, True), done.stderr


def test_the_answer_and_the_payload_reach_the_command(typed: Typed) -> None:
    (typed.folder / "hw.py").write_text("Ångström")
    (typed.folder / "payload.json").write_text('{"tests": 3}')
    echo = "import json, sys; c = json.load(sys.stdin); print(json.dumps({'score': 1, 'extra': c}))"
    words = ("try", "--submission", "hw.py", "--payload", "payload.json", "--json", "--sandbox", "none", "--")
    told = json.loads(typed.run(*words, typed.program("echo.py", echo)).stdout)["extra"]
    assert (told["answer"], told["grader_payload"], told["files"]) == ("Ångström", {"tests": 3}, [])


def test_a_program_may_be_given_as_the_sandbox_sees_it(typed: Typed, sandboxed: None) -> None:
    for place in ("course/serverFilesCourse/lib", "question/tests"):
        (typed.folder / place).mkdir(parents=True)
    (typed.folder / "hw.py").write_text("x")
    (typed.folder / "question/tests/points").write_text("0.5")
    script = 'mkdir -p /grade/results; echo {\\"score\\": $(cat /grade/tests/points)} > /grade/results/results.json'
    run = typed.folder / "course/serverFilesCourse/lib/run.sh"
    run.write_text(f"#!/bin/sh\n{script}\n")
    run.chmod(0o755)
    shows = ("--show", "course/serverFilesCourse:/grade/serverFilesCourse", "--show", "question/tests:/grade/tests")
    words = ("try", "--protocol", "prairielearn", "--submission", "hw.py", *shows)
    done = typed.run(*words, "--", "/grade/serverFilesCourse/lib/run.sh")
    assert (done.returncode, done.stdout) == (0, "Score: 0.5 of 1 (50%)\n\n"), done.stderr


def test_what_the_sandbox_does_itself_is_not_among_what_the_command_printed(typed: Typed, sandboxed: None) -> None:
    (typed.folder / "harness").mkdir()
    (typed.folder / "hw.py").write_text("x")
    run = typed.folder / "harness/run"
    told = '{"score": 1, "stdout_visibility": "visible"}'
    run.write_text(f"#!/bin/sh\necho printed\necho '{told}' > /autograder/results/results.json\n")
    run.chmod(0o755)
    words = ("try", "--protocol", "gradescope", "--submission", "hw.py", "--show", "harness:/autograder/harness")
    done = typed.run(*words, "--", "/autograder/harness/run")
    assert (done.returncode, done.stdout) == (0, "Score: 1 of 1 (100%)\n\n\nprinted\n\n"), done.stderr


def test_convert(typed: Typed) -> None:
    fixture = str(FIXTURES / "gradescope.json")
    there = typed.run("convert", "--from", "gradescope", "--to", "ctrf", fixture)
    back = typed.run("convert", "--from", "ctrf", "--to", "gradescope", "-", given=there.stdout.encode())
    original = json.loads((FIXTURES / "gradescope.json").read_text())
    written = json.loads(back.stdout)
    assert holds(written, original)
    assert json.loads(typed.run("convert", "--from", "tap", str(FIXTURES / "report.tap")).stdout)["score"] == 0.5


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("--from", "gradescope", "nothing.json"), 1, "No such file"),
        (("--from", "gradescope", "token"), 1, "this is no JSON"),
        (("--from", "tap", "--to", "tap", "token"), 2, "invalid choice: 'tap'"),
        (("--from", "json", "many.json"), 1, "is no result that a queue takes: $.tests"),
    ],
)
def test_convert_says_what_is_wrong(typed: Typed, words: tuple[str, ...], status: int, sentence: str) -> None:
    many = {"score": 1, "tests": [{"name": "x", "status": "passed"}] * 2001}
    (typed.folder / "many.json").write_text(json.dumps(many))
    done = typed.run("convert", *words)
    assert (done.returncode, sentence in done.stderr) == (status, True), done.stderr
