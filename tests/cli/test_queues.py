"""`gradequeue queues`: what waits, who grades, and what is wrong."""

from __future__ import annotations

import subprocess
from datetime import datetime
from typing import Any

from django.utils.timezone import now

from submissions.management.commands.queues import _lines
from submissions.models import GraderQueue
from submissions.statistics.depths import Depths
from submissions.statistics.standing import Standing
from tests.cli.talk import log_in, pull, put
from tests.server import GRADEQUEUE, Server

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
        put(http, server, pull(http, server, name), '{"correct": true, "score": 1, "msg": "<p>ok</p>"}')
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


def test_people_get_a_table_that_fits_a_terminal(server: Server, name: str) -> None:
    server.enqueue({"queue_name": name})
    lines = server.run("queues").stdout.splitlines()
    assert lines[0].split() == ["light", "waiting", "grading", "failed", "oldest", "last", "polled", "queue"]
    (number,) = (number for number, line in enumerate(lines) if line.endswith(name))
    assert lines[number].split()[:4] == ["red", "1", "0", "0"]
    assert lines[number + 1].strip() == "1 job waiting; no grader has ever polled"
    # Without the name, which may be as long as it likes.
    assert len(lines[number]) - len(name) < 66
    assert "\x1b" not in "".join(lines)


def test_the_columns_stay_whatever_a_queue_is_called() -> None:
    found = [
        Standing(GraderQueue(name=name, paused=paused), now(), Depths(pending=waiting))
        for name, paused, waiting in (("q", False, 12000), ("algo-c++ \u0628", True, 3), ("\x1b[2J", False, 0))
    ]
    heads, *lines = [line.plain for line in _lines(found)]
    place = heads.index("queue")
    rows = [line for line in lines if not line.startswith(" ")]
    assert [line[place:] for line in rows] == ["q", "algo-c++ \u0628 (paused)", "\\x1b[2J"]
    assert [line.split()[0] for line in rows] == ["red", "amber", "green"]
    assert rows[0].split()[1] == "12,000"


def test_it_can_be_watched_until_it_is_interrupted(server: Server, name: str) -> None:
    server.enqueue({"queue_name": name})
    process = subprocess.Popen(
        [GRADEQUEUE, "queues", "--watch", "1"], env=server.env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += line.rstrip().endswith(name)
        if seen == 2:
            break
    process.terminate()
    process.stdout.close()
    assert process.wait(60) in (0, 1)  # 1 where it was just writing
    assert server.run("queues", "--watch", "--json", check=False).returncode == 2
