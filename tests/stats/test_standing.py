"""How queues stand: what waits, what is warned of, and what asking costs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from submissions import queue
from submissions.models import ExternalGraderDetail, GraderQueue, QueueTotal
from submissions.statistics import depths, standing
from submissions.upkeep import doctor
from tests.make import make
from tests.queue.jobs import claim_one, later

pytestmark = pytest.mark.django_db


def warnings() -> dict[str, list[str]]:
    return {one.name: list(one.warnings) for one in standing.of_all()}


def numbers_of(name: str) -> standing.Numbers:
    found = standing.numbers_of(name)
    assert found is not None
    return found


def test_there_is_nothing_to_warn_of_where_nothing_waits() -> None:
    GraderQueue.objects.create(name="idle")
    assert warnings() == {"idle": []}


def test_a_grader_that_has_fallen_silent_is_told() -> None:
    make("a")
    polled = {"last_polled_by": "ada", "last_polled_at": now() - timedelta(seconds=90)}
    GraderQueue.objects.filter(name="a").update(**polled)
    assert warnings() == {"a": []}
    GraderQueue.objects.filter(name="a").update(last_polled_at=now() - timedelta(seconds=600))
    assert warnings()["a"] == ["1 job waiting; no grader has polled for 10 min"]


def test_jobs_that_a_clock_which_was_set_back_has_left_in_the_future_are_told() -> None:
    make("a")
    make("b")
    GraderQueue.objects.update(last_polled_by="ada", last_polled_at=now())
    (given_back,) = queue.claim("a", grader="ada")
    queue.release(given_back.submission_id, given_back.pullkey)
    assert warnings() == {"a": [], "b": []}
    hour = now() + timedelta(hours=1)
    ExternalGraderDetail.objects.filter(queue_name="a").update(status_time=hour, available_at=hour)
    told = "1 job has a time still to come: a clock was set back; see 'gradequeue doctor'"
    assert warnings() == {"a": [told], "b": []}
    (found,) = (one for one in doctor.findings() if one.check == "clock")
    later = "Nobody is offered them before: set the clock right, or wait."
    assert (found.fine, found.sentence) == (False, f"1 job has a time still to come: a clock was set back. {later}")
    ExternalGraderDetail.objects.filter(queue_name="a").update(status="retired")
    assert warnings() == {"a": [], "b": []}


def test_a_paused_queue_with_jobs_is_told() -> None:
    make("a")
    make("a")
    GraderQueue.objects.update(paused=True)
    assert warnings() == {"a": ["2 jobs waiting; the queue is paused"]}


def test_failed_jobs_are_told() -> None:
    make("a")
    make("b")
    make("b")
    ExternalGraderDetail.objects.update(status="failed", available_at=None)
    assert warnings() == {
        "a": ["1 failed job needs an operator"],
        "b": ["2 failed jobs need an operator"],
    }


def test_a_job_that_its_grader_lost_waits_too() -> None:
    make("a")
    queue.claim("a", grader="ada")
    GraderQueue.objects.update(last_polled_at=now() - timedelta(seconds=600))
    assert warnings() == {"a": []}
    ExternalGraderDetail.objects.update(available_at=now() - timedelta(seconds=1))
    assert warnings()["a"] == ["1 job waiting; no grader has polled for 10 min"]


def test_a_queue_that_was_never_set_up_is_counted_by_its_jobs() -> None:
    for name in ("b", "a", "c"):
        make(name)
    GraderQueue.objects.exclude(name="b").delete()
    assert [(one.name, one.waiting) for one in standing.of_all()] == [("a", 1), ("b", 1), ("c", 1)]


def test_the_oldest_that_waits_is_the_next_that_is_handed_out() -> None:
    jobs = [make("a") for _ in range(5)]
    states = ((500, "failed"), (300, "pulled"), (200, "retry"), (100, "pending"), (-100, "retry"))
    for job, (age, status) in zip(jobs, states, strict=True):
        due = None if status == "failed" else now() - timedelta(seconds=age)
        ExternalGraderDetail.objects.filter(pk=job.pk).update(available_at=due, status=status)
    (numbers,) = standing.of_all()
    assert numbers.oldest is not None
    assert timedelta(seconds=300) <= numbers.oldest < timedelta(seconds=400)
    assert (numbers.waiting, numbers.being_graded, numbers.failed, numbers.count.retry) == (4, 0, 1, 2)
    ExternalGraderDetail.objects.exclude(num_pulls=1).filter(available_at__lt=now()).update(
        available_at=now() + timedelta(seconds=50)
    )
    assert numbers_of("a").oldest is None


def test_a_queue_that_nobody_knows_has_nothing() -> None:
    assert standing.numbers_of("nobody's") is None
    make("a")
    assert standing.numbers_of("nobody's") is None


def test_all_queues_together_cost_a_fixed_number_of_statements() -> None:
    def statements() -> int:
        standing.of_all()
        with CaptureQueriesContext(connection) as caught:
            standing.of_all()
        return len(caught)

    make("q")
    first = statements()
    for number in range(12):
        make(f"q{number}")
    assert statements() == first <= 18
    assert len(standing.of_all()) == 13


def test_a_deep_queue_is_not_counted_for_each_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depths, "MOST", 3)
    for _ in range(5):
        make("deep")
    make("flat")
    assert [(one.name, one.waiting, one.count.at_least, one.count.shown(one.waiting)) for one in standing.of_all()] == [
        ("deep", 3, True, "3+"),
        ("flat", 1, False, "1"),
    ]
    assert depths.recount() == 0  # nothing is rolled up yet
    QueueTotal.objects.create(queue_name="deep")
    assert [depths.recount(), depths.recount()] == [1, 0]
    make("deep")
    deep = numbers_of("deep")
    assert (deep.waiting, deep.count.at_least) == (5, False)
    QueueTotal.objects.update(counted_at=now() - timedelta(minutes=2))
    assert depths.recount() == 1
    assert numbers_of("deep").waiting == 6
    # A clock was set back.
    make("deep")
    QueueTotal.objects.update(counted_at=now() + timedelta(hours=1))
    assert [depths.recount(), depths.recount()] == [1, 0]
    assert numbers_of("deep").waiting == 7
    QueueTotal.objects.update(counted_at=now() - timedelta(minutes=20))
    assert (numbers_of("deep").waiting, numbers_of("deep").count.at_least) == (3, True)


def test_where_very_many_leases_have_expired_nobody_grades_their_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depths, "MOST", 2)
    for _ in range(4):
        make("deep")
        claim_one("deep", "ada")
    later(400)
    QueueTotal.objects.create(queue_name="deep")
    assert depths.recount() == 1
    deep = numbers_of("deep")
    assert (deep.waiting, deep.being_graded, deep.count.at_least) == (4, 0, False)


@pytest.mark.parametrize("seeks", [1, 2, 3, 4, 5])
def test_all_names_are_found_however_many_a_statement_looks_for(monkeypatch: pytest.MonkeyPatch, seeks: int) -> None:
    monkeypatch.setattr(depths, "SEEKS", seeks)
    assert depths.names_of_jobs() == []
    names = ["a", "b", "c", "d"]
    for name in names:
        make(name)
        make(name)
    assert depths.names_of_jobs() == names
    assert [depths.distinct(ExternalGraderDetail, "queue_name", most) for most in (1, 3, 4)] == [
        names[:1],
        names[:3],
        names,
    ]


def test_more_names_than_a_database_takes_steps_are_found() -> None:
    """MySQL ends with an error after a thousand of a recursion, MariaDB leaves the others out."""
    names = [f"q{number:04}" for number in range(1200)]
    QueueTotal.objects.bulk_create(QueueTotal(queue_name=name) for name in names)
    assert depths.distinct(QueueTotal, "queue_name") == names
