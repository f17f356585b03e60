"""What happened, counted by minutes: nothing twice, nothing lost, whoever counts and however often."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from submissions import queue
from submissions.errors import LeaseLost
from submissions.models import ClaimEnd, ExternalGraderDetail, QueueMinute, QueueTotal, RollUp, Tally
from submissions.statistics import history, rollup
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later, limit

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
REPLY = '{"score": 1}'


def ago(**words: float) -> datetime:
    return datetime.now(UTC) - timedelta(**words)


def scored(queue_name: str = "q", *, wait: float = 0, grading: float = 0, finished: datetime | None = None) -> None:
    """A job that was scored at `finished`, after so many seconds of waiting and of grading."""
    job = make(queue_name)
    job = claim_one(queue_name)
    queue.complete(job.submission_id, key_of(job), score=1, reply=REPLY)
    end = finished or datetime.now(UTC)
    begin = end - timedelta(seconds=grading)
    times = {"returned_at": end, "status_time": end, "pulled_at": begin, "created_at": begin - timedelta(seconds=wait)}
    ExternalGraderDetail.objects.filter(pk=job.pk).update(**times)


def lost(queue_name: str = "q", grader: str = "ada") -> None:
    make(queue_name)
    claim_one(queue_name, grader)
    later(301)
    claim_one(queue_name, grader)


def whole(queue_name: str | None = "q", **since: float) -> history.Bucket:
    """Everything of the last hours as one bucket."""
    (bucket,) = history.history(queue_name, since=ago(**(since or {"hours": 3})), step=timedelta(days=100))
    return bucket


def numbers(count: history.Count) -> tuple[int, int, int]:
    return count.arrived, count.completed, count.failed


def test_a_minute_ago_is_there_before_it_is_rolled_up() -> None:
    scored(wait=40, grading=3)
    make("q")
    bucket = whole()
    assert numbers(bucket) == (2, 1, 0)
    assert (bucket.waits.count, round(bucket.waits.sum)) == (1, 40)
    assert (bucket.gradings.count, round(bucket.gradings.sum)) == (1, 3)
    assert not QueueMinute.objects.exists()


def test_what_is_rolled_up_and_what_is_not_are_counted_once_each() -> None:
    for minutes in (0, 1, 2, 3, 4, 90):
        scored(finished=ago(minutes=minutes))
    for _ in range(3):
        while history.roll_up(7):
            pass
        assert numbers(whole()) == (6, 6, 0)
    assert 2 <= QueueMinute.objects.count() <= 4  # the last two minutes, and the begun one, are not over


def test_buckets_stand_where_things_happened() -> None:
    start = ago(minutes=30).replace(second=0, microsecond=0)
    scored(finished=start + timedelta(minutes=1, seconds=5))
    scored(finished=start + timedelta(minutes=12))
    scored("another", finished=start + timedelta(minutes=12))
    buckets = history.history("q", since=start, step=timedelta(minutes=10))
    assert [bucket.start for bucket in buckets] == [
        start + number * timedelta(minutes=10) for number in range(len(buckets))
    ]
    assert [bucket.completed for bucket in buckets[:3]] == [1, 1, 0]
    together = history.history(None, since=start, step=timedelta(minutes=10))
    assert [bucket.completed for bucket in together[:3]] == [1, 2, 0]


def test_several_queues_are_added_up_by_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, minutes in (("a", 30), ("b", 30), ("b", 20), ("c", 30), ("a", 0)):
        scored(name, finished=ago(minutes=minutes))
    while history.roll_up():
        pass
    monkeypatch.setattr(history, "roll_up", lambda limit, most: 0)
    for names, done in ((None, 5), (["a", "b"], 4), (["c"], 1), ([], 0)):
        with CaptureQueriesContext(connection) as asked:
            found = history.together(history.sums(names, span=timedelta(hours=2), step=timedelta(minutes=1)))
        assert numbers(found) == (done, done, 0)
        # A month of a hundred queues has millions of minutes.
        read = [one["sql"] for one in asked if "queueminute" in one["sql"]]
        assert all(" GROUP BY " in sql for sql in read)


def test_nothing_at_all_is_a_line_of_empty_buckets() -> None:
    buckets = history.history(None, since=ago(minutes=5), step=MINUTE)
    assert [numbers(bucket) for bucket in buckets] == [(0, 0, 0)] * 6
    assert buckets[0].waits.quantile(0.5) is None
    assert history.history(None, since=ago(minutes=-5), step=MINUTE) == []
    assert not RollUp.objects.exists()


@pytest.mark.parametrize("step", [timedelta(0), timedelta(seconds=90), -MINUTE])
def test_a_step_is_whole_minutes(step: timedelta) -> None:
    with pytest.raises(ValueError, match="whole number of minutes"):
        history.history(None, since=ago(minutes=5), step=step)


def test_a_picture_of_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 10000 steps"):
        history.history(None, since=datetime(1, 1, 1, tzinfo=UTC), step=MINUTE)


def test_what_is_committed_late_is_found_at_the_second_look() -> None:
    scored(finished=ago(minutes=30))
    while history.roll_up():
        pass
    scored(finished=ago(minutes=20), wait=60)
    while history.roll_up():
        pass
    assert numbers(whole()) == (1, 1, 0)  # it was committed too late for the first look
    hour = timedelta(hours=1)  # time passes
    ExternalGraderDetail.objects.update(
        created_at=F("created_at") - hour, status_time=F("status_time") - hour, pulled_at=None
    )
    QueueMinute.objects.update(minute=F("minute") - hour)
    RollUp.objects.update(until=F("until") - hour, checked=F("checked") - hour)
    while history.roll_up():
        pass
    assert numbers(whole()) == (2, 2, 0)
    assert history.totals()["q"].completed == 2


def pass_hours(hours: int) -> None:
    """For all that happened; less than 0: as if it had happened while a clock was ahead."""
    time = timedelta(hours=hours)
    columns = ("created_at", "status_time", "pulled_at", "returned_at")
    ExternalGraderDetail.objects.update(**{column: F(column) - time for column in columns})
    QueueMinute.objects.update(minute=F("minute") - time)
    RollUp.objects.update(until=F("until") - time, checked=F("checked") - time)


def test_a_clock_that_is_set_back_stops_no_counting() -> None:
    scored(finished=ago(minutes=30))
    while history.roll_up():
        pass
    pass_hours(-2)
    scored()
    assert history.totals()["q"].completed == 2
    assert numbers(whole()) == (1, 1, 0)  # the other one is still to come
    pass_hours(2)
    while history.roll_up():
        pass
    assert history.totals()["q"].completed == QueueTotal.objects.get().completed == 2
    assert numbers(whole()) == (2, 2, 0)


def test_totals_do_not_fall_where_a_clock_was_set_back() -> None:
    scored(finished=ago(minutes=30))
    while history.roll_up():
        pass
    moment = ago(minutes=1)
    ExternalGraderDetail.objects.update(created_at=moment, status_time=moment)
    QueueMinute.objects.update(minute=moment.replace(second=0, microsecond=0))
    RollUp.objects.update(until=ago(hours=-1), checked=ago(hours=-1))
    assert history.totals()["q"].completed == 1
    scored(finished=moment)
    assert history.totals()["q"].completed == 2


def test_a_reader_catches_up_with_few_jobs_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_JOBS", 4)
    start = ago(minutes=90).replace(second=0, microsecond=0)
    for number in range(12):
        scored(finished=start + number * MINUTE, wait=0)
    history.totals()
    # Four minutes with one job each; the second look at them is as short.
    assert RollUp.objects.get().until == start + 4 * MINUTE
    for _ in range(3):
        history.totals()
    assert RollUp.objects.get().until > start + 12 * MINUTE
    assert history.totals()["q"].completed == 12


def test_a_minute_with_more_jobs_than_a_reader_counts_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_JOBS", 2)
    start = ago(minutes=90).replace(second=0, microsecond=0)
    for _ in range(6):
        scored(finished=start, wait=0)
    history.totals()
    assert RollUp.objects.get().until == start + MINUTE
    assert history.totals()["q"].completed == 6


def test_long_silences_are_passed_over() -> None:
    scored(finished=ago(days=29))
    scored(finished=ago(minutes=30))
    rounds = 0
    while history.roll_up(10):
        rounds += 1
        assert rounds < 30
    assert numbers(whole(days=31)) == (2, 2, 0)


def test_the_first_round_goes_back_thirty_days() -> None:
    scored(finished=ago(days=40))
    scored(finished=ago(days=20))
    assert numbers(whole(days=60)) == (1, 1, 0)


def test_a_claim_without_a_score_leaves_a_row() -> None:
    limit(max_failures=2)
    job = make()
    claimed = claim_one(grader="ada")
    queue.fail(job.submission_id, key_of(claimed), reason="broke")
    queue.fail(job.submission_id, key_of(claimed), reason="said twice")
    later(60)
    claimed = claim_one(grader="bob")
    queue.release(job.submission_id, key_of(claimed))
    claim_one(grader="eve")
    later(301)
    assert queue.claim("q", grader="ada") == []
    ends = ClaimEnd.objects.order_by("pk").values_list("grader", "outcome", "gave_up", "queue_name", "submission_id")
    assert list(ends) == [
        ("ada", "failed", False, "q", job.submission_id),
        ("bob", "released", False, "q", job.submission_id),
        ("eve", "lost", True, "q", job.submission_id),
    ]
    bucket = whole()
    assert numbers(bucket) == (1, 0, 1)
    assert (bucket.claims_failed, bucket.claims_lost, bucket.claims_released) == (1, 1, 1)


def test_a_job_that_was_put_back_was_given_up_all_the_same() -> None:
    limit(max_failures=1)
    job = make()
    queue.fail(job.submission_id, key_of(claim_one()), reason="broke")
    queue.retry(job.submission_id)
    assert numbers(whole()) == (1, 0, 1)


def test_a_job_retired_without_a_score_was_not_completed() -> None:
    queue.retire(make().submission_id)
    assert numbers(whole()) == (1, 0, 0)


def test_a_refused_result_rolls_its_claims_end_back_with_it() -> None:
    job = make()
    claimed = claim_one()
    with pytest.raises(LeaseLost):
        queue.fail(job.submission_id, "stale", reason="broke")
    assert not ClaimEnd.objects.exists()
    queue.complete(job.submission_id, key_of(claimed), score=1, reply=REPLY)
    assert not ClaimEnd.objects.exists()


def test_losses_are_told_by_queue_and_grader() -> None:
    lost("q", "ada")
    lost("q", "ada")
    lost("p", "bob")
    job = make("r")
    queue.fail(job.submission_id, key_of(claim_one("r", "ada")), reason="broke")
    assert history.losses(ago(hours=1)) == {
        ("q", "ada"): {"lost": 2},
        ("p", "bob"): {"lost": 1},
        ("r", "ada"): {"failed": 1},
    }
    ClaimEnd.objects.filter(queue_name="q").update(at=ago(hours=2))
    assert ("q", "ada") not in history.losses(ago(hours=1))


def test_totals_keep_what_was_pruned() -> None:
    for minutes in (10, 20):
        scored(finished=ago(minutes=minutes), wait=7)
    lost()
    assert numbers(history.totals()["q"]) == (3, 2, 0)
    QueueMinute.objects.all().delete()
    ExternalGraderDetail.objects.filter(status="retired").delete()
    total = history.totals()["q"]
    assert (total.completed, total.claims_lost, total.waits.count) == (2, 1, 2)


def test_the_tail_of_a_roll_up_that_stands_still_does_not_make_totals_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    scored(finished=ago(minutes=25))
    scored()
    monkeypatch.setattr(history, "roll_up", lambda limit, most: 0)
    rollup.watermark()
    seen = []
    for _ in range(4):
        seen.append(history.totals()["q"].completed)
        RollUp.objects.update(until=F("until") - timedelta(minutes=10))  # as if time had passed
        ExternalGraderDetail.objects.update(
            created_at=F("created_at") - timedelta(minutes=10), status_time=F("status_time") - timedelta(minutes=10)
        )
    assert seen == sorted(seen)


def test_tallies() -> None:
    assert Tally.objects.value_of("a:refused") == 0
    Tally.objects.add("a:refused")
    Tally.objects.add("a:refused", 2)
    Tally.objects.add("a:never", 0)
    Tally.objects.add("b:refused")
    assert Tally.objects.value_of("a:refused") == 3
    assert Tally.objects.beginning_with("a:") == [("refused", 3)]


@pytest.mark.django_db(transaction=True)
def test_many_that_count_at_once_count_once() -> None:
    for minutes in range(3, 23):
        scored(finished=ago(minutes=minutes))
    errors: list[BaseException] = []

    def run() -> None:
        try:
            while history.roll_up(3):
                pass
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(QueueMinute.objects.values_list("completed", flat=True)) == 20
    assert QueueTotal.objects.get(queue_name="q").completed == 20


def test_who_was_overtaken_looks_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for minutes in (30, 10):
        scored(finished=ago(minutes=minutes))
    counted = rollup.counted
    overtaken: list[datetime] = []

    def slowly(begin: datetime, end: datetime) -> object:
        found = counted(begin, end)
        if not overtaken:
            overtaken.append(begin)
            rollup.roll_up(1)  # somebody else, who is faster
        return found

    monkeypatch.setattr(rollup, "counted", slowly)
    while rollup.roll_up():
        pass
    assert len(overtaken) == 1
    assert QueueTotal.objects.get().completed == 2


def test_names_that_a_database_takes_for_equal_are_counted_together() -> None:
    """Where it has them for several, they are several queues. edx-submissions, beside us, writes any name."""
    for name, minutes in (("algo", 10), ("Algo", 10), ("ALGO", 6)):
        ExternalGraderDetail.objects.filter(pk=make().pk).update(queue_name=name, created_at=ago(minutes=minutes))
    while rollup.roll_up():
        pass
    arrived = dict(QueueTotal.objects.values_list("queue_name", "arrived"))
    assert arrived == ({"ALGO": 3} if connection.vendor == "mysql" else {"algo": 1, "Algo": 1, "ALGO": 1})
    assert sum(QueueMinute.objects.values_list("arrived", flat=True)) == 3
