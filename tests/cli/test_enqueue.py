"""`gradequeue enqueue`: JSON objects in, a line for each out, whatever they look like."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.cli.talk import log_in, pull
from tests.server import GRADEQUEUE, Server

GOOD = {"course_id": "c", "item_id": "i", "student_id": "s", "answer": "print(1)"}


def enqueue(server: Server, given: bytes) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, the objects on standard output, and what stands on standard error."""
    done = subprocess.run([GRADEQUEUE, "enqueue"], env=server.env, input=given, capture_output=True, timeout=120)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def lines(*objects: Any) -> bytes:
    return b"\n".join(json.dumps(one).encode() for one in objects)


def test_nothing_in_is_nothing_out(server: Server) -> None:
    assert enqueue(server, b"") == (0, [], "")


def test_one_object_over_many_lines_is_one_submission(server: Server, name: str) -> None:
    given = json.dumps(
        GOOD | {"queue_name": name, "item_id": "an essay", "item_type": "essay", "points_possible": 2.5}, indent=2
    )
    code, (row,), _ = enqueue(server, f"\n{given}\n\n".encode())
    assert (code, list(row)) == (0, ["submission_id", "uuid"])
    (shown,) = server.show(row["submission_id"])
    told = ("uuid", "queue_name", "course_id", "item_id", "student_id", "status", "points_possible")
    assert {name: shown[name] for name in told} == {
        "uuid": row["uuid"],
        "queue_name": name,
        "course_id": "c",
        "item_id": "an essay",
        "student_id": "s",
        "status": "pending",
        "points_possible": 2.5,
    }


def test_one_object_per_line_in_order(server: Server, name: str) -> None:
    given = lines(*({**GOOD, "queue_name": name, "student_id": f"s{number}"} for number in range(5)))
    code, rows, _ = enqueue(server, given.replace(b"\n", b"\n\n  \n") + b"\r\n")
    assert code == 0
    shown = server.show(*(row["submission_id"] for row in rows))
    assert [row["student_id"] for row in shown] == ["s0", "s1", "s2", "s3", "s4"]


# Each of these is refused, with these words, and those before and after it are enqueued.
REFUSED: list[tuple[bytes, str]] = [
    (b"not JSON", "This is not JSON: Expecting value: line 1 column 1 (char 0)"),
    (b'{"queue_name": ', "This is not JSON: Expecting value"),
    (b'{"answer": "\xff\xfe"}', "This is not JSON: 'utf-8' codec can't decode byte 0xff"),
    (b'{"answer": "\x00"}', "This is not JSON: Invalid control character"),
    (b"[" * 100_000, "This is not JSON: "),
    (b"[]", "A submission must be a JSON object, not list."),
    (b"null", "A submission must be a JSON object, not NoneType."),
    (b"12", "A submission must be a JSON object, not int."),
    (b'"text"', "A submission must be a JSON object, not str."),
    (b"{}", "Missing: queue_name, course_id, item_id, student_id, answer."),
    (lines({"queue_name": "q", "answer": 1}), "Missing: course_id, item_id, student_id."),
    (lines(GOOD | {"queue_name": "q", "score": 1, "anser": 2}), "Not known: anser, score."),
    (lines(GOOD | {"queue_name": None}), "The parameter queue_name can not be empty."),
    (lines(GOOD | {"queue_name": ""}), "The parameter queue_name can not be empty."),
    (lines(GOOD | {"queue_name": "a\nb"}), "queue_name: Must be printable text"),
    (lines(GOOD | {"queue_name": "q" * 129}), "queue_name: Ensure this field has no more than 128 characters."),
    (lines(GOOD | {"queue_name": ["q"]}), "queue_name: Not a valid string."),
    (lines(GOOD | {"queue_name": "q", "student_id": None}), "student_id: This field may not be null."),
    (lines(GOOD | {"queue_name": "q", "student_id": "s" * 256}), "student_id: Ensure this field has no more than 255"),
    (lines(GOOD | {"queue_name": "q", "course_id": {"a": 1}}), "course_id: Not a valid string."),
    (lines(GOOD | {"queue_name": "q", "item_id": "a\0b"}), "item_id: Null characters are not allowed."),
    (lines(GOOD | {"queue_name": "q", "points_possible": "10"}), "points_possible: Must be a number."),
    (lines(GOOD | {"queue_name": "q", "points_possible": True}), "points_possible: Must be a number."),
    (lines(GOOD | {"queue_name": "q", "points_possible": -1}), "points_possible: Must be a finite number"),
    (lines(GOOD | {"queue_name": "q", "points_possible": float("nan")}), "points_possible: Must be a finite number"),
    (lines(GOOD | {"queue_name": "q", "points_possible": 10**400}), "points_possible: Must be a finite number"),
    (lines(GOOD | {"queue_name": "q", "files": ["a"]}), "files must be an object of names and texts."),
    (lines(GOOD | {"queue_name": "q", "files": []}), "files must be an object of names and texts."),
    (lines(GOOD | {"queue_name": "q", "files": {"a": None}}), "files must be an object of names and texts."),
    (lines(GOOD | {"queue_name": "q", "files": {"": "text"}}), "files: A file's name must be a text of 1 to 255"),
    (lines(GOOD | {"queue_name": "q", "files": {"a" * 256: ""}}), "files: A file's name must be a text of 1 to 255"),
    (lines(GOOD | {"queue_name": "q", "files": {"a\0": ""}}), "files: A file's name must be a text of 1 to 255"),
    (
        lines(GOOD | {"queue_name": "q", "answer": "x" * 6_000_000}),
        "answer: Maximum answer size exceeded: 6000000 bytes, where 5242880 are allowed.",
    ),
]


def test_bad_lines_are_told_one_by_one_and_the_others_go_through(server: Server, name: str) -> None:
    good = lines(GOOD | {"queue_name": name})
    given = b"\n".join(part for bad, _ in REFUSED for part in (good, bad)) + b"\n" + good
    code, rows, told = enqueue(server, given)
    assert code == 1
    assert "Traceback" not in told
    assert [list(row) for row in rows[::2]] == [["submission_id", "uuid"]] * (len(REFUSED) + 1)
    for row, (bad, words) in zip(rows[1::2], REFUSED, strict=True):
        assert list(row) == ["error"], bad[:60]
        assert row["error"].startswith(words), bad[:60]
        assert len(row["error"]) < 300


def test_what_the_platform_sent_reaches_the_grader_as_it_was(server: Server, name: str) -> None:
    payload = {"grader": "a/b.py", "größe": [1, 2.50, None], "nested": {"": "x"}}
    sent: list[dict[str, Any]] = [
        {"grader_payload": "  no JSON\tat all "},
        {"grader_payload": payload, "student_info": '{"anonymous_student_id": "a", "random_seed": 334}'},
        {"grader_file_name": "graders/a.py"},
        {"answer": "\0 \ud800 é 😀"},
        {"answer": ["a", {"b": 1}]},
        {"answer": "", "files": {"a.txt": "https://files.example.org/a"}},
    ]
    code, rows, _ = enqueue(server, lines(*(GOOD | {"queue_name": name} | one for one in sent)))
    assert (code, len(rows)) == (0, 6)
    http, _, _ = log_in(server, name, server.grader(name))
    with http:
        told = [json.loads(pull(http, server, name).json()["content"]) for _ in sent]
    bodies = [json.loads(one["xqueue_body"]) for one in told]
    assert bodies[0]["grader_payload"] == "  no JSON\tat all "
    assert json.loads(bodies[1]["grader_payload"]) == payload
    assert bodies[1]["student_info"] == '{"anonymous_student_id": "a", "random_seed": 334}'
    assert bodies[2]["grader_payload"] == '{"grader": "graders/a.py"}'
    assert bodies[3]["student_response"] == "\0 \ud800 é 😀"
    assert json.loads(bodies[4]["student_response"]) == ["a", {"b": 1}]
    assert bodies[5]["student_response"] == ""
    assert told[5]["xqueue_files"] == '{"a.txt": "https://files.example.org/a"}'


@pytest.mark.once
def test_each_line_is_answered_when_it_comes(server: Server, name: str) -> None:
    process = subprocess.Popen([GRADEQUEUE, "enqueue"], env=server.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            process.stdin.write(lines(GOOD | {"queue_name": name}) + b"\n")
            process.stdin.flush()
            assert "submission_id" in json.loads(process.stdout.readline())
    assert process.returncode == 0
