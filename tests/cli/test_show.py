"""`gradequeue show`: how submissions stand, for people and for scripts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from submissions.management.commands.show import in_lines
from tests.cli.talk import log_in, pull, put
from tests.server import Server

FIELDS = [
    "submission_id",
    "uuid",
    "queue_name",
    "course_id",
    "item_id",
    "student_id",
    "status",
    "points_earned",
    "points_possible",
    "num_failures",
    "num_pulls",
    "grader",
    "grader_reply",
    "last_error",
    "created_at",
    "available_at",
    "pulled_at",
    "returned_at",
    "note",
    "deliveries",
]
REPLY = '{"correct": false, "score": 0.25, "msg": "<p>é</p>"}'


def test_a_submission_is_shown_from_waiting_to_scored(server: Server, name: str) -> None:
    graded, failed, waiting = server.enqueue(*[{"queue_name": name, "points_possible": 10}] * 3)
    http, _, _ = log_in(server, name, server.grader(name))
    with http:
        put(http, server, pull(http, server, name), REPLY)
        put(http, server, pull(http, server, name), '{"msg": "no score"}')
    rows = server.show(waiting, graded, failed)
    assert [list(row) for row in rows] == [FIELDS] * 3
    told = ("submission_id", "status", "points_earned", "num_failures", "num_pulls", "grader", "grader_reply")
    assert [tuple(row[field] for field in told) for row in rows] == [
        (waiting, "pending", None, 0, 0, "", None),
        (graded, "retired", 2.5, 0, 1, name, REPLY),
        (failed, "retry", None, 1, 1, name, '{"msg": "no score"}'),
    ]
    assert [row["last_error"] for row in rows] == [None, None, "The reply has no score."]
    times = ("created_at", "available_at", "pulled_at", "returned_at")
    assert [[row[field] is not None for field in times] for row in rows] == [
        [True, True, False, False],
        [True, False, True, True],
        [True, True, True, True],
    ]
    assert datetime.fromisoformat(rows[1]["created_at"]) <= datetime.fromisoformat(rows[1]["returned_at"])
    assert rows[1]["deliveries"] == []


def test_ids_come_from_a_pipe_and_what_is_none_is_told_in_its_place(server: Server, name: str) -> None:
    first, second = server.enqueue(*[{"queue_name": name}] * 2)
    wrong = ["2147483647", "0", "-1", "abc", "1.0", "1e3", "9" * 5000, "²", "x' OR 1=1 --", "\udcff"]
    given = "\n".join([str(second), "", *wrong, f"  {first}  "])
    done = server.run("show", "--json", given=given.encode("utf-8", "surrogateescape").decode("latin-1"), check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [row["submission_id"] for row in (rows[0], rows[-1])] == [second, first]
    assert rows[1] == {"submission_id": 2147483647, "error": "There is no such submission"}
    assert len(rows) == 12
    for row in rows[2:-1]:
        assert list(row) == ["submission_id", "error"]
        assert row["error"].endswith("is not the id of a submission")


def test_many_ids_are_shown_in_the_order_of_their_asking(server: Server, name: str) -> None:
    ids = server.enqueue(*[{"queue_name": name}] * 3)
    asked = [*ids, *reversed(ids)] * 200
    rows = server.rows("show", "--json", given="\n".join(map(str, asked)))
    assert [row["submission_id"] for row in rows] == asked


def test_people_get_lines_they_can_read(server: Server, name: str) -> None:
    (submission_id,) = server.enqueue({"queue_name": name, "course_id": "[bold]course"})
    done = server.run("show", str(submission_id), "4711000", check=False)
    assert done.returncode == 1
    assert done.stderr == "4711000: There is no such submission\n"
    shown = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if line.strip())
    assert (shown["queue_name"].strip(), shown["status"].strip()) == (name, "pending")
    assert shown["course_id"].strip() == "[bold]course"
    assert shown["grader_reply"].strip() == "-"


def test_people_get_a_line_for_each_delivery() -> None:
    at = datetime(2026, 11, 23, 7, 20, tzinfo=UTC)
    one = {
        "id": 7, "transport": "callback", "destination": "https://lms.example.org/update", "state": "due",
        "attempts": 1, "due_at": at, "delivered_at": None, "last_error": "HTTP 500",
    }  # fmt: skip
    sent = one | {"transport": "event", "destination": "", "state": "delivered", "attempts": 2, "due_at": None}
    assert in_lines([one, sent | {"delivered_at": at, "last_error": None}]).split("\n") == [
        "7: callback to https://lms.example.org/update, due, 1 attempt, due 2026-11-23 07:20:00+00:00: HTTP 500",
        "7: event to this platform, delivered, 2 attempts, delivered 2026-11-23 07:20:00+00:00",
    ]
    assert in_lines([]) == ""


def test_without_ids_it_is_used_wrongly_and_an_id_is_told_once(server: Server) -> None:
    done = server.run("show", given="", check=False)
    assert (done.returncode, done.stderr) == (2, "UsageError: Give submission ids, or pipe them in, one per line.\n")
    done = server.run("show", "abc", check=False)
    assert (done.returncode, done.stderr) == (1, "'abc' is not the id of a submission\n")
