"""What deliveries cost the queue: one statement of a result, one of a submission; and a look at what is due, little."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from submissions import queue
from submissions.deliveries import claims
from submissions.deliveries.attempt import attempt_all
from submissions.models import DatabaseNow, Delivery, DeliveryHost
from tests.deliveries.owed import owed_many
from tests.make import make
from tests.queue.jobs import claim_one

pytestmark = pytest.mark.django_db


def statements(act: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        act()
    return [one["sql"] for one in captured.captured_queries]


def completed(settings: Settings, *transports: str) -> list[str]:
    settings.SUBMISSIONS_TRANSPORTS = list(transports)
    job = make()
    claimed = claim_one()
    return statements(lambda: queue.complete(job.submission_id, str(claimed.pullkey), score=1, reply='{"score": 1}'))


def tells(sql: str) -> bool:
    """Whether deliveries become due by it; several statements may travel together."""
    return re.search(r"UPDATE\s+.?submissions_delivery", sql) is not None


def test_a_result_costs_one_statement_however_many_destinations_there_are(settings: Settings) -> None:
    """By the general verb; the usual result tells of them in its own statement."""
    for transports in ([], ["signal"], ["signal", "event"]):
        assert len([sql for sql in completed(settings, *transports) if tells(sql)]) == 1


def test_a_submission_costs_one_statement_more(settings: Settings) -> None:
    settings.SUBMISSIONS_TRANSPORTS = []
    make()
    without = statements(make)
    settings.SUBMISSIONS_TRANSPORTS = ["signal", "event"]
    assert len(statements(make)) == len(without) + 1


def test_what_waits_for_a_dead_host_is_not_read(settings: Settings) -> None:
    """Two steps of the index and one look at the host, with ten rows or with thousands."""
    for count in (10, 3000):
        owed_many(count, "http://dead.example.org", first=count)
        DeliveryHost.objects.update_or_create(
            host="dead.example.org", defaults={"failures": 9, "held_until": "2100-01-01T00:00:00Z"}
        )
        taken: list[Any] = []
        asked = statements(lambda: taken.extend(claims.take(16, lambda _: 8)))  # noqa: B023
        assert (taken, len(asked)) == ([], 3)


def test_many_hosts_that_wait_are_not_all_looked_at_in_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps of the index, and one look at what came due last."""
    monkeypatch.setattr(claims, "MOST_HOSTS", 3)
    monkeypatch.setattr(claims, "_walked_to", None)
    for number in range(10):
        owed_many(1, f"http://a{number}.example.org", first=10 * number)
    Delivery.objects.update(due_at="2100-01-01T00:00:00Z")
    taken: list[Any] = []
    asked = statements(lambda: taken.extend(claims.take(16, lambda _: 8)))
    assert (taken, len(asked)) == ([], 4)


def test_results_that_stay_in_the_process_are_read_and_written_down_together(
    settings: Settings, listener: None
) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    for number in range(16):
        make(item=f"i{number}")
    for job in queue.claim("q", grader="g", limit=16):
        queue.complete(job.submission_id, str(job.pullkey), score=1, reply='{"score": 1}')
    (taken,) = claims.take_by_host(1, lambda _: 1, together=16)
    assert len(taken) == 16
    # The jobs, and the sixteen deliveries.
    assert len(statements(lambda: attempt_all(taken))) == 2


# MariaDB's ANALYZE commits; nothing of it may stay for the other tests.
@pytest.mark.django_db(transaction=True)
def test_the_look_at_the_hosts_walks_its_index(settings: Settings, kind: str) -> None:
    owed_many(2000, "http://one.example.org")
    owed_many(2000, "http://two.example.org", first=5000)
    Delivery.objects.filter(host="two.example.org").update(due_at=DatabaseNow())
    with connection.cursor() as cursor:
        if kind != "sqlite":
            verb = "ANALYZE submissions_delivery" if kind == "postgresql" else "ANALYZE TABLE submissions_delivery"
            cursor.execute(verb)
    due = Delivery.objects.filter(state="due").order_by("host", "due_at")
    for rows in (
        due,
        due.filter(host__gt="one.example.org"),
        due.filter(host="one.example.org", due_at__lte="2100-01-01T00:00:00Z").order_by("due_at", "id"),
    ):
        plan = rows[:1].explain()
        assert "submissions_due_host_idx" in plan, plan
        assert "filesort" not in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan
