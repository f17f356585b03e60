"""`gradequeue deliveries` and `deliver`: what an operator sees of results on their way, and does to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from submissions.deliveries import deliver_due
from submissions.models import Delivery, DeliveryHost
from submissions.outbound import http
from tests.deliveries.owed import deliver, given_up, graded, later, owed, owed_many
from tests.platform_stub import Platform
from tests.queue.jobs import limit
from tests.server import Server

in_process = pytest.mark.django_db
Out = pytest.CaptureFixture[str]


@pytest.fixture
def local(settings: Any) -> Iterator[None]:
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    yield
    http.close()


def rows(capsys: Out, *words: str, code: int = 0) -> list[dict[str, Any]]:
    """The objects that `deliveries WORDS --json` prints."""
    ended = 0
    capsys.readouterr()
    try:
        call_command("deliveries", *words, "--json")
    except SystemExit as end:
        ended = int(end.code or 0)
    assert ended == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@in_process
def test_a_delivery_is_listed_with_its_attempts(capsys: Out, local: None) -> None:
    with Platform() as platform:
        platform.answer = lambda call: 500
        job = owed(f"{platform.url}/x", "python", points_possible=4)
        graded(job, 0.5)
        deliver_due()
        (row,) = rows(capsys, "list")
        times = {name: row.pop(name) for name in ("ready_at", "due_at", "id")}
        (attempt,) = row.pop("history")
        assert row == {
            "submission_id": job.submission_id,
            "queue_name": "python",
            "transport": "callback",
            "host": "127.0.0.1",
            "destination": f"{platform.url}/x",
            "state": "due",
            "result": "score",
            "points": 2,
            "attempts": 1,
            "delivered_at": None,
            "last_error": "It answered 500.",
        }
        assert (attempt["outcome"], attempt["error"]) == ("failed", "It answered 500.")
        assert times["due_at"] > times["ready_at"]
        call_command("deliveries", "list")
        assert "It answered 500." in capsys.readouterr().out


@in_process
def test_filters_and_limit(capsys: Out) -> None:
    owed("https://a.example.org/1", "one", item="1")
    graded(owed("https://b.example.org/2", "two", item="2"))
    Delivery.objects.create(job=owed("https://c.example.org/3", "one", item="3"), transport="signal", host="signal")
    for words, hosts in (
        ([], ["signal", "c.example.org", "b.example.org", "a.example.org"]),
        (["--limit", "1"], ["signal"]),
        (["--state", "due"], ["b.example.org"]),
        (["--transport", "signal"], ["signal"]),
        (["--host", "a.example.org"], ["a.example.org"]),
        (["--queue", "two"], ["b.example.org"]),
        (["--queue", "one", "--state", "waiting", "--transport", "callback"], ["c.example.org", "a.example.org"]),
        (["--older-than", "60"], []),
    ):
        assert [row["host"] for row in rows(capsys, "list", *words)] == hosts


@in_process
def test_a_list_does_not_read_what_may_have_megabytes(capsys: Out) -> None:
    graded(owed("https://a.example.org/1", "one"))
    with CaptureQueriesContext(connection) as captured:
        assert len(rows(capsys, "list")) == 1
    (sql,) = [one["sql"] for one in captured.captured_queries if "submissions_delivery" in one["sql"]]
    assert [name for name in ("header", "body", "grader_reply", "grader_payload", "pulls") if name in sql] == []


@in_process
def test_given_up_ones_are_sent_again(capsys: Out, local: None) -> None:
    with Platform() as platform:
        graded(owed(f"{platform.url}/x"))
        owed_many(4, platform.url)
        ids = list(Delivery.objects.order_by("pk").values_list("pk", flat=True))
        assert [row["state"] for row in rows(capsys, "give-up", "--all-matching", "--host", "127.0.0.1")] == [
            "given_up"
        ] * 5
        assert deliver_due().total() == 0
        assert rows(capsys, "retry", str(ids[0]), "4711000", "x", code=1) == [
            {"id": ids[0], "state": "due"},
            {"id": 4711000, "error": "There is no such delivery."},
            {"id": "x", "error": "'x' is not the id of a delivery"},
        ]
        assert rows(capsys, "retry", "--all-matching", "--state", "given_up", "--dry-run") == []
        assert len(rows(capsys, "retry", "--all-matching", "--state", "given_up")) == 4
        assert deliver_due().total() == 5
        assert rows(capsys, "give-up", str(ids[0]), code=1) == [
            {"id": ids[0], "error": f"Delivery {ids[0]} is delivered; only due ones can be given up."}
        ]


@in_process
def test_a_failure_that_is_held_back_for_an_operator_is_not_sent_with_all_the_others(capsys: Out, local: None) -> None:
    limit(max_failures=1)
    with Platform() as platform:
        platform.answer = lambda call: 500
        graded(owed(f"{platform.url}/tried", item="1"))
        given_up(owed(f"{platform.url}/held", item="2"))
        tried, held = Delivery.objects.order_by("pk").values_list("pk", flat=True)
        deliver_due()
        assert rows(capsys, "retry", "--all-matching") == [{"id": tried, "state": "due"}]
        deliver_due()
        assert [call.path for call in platform.calls] == ["/tried", "/tried"]
        assert rows(capsys, "retry", str(held)) == [{"id": held, "state": "due"}]
        deliver_due()
        assert [call.path for call in platform.calls] == ["/tried", "/tried", "/held"]


@in_process
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["retry", "1", "--all-matching"], "Give ids, or --all-matching, not both."),
        (["retry", "1", "--state", "due"], "Filters go with --all-matching."),
        (["give-up", "--older-than", "5"], "Filters go with --all-matching."),
    ],
)
def test_words_that_do_not_go_together(words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("deliveries", *words)


@in_process
def test_hosts_that_do_not_answer_are_listed(capsys: Out, local: None) -> None:
    with Platform() as gone:
        url = gone.url
    graded(owed(url))
    for _ in range(6):
        later(1000)
        deliver_due()
    (row,) = rows(capsys, "hosts")
    assert (row["host"], row["failures"], row["last_error"]) == ("127.0.0.1", 6, "Connection refused")
    assert row["held_until"] is not None
    assert DeliveryHost.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_deliver_ends_when_nothing_is_due_and_says_what_it_did() -> None:
    with Platform() as platform:
        platform.answer = lambda call: 500 if call.path == "/1" else 200
        owed_many(3, platform.url)
        assert deliver("--once").wait(60) == 0
        assert sorted(Delivery.objects.values_list("state", flat=True)) == ["delivered", "delivered", "due"]


def test_the_commands_of_the_service(server: Server, name: str) -> None:
    (submission_id,) = server.enqueue({"queue_name": name})
    assert server.rows("deliveries", "list", "--submission", str(submission_id), "--json") == []
    assert server.run("deliveries", "nonsense", check=False).returncode == 2
    assert server.run("deliver", "--once", "--json").stdout == "{}\n"
