"""How deep the queues were stays as it was counted, whatever moves jobs afterwards."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from submissions import operators, queue
from submissions.models import DepthSample, ExternalGraderDetail, GraderQueue, Status
from submissions.statistics import samples, standing
from submissions.statistics.samples import Depth
from tests.activity import TESTER
from tests.make import make
from tests.queue.jobs import claim_one, key_of

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
# Samples of more than a month ago are removed.
NOON = (now() - timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)


def look(minutes: int) -> Depth:
    """Count now, as if it had been so many minutes after noon; what was found in "q"."""
    DepthSample.objects.filter(minute__gte=samples.minute_of(now()) - 1).delete()
    assert samples.take()
    at = samples.minute_of(NOON) + minutes
    DepthSample.objects.filter(minute__gte=samples.minute_of(now()) - 1).update(minute=at)
    row = DepthSample.objects.filter(queue_name="q", minute=at).first()
    return Depth() if row is None else Depth(row.waiting, row.being_graded, row.failed)


def plot(length: int = 8, step: int = 1, name: str = "q") -> list[tuple[int, int] | None]:
    found = samples.of_queue(name, NOON, step * MINUTE, length)
    return [None if one is None else (one.open, one.failed) for one in found]


def test_moves_of_operators_leave_the_past_as_it_was() -> None:
    """Each way by which jobs leave a state without a grader: retry, end without score, prune, import, delete."""
    for _ in range(30):
        make("q")
    ExternalGraderDetail.objects.update(status=Status.FAILED, available_at=None)
    look(0)
    ids = list(ExternalGraderDetail.objects.order_by("pk").values_list("submission_id", flat=True))
    retry, retire = operators.RETRY.by(TESTER), operators.RETIRE.by(TESTER)
    for one in ids[:20]:
        operators.RETRY.run(one, retry)
    look(1)
    for one in ids[10:]:
        operators.RETIRE.run(one, retire)
    look(2)
    # An import brings jobs that arrived long ago.
    for _ in range(5):
        make("q")
    ExternalGraderDetail.objects.filter(status=Status.PENDING).update(created_at=NOON - timedelta(days=3))
    look(3)
    ExternalGraderDetail.objects.filter(status=Status.RETIRED).update(status_time=now() - timedelta(days=40))
    call_command("prune", "--older-than", "30", stderr=io.StringIO())
    look(4)
    ExternalGraderDetail.objects.all().delete()
    look(5)
    assert plot() == [(0, 30), (20, 10), (10, 0), (15, 0), (15, 0), (0, 0), None, None]


def test_waiting_and_being_graded_are_told_apart() -> None:
    make("q")
    make("q")
    job = claim_one("q")
    assert look(0) == Depth(1, 1, 0)
    queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert look(1) == Depth(1, 0, 0)


def test_a_minute_is_counted_once() -> None:
    make("q")
    done = [samples.take() for _ in range(3)]
    assert done.count(True) <= 2  # a minute may end meanwhile
    assert (
        DepthSample.objects.filter(queue_name="q").count()
        == DepthSample.objects.filter(queue_name="").count()
        == done.count(True)
    )


def test_an_empty_queue_has_no_row_and_is_nothing_where_somebody_looked() -> None:
    GraderQueue.objects.create(name="idle")
    make("q")
    look(2)
    assert set(DepthSample.objects.values_list("queue_name", flat=True)) == {"", "q"}
    assert plot(4, name="idle") == [None, None, (0, 0), None]


def test_a_longer_step_shows_its_highest() -> None:
    at = samples.minute_of(NOON)
    for minute, waiting in enumerate((3, 9, 4, 1, 0, 2)):
        samples.write(at + minute, {"q": Depth(waiting), "r": Depth(10 - waiting)})
    assert plot(2, 3) == [(9, 0), (2, 0)]
    assert samples.of_all(NOON, 3 * MINUTE, 3) == [Depth(10), Depth(10), None]
    # The highest sum is not the sum of the highest.
    with CaptureQueriesContext(connection) as asked:
        assert samples.of_some(["q", "r"], NOON, 3 * MINUTE, 2) == [Depth(10), Depth(10)]
    # A month of many queues is added up by the database.
    assert all(" GROUP BY " in one["sql"] for one in asked)
    assert samples.of_some(["q"], NOON, 3 * MINUTE, 3) == [Depth(9), Depth(2), None]
    assert samples.of_some([], NOON, 3 * MINUTE, 2) == [Depth(), Depth()]


def test_two_that_count_at_once_are_one() -> None:
    at = samples.minute_of(NOON)
    samples.write(at, {"q": Depth(3)})
    samples.write(at, {"q": Depth(4)})
    assert plot(1) == [(3, 0)]


def test_minutes_that_a_clock_which_was_set_back_has_left_are_counted_when_they_come() -> None:
    make("q")
    minute = samples.minute_of(now())
    for ahead in (2, 60):
        samples.write(minute + ahead, {"q": Depth(7)})
    assert samples.take()
    left = set(DepthSample.objects.filter(minute__gt=minute + 1).values_list("queue_name", "minute"))
    assert left == {("q", minute + 2), ("", minute + 2)}  # that may be somebody who was faster


def test_what_no_plot_shows_is_removed() -> None:
    today = samples.minute_of(now())
    for days in (36, 34):
        samples.write(today - days * 24 * 60, {"q": Depth(1)})
    assert samples.take()
    assert DepthSample.objects.filter(minute__lt=today - 60).count() == 2


def test_jobs_of_a_name_that_the_database_takes_for_a_queues_are_counted_once() -> None:
    """edx-submissions, beside us, writes any name."""
    make("algo")
    ExternalGraderDetail.objects.update(queue_name="ALGO")
    names = ["algo"] if connection.vendor == "mysql" else ["ALGO", "algo"]
    assert sorted(one.name for one in standing.of_all()) == names
    assert samples.take()
    assert DepthSample.objects.get(queue_name=samples.ALL).waiting == 1
