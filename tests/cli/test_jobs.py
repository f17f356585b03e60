"""`gradequeue jobs` and `find`: lists of jobs by filters, and by what is at hand."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils.timezone import now

from submissions.management import job_lists
from submissions.management.base import positive
from submissions.management.commands.jobs import Command
from submissions.management.job_lists import narrow
from submissions.statistics.jobs_list import Filters, Listed
from tests.server import Server

LEARNER = "0123456789abcdef0123456789abcdef"


def test_on_a_narrow_terminal_ids_stay_whole() -> None:
    cells = [
        ("7", "being graded", "2 s ago", "python", LEARNER, "double", "py-01", "-"),
        ("12", "failed", "3 h ago", "cs201-java", "s1", "stack", "-", "The reply has no score."),
    ]
    assert list(narrow(cells)) == [
        "submission  state         changed  grader  queue",
        "            learner  item",
        "            error",
        "7           being graded  2 s ago  py-01   python",
        f"            {LEARNER}  double",
        "12          failed        3 h ago  -       cs201-java",
        "            s1  stack",
        "            The reply has no score.",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "a whole number of 1 or more is needed, not '0'"),
        ("-1", "a whole number of 1 or more is needed, not '-1'"),
        ("²", "a whole number of 1 or more is needed, not '²'"),
        ("99999999999", "9999999999 is the most, not '99999999999'"),
        ("9" * 5000, f"9999999999 is the most, not '{'9' * 60}'"),
    ],
)
def test_a_number_that_is_refused_is_told_why(text: str, sentence: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        positive(text)
    assert str(refused.value) == sentence
    assert [positive(fine) for fine in ("1", "000000000000017", "9999999999")] == [1, 17, 9_999_999_999]


def test_jobs_are_listed_by_filters_the_latest_change_first(server: Server, name: str) -> None:
    ids = server.enqueue(
        *[{"queue_name": name, "student_id": f"{name}-{n}", "item_id": f"x@block@i{n}"} for n in range(3)]
    )
    rows = server.rows("jobs", "--queue", name, "--state", "waiting", "--since", "1h", "--json")
    assert [row["submission"] for row in rows] == ids[::-1]
    assert (rows[0]["queue"], rows[0]["learner"], rows[0]["state"]) == (name, f"{name}-2", "waiting")
    some = server.run("jobs", "--queue", name, "--limit", "2")
    assert [line.split()[0] for line in some.stdout.splitlines()] == ["submission", str(ids[2]), str(ids[1])]
    assert some.stderr == "The latest 2 jobs; there are more (--limit, --all).\n"
    assert len(server.rows("jobs", "--queue", name, "--all", "--json")) == 3
    assert server.rows("jobs", "--queue", name, "--state", "graded", "--json") == []
    assert server.run("jobs", "--queue", name, "--learner", "nobody").stderr == "No job matches.\n"
    assert server.rows("jobs", "--queue", name, "--claim", "lost", "--json") == []
    wrong = server.run("jobs", "--since", "yesterday", check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("UsageError: --since: 'yesterday' is no time")


def test_jobs_are_found_by_what_is_at_hand(server: Server, name: str) -> None:
    one, other = server.enqueue(*[{"queue_name": name, "student_id": f"{name}-{who}"} for who in ("ada", "bob")])
    assert [row["submission"] for row in server.rows("find", f"{name}-ada", "--json")] == [one]
    assert [row["submission"] for row in server.rows("find", f"#{other}", "--json")] == [other]
    server.grader(name, name)
    narrowed = server.run("find", name, f"{name}-bob")
    assert narrowed.stderr == f"queue {name}; learner {name}-bob\n"
    assert narrowed.stdout.splitlines()[1].split()[0] == str(other)
    several = server.run("find", f"{name}-")
    assert several.stderr == f"'{name}-' may mean:\n"
    assert [line.split() for line in several.stdout.splitlines()[1:]] == [
        ["learner", f"{name}-ada"],
        ["learner", f"{name}-bob"],
    ]
    nothing = server.run("find", f"{name}-x\x1b[2J", check=False)
    assert nothing.returncode == 1
    assert nothing.stderr.startswith("CommandError: No job matches ")
    assert "Looked for: submission id or uuid, queue" in nothing.stderr
    assert "Try one word, or the beginning of a name; 'jobs' lists all" in nothing.stderr
    assert "\x1b" not in nothing.stderr


def test_very_many_are_printed_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_lists, "BLOCK", 2)
    read: list[int] = []

    def rows(filters: Filters, limit: int | None) -> Iterator[Listed]:
        for number in range(1, 6):
            read.append(number)
            yield job(number)

    printed: list[tuple[int, list[str]]] = []
    monkeypatch.setattr(job_lists, "_rows", rows)
    command = Command()
    monkeypatch.setattr(command, "table", lambda _, cells: printed.append((len(read), [row[0] for row in cells])))
    assert command.show(Filters(), {"every": True, "as_json": False}) == 5
    assert printed == [(2, ["1", "2"]), (4, ["3", "4"]), (5, ["5"])]


def job(number: int) -> Listed:
    texts = ("uuid", "queue", "learner", "course", "item", "grader", "reference", "error")
    values: dict[str, Any] = {**dict.fromkeys(texts, "x"), "state": "waiting", "status": "pending"}
    values |= {"claims": 0, "failures": 0, "points": None, "points_possible": None}
    return Listed(submission=number, created_at=now(), changed_at=now(), **values)
