"""What graders in the field send as results, and what authors write, over a real socket; answers are written out."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.platform_stub import Platform
from tests.server import Server
from tests.xqueue.program import OK, Program

pytestmark = pytest.mark.once

GRADED = '{"correct": true, "score": %s, "msg": "<p>ok</p>"}'
STALE = (409, {"return_code": 1, "content": "Incorrect key for submission"})


def set_up(server: Server, queue: str, **columns: Any) -> None:
    """The settings of a queue."""
    code = "from submissions.models import GraderQueue as Q; "
    server.run("shell", "-c", f"{code}Q.objects.update_or_create(name={queue!r}, defaults={columns!r})")


def warnings_of(server: Server, queue: str) -> list[str]:
    (row,) = (row for row in server.rows("queues", "--json") if row["queue_name"] == queue)
    found: list[str] = row["warnings"]
    return found


# Scores. ------------------------------------------------------------------------------------------------------------

ROUNDED = [
    ("ratio", 10, "-2.7755575615628914e-17", 0),
    ("ratio", 10, "1.0000000000000002", 10),
    ("ratio", 3, "1.0000000009", 3),
    ("ratio", 3, "-0.0000000009", 0),
    ("ratio", 1, "-0.0", 0),
    ("points", 25, "25.00000000000001", 25),
    ("points", 0.3, "0.30000000000000004", 0.3),
    ("points", 1000000, "1000000.0009", 1000000),
    ("points", 25, "-1e-12", 0),
]
BEYOND = [
    ("ratio", 10, "1.00000001", "The score must be between 0 and 1, not 1.00000001."),
    ("ratio", 10, "-1e-8", "The score must be between 0 and 1, not -1e-08."),
    ("points", 25, "25.001", "The score must be between 0 and 25, not 25.001."),
    ("points", 25, "-0.001", "The score must be between 0 and 25, not -0.001."),
]


def test_a_rounding_error_beyond_the_end_of_the_range_is_that_end(server: Server, program: Program, name: str) -> None:
    set_up(server, name, score_meaning="ratio")
    set_up(server, f"{name}p", score_meaning="points")
    rows: list[Any] = [*ROUNDED, *BEYOND]
    queues = {"ratio": name, "points": f"{name}p"}
    ids = server.enqueue(
        *(
            {"queue_name": queues[meaning], "points_possible": possible, "student_id": f"s{number}"}
            for number, (meaning, possible, _, _) in enumerate(rows)
        )
    )
    answers: dict[int, Any] = {}
    for meaning, _, score, _ in rows:
        work = program.claim(queues[meaning])
        header = json.loads(work["xqueue_header"])
        answers[header["submission_id"]] = program.put(work["xqueue_header"], GRADED % score)
    shown = {row["submission_id"]: row for row in server.show(*ids)}
    for submission_id, (_, _, score, expected) in zip(ids, rows, strict=True):
        row = shown[submission_id]
        if isinstance(expected, str):
            assert answers[submission_id] == (400, {"return_code": 1, "content": expected})
            assert (row["status"], row["num_failures"], row["points_earned"]) == ("retry", 1, None)
        else:
            assert answers[submission_id] == OK, row
            assert (row["status"], row["num_failures"], row["points_earned"]) == ("retired", 0, expected)
        assert row["grader_reply"] == GRADED % score


def test_the_same_result_with_fewer_digits_is_the_same(server: Server, program: Program, name: str) -> None:
    server.enqueue({"queue_name": name})
    header = program.claim(name)["xqueue_header"]
    assert program.put(header, GRADED % "0.30000000000000004") == OK
    assert program.put(header, GRADED % "0.3") == OK
    assert program.put(header, GRADED % "0.31")[0] == 409


# A setting that looks like the grader's fault. -----------------------------------------------------------------------

SENDS_POINTS = (
    "this grader seems to send points, where a share of them (0 to 1) is expected: in the admin set the queue's "
    "score_meaning to points"
)


def test_points_on_a_queue_of_shares_are_named_as_such(server: Server, program: Program, name: str) -> None:
    ids = server.enqueue(*({"queue_name": name, "points_possible": 100, "student_id": f"s{n}"} for n in range(3)))
    for _ in ids:
        told = program.put(program.claim(name)["xqueue_header"], GRADED % "80")
        assert told == (400, {"return_code": 1, "content": "The score must be between 0 and 1, not 80."})
    assert SENDS_POINTS in warnings_of(server, name)
    set_up(server, name, score_meaning="points")
    assert SENDS_POINTS not in warnings_of(server, name)


def test_a_score_below_nothing_is_no_sign_of_points(server: Server, program: Program, name: str) -> None:
    server.enqueue({"queue_name": name, "points_possible": 100})
    program.put(program.claim(name)["xqueue_header"], GRADED % "-80")
    assert SENDS_POINTS not in warnings_of(server, name)


# Results that come late. --------------------------------------------------------------------------------------------


def test_results_after_their_lease_are_named_with_both_numbers(
    server: Server, program: Program, name: str, password: str
) -> None:
    set_up(server, name, lease_seconds=1)
    (submission_id,) = server.enqueue({"queue_name": name})
    first = program.claim(name)["xqueue_header"]
    time.sleep(1.3)
    second = program.claim(name)["xqueue_header"]
    assert program.put(first, GRADED % 1) == STALE
    assert program.put(first, GRADED % 1) == STALE
    code = "from submissions.models import ExternalGraderDetail as J; print(J.objects.get(submission_id=%d).pulls)"
    assert "Its result came " in server.run("shell", "-c", code % submission_id).stdout
    time.sleep(1.1)
    # Late as well, but nobody has taken the job meanwhile.
    assert program.put(second, GRADED % 1) == OK
    (late,) = [one for one in warnings_of(server, name) if "lease" in one]
    assert late.startswith("2 results came after their lease; the lease is 1 s, results take ")


def test_a_result_in_time_and_a_made_up_key_are_not_late(server: Server, program: Program, name: str) -> None:
    set_up(server, name, lease_seconds=1)
    server.enqueue({"queue_name": name})
    time.sleep(0.1)
    work = program.claim(name)
    header = json.loads(work["xqueue_header"])
    time.sleep(1.2)
    program.claim(name)
    made_up = json.dumps(header | {"submission_key": "x" * 43})
    assert program.put(made_up, GRADED % 1) == STALE
    assert [one for one in warnings_of(server, name) if "came after" in one] == []


# What authors write. ------------------------------------------------------------------------------------------------


def test_a_problem_for_practice_is_graded(server: Server, program: Program, name: str) -> None:
    set_up(server, f"{name}p", score_meaning="points")
    ids = server.enqueue(*({"queue_name": queue, "points_possible": 0} for queue in (name, f"{name}p")))
    for queue in (name, f"{name}p"):
        assert program.put(program.claim(queue)["xqueue_header"], GRADED % 1) == OK
    for row in server.show(*ids):
        assert (row["status"], row["points_earned"], row["points_possible"]) == ("retired", 0, 0)
    assert server.run("audit").returncode == 0


@pytest.mark.parametrize("asked", ["{}", "%20{}", "{}%20%20"])
def test_spaces_at_the_ends_of_a_queues_name_do_not_count(
    server: Server, program: Program, name: str, asked: str
) -> None:
    (submission_id,) = server.enqueue({"queue_name": f"  {name} "})
    asked = asked.format(name)
    assert program.ask("GET", f"/xqueue/get_queuelen/?queue_name={asked}") == (200, {"return_code": 0, "content": 1})
    assert program.put(program.claim(asked)["xqueue_header"], GRADED % 1) == OK
    assert server.show(submission_id)[0]["queue_name"] == name


def test_a_long_key_and_a_long_name_of_a_grader_are_kept_whole(server: Server, program: Program, name: str) -> None:
    file_name = "graders/" + "g" * 300
    (submission_id,) = server.enqueue({"queue_name": name, "queue_key": "k" * 500, "grader_file_name": file_name})
    body = json.loads(program.claim(name)["xqueue_body"])
    assert json.loads(body["grader_payload"]) == {"grader": file_name}
    code = "from submissions.models import ExternalGraderDetail as J; print(len(J.objects.get(submission_id=%d).%s))"
    for column, length in (("whole_queue_key", 500), ("queue_key", 128), ("grader_file_name", 128)):
        assert server.run("shell", "-c", code % (submission_id, column)).stdout.split()[-1] == str(length)


# What platforms insist on. ------------------------------------------------------------------------------------------

INCOMPLETE = "replies without msg or correct: platforms refuse such, so they are told what is missing (docs/graders.md)"
NO_MESSAGE = "<p>The grader sent no message.</p>"
COMPLETED = [
    ('{"score": 1}', f'{{"correct": true, "msg": "{NO_MESSAGE}", "score": 1}}'),
    ('{"score": 0.5, "msg": "<p/>"}', '{"correct": false, "score": 0.5, "msg": "<p/>"}'),
    (
        '{"correct": 1, "score": 1, "msg": ""}',
        f'{{"correct": 1, "score": 1, "msg": "{NO_MESSAGE}"}}',
    ),
    (
        '{"correct": true, "score": 1, "msg": null}',
        f'{{"correct": true, "score": 1, "msg": "{NO_MESSAGE}"}}',
    ),
]


def test_a_reply_that_a_platform_would_refuse_is_completed(server: Server, program: Program, name: str) -> None:
    (account,) = server.rows("submitter", "create", f"{name}l", "--json")
    lms = Program(server)
    lms.ask("POST", "/xqueue/login/", f"username={name}l&password={account['password']}")
    with Platform() as platform:
        for number, (reply, told) in enumerate(COMPLETED):
            head = {"lms_callback_url": f"{platform.url}/x{number}", "lms_key": "k", "queue_name": name}
            handed = {"xqueue_header": json.dumps(head), "xqueue_body": json.dumps({"student_response": "x"})}
            assert lms.ask("POST", "/xqueue/submit/", json.dumps(handed))[1]["return_code"] == 0
            work = program.claim(name)
            assert program.put(work["xqueue_header"], reply) == OK
            (row,) = server.show(json.loads(work["xqueue_header"])["submission_id"])
            assert (row["grader_reply"], row["points_possible"]) == (reply, None)
            deadline = time.monotonic() + 20
            while len(platform.calls) <= number and time.monotonic() < deadline:
                time.sleep(0.1)
            assert platform.calls[number].form["xqueue_body"] == told
    assert INCOMPLETE in warnings_of(server, name)
