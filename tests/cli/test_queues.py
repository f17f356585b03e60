"""`gradequeue queues`: what waits, who grades, and what is wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.cli.talk import log_in, pull, put
from tests.server import Server

FIELDS = [
    "queue_name",
    "waiting",
    "being_graded",
    "retry",
    "failed",
    "oldest_waiting_seconds",
    "last_polled_at",
    "last_polled_by",
    "paused",
    "warnings",
    "at_least",
    "pending",
    "lapsed",
    "light",
]


def queue(server: Server, name: str) -> dict[str, Any]:
    (row,) = (row for row in server.rows("queues", "--json") if row["queue_name"] == name)
    return row


def test_each_queue_is_counted_and_who_polled_it_last_is_named(server: Server, name: str) -> None:
    server.enqueue(*[{"queue_name": name}] * 5)
    before = queue(server, name)
    assert list(before) == FIELDS
    assert before["oldest_waiting_seconds"] > 0
    assert {field: before[field] for field in FIELDS if field not in ("oldest_waiting_seconds",)} == {
        "queue_name": name,
        "waiting": 5,
        "being_graded": 0,
        "retry": 0,
        "failed": 0,
        "last_polled_at": None,
        "last_polled_by": "",
        "paused": False,
        "at_least": False,
        "pending": 5,
        "lapsed": 0,
        "light": "red",
        "warnings": ["5 jobs waiting; no grader has ever polled"],
    }
    http, _, _ = log_in(server, name, server.grader(name))
    with http:
        put(http, server, pull(http, server, name), '{"score": 1}')
        put(http, server, pull(http, server, name), '{"score": "no number"}')
        pull(http, server, name)
    after = queue(server, name)
    assert {
        field: after[field] for field in ("waiting", "pending", "being_graded", "retry", "failed", "warnings", "light")
    } == {
        "waiting": 3,
        "pending": 2,
        "being_graded": 1,
        "retry": 1,
        "failed": 0,
        "warnings": [],
        "light": "green",
    }
    assert after["last_polled_by"] == name
    assert datetime.fromisoformat(after["last_polled_at"]).tzinfo is not None


def test_people_get_a_table(server: Server, name: str) -> None:
    server.enqueue({"queue_name": name})
    lines = server.run("queues").stdout.splitlines()
    columns = "queue light waiting being graded retry failed oldest waiting last polled by cause"
    assert " ".join(lines[0].split()) == columns
    (row,) = (line for line in lines if line.startswith(name))
    assert row.rstrip().endswith("1 job waiting; no grader has ever polled")
