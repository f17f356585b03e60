"""A score, its summary, its job and the COMMIT in one message: what somebody else does meanwhile still counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, DataError, connection
from django.db.models.signals import post_save

from submissions import queue, writes
from submissions.errors import LeaseLost
from submissions.models import ExternalGraderDetail as Job
from submissions.models import Score, ScoreSummary
from tests.queue.jobs import STALE, claim_one, key_of, make

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="there is no way to travel"),
]

drawn_before = pytest.mark.skipif(connection.vendor != "postgresql", reason="only there are ids drawn before")


@contextmanager
def between(done: Any) -> Iterator[None]:
    """Do this elsewhere, once, when the first score was read and written, and is not yet on its way."""
    waiting = [done]

    def meanwhile(**_: Any) -> None:
        if waiting:
            thread = threading.Thread(target=_elsewhere, args=(waiting.pop(),))
            thread.start()
            thread.join()

    post_save.connect(meanwhile, sender=Score)
    try:
        yield
    finally:
        post_save.disconnect(meanwhile, sender=Score)
    assert not waiting


def _elsewhere(done: Any) -> None:
    try:
        done()
    finally:
        connection.close()


def grade(job: Job, points: float) -> None:
    """Of ten points."""
    queue.complete(job.submission_id, key_of(job), score=points / 10, reply="{}")


def attempts(number: int) -> list[Job]:
    """Attempts of one learner at one item, all with graders."""
    for _ in range(number):
        make(student="s", points_possible=10)
    return [claim_one() for _ in range(number)]


def summary() -> tuple[float, float]:
    """Points of the latest and the highest score."""
    (row,) = ScoreSummary.objects.all()
    return row.latest.points_earned, row.highest.points_earned


def test_it_is_what_happens_here() -> None:
    assert writes.can_fail_later(Score)
    assert writes.can_reserve(Score) == (connection.vendor == "postgresql")


def test_two_first_scores_at_once_make_one_summary() -> None:
    older, newer = attempts(2)
    with between(lambda: grade(newer, 3)):
        grade(older, 5)
    assert sorted(Score.objects.values_list("points_earned", flat=True)) == [3, 5]
    assert summary() == (3, 5)


def test_two_later_scores_at_once_are_both_in_the_summary() -> None:
    first, older, newer = attempts(3)
    grade(first, 1)
    with between(lambda: grade(newer, 3)):
        grade(older, 5)
    assert sorted(Score.objects.values_list("points_earned", flat=True)) == [1, 3, 5]
    assert summary() == (3, 5)


def test_a_score_that_changes_nothing_in_the_summary() -> None:
    older, newer = attempts(2)
    grade(newer, 5)
    grade(older, 3)
    assert Score.objects.count() == 2
    assert summary() == (5, 5)


def test_each_score_is_told_once_though_it_was_written_twice() -> None:
    older, newer = attempts(2)
    with between(lambda: grade(newer, 3)):
        grade(older, 5)
    assert [job.status for job in Job.objects.all()] == ["retired", "retired"]
    assert Score.objects.filter(submission_id=older.submission_id).count() == 1


def test_a_receiver_that_takes_the_clash_for_its_own_error_loses_no_score() -> None:
    """It asks the database, which is told of the summary first, and cannot write it; the verb is done again."""
    older, newer = attempts(2)
    swallowed = []

    def asks(**_: Any) -> None:
        try:
            ScoreSummary.objects.count()
        except DatabaseError as error:
            swallowed.append(error)

    with between(lambda: grade(newer, 3)):  # connected before the one that asks, so it comes first
        post_save.connect(asks, sender=Score)
        try:
            grade(older, 5)
        finally:
            post_save.disconnect(asks, sender=Score)
    assert len(swallowed) == 1
    assert sorted(Score.objects.values_list("points_earned", flat=True)) == [3, 5]
    assert [job.status for job in Job.objects.all()] == ["retired", "retired"]
    assert summary() == (3, 5)


@drawn_before
def test_nobody_uses_up_ids_without_the_key() -> None:
    make()
    job = claim_one()
    before = _next_id()
    for _ in range(3):
        with pytest.raises(LeaseLost):
            queue.complete(job.submission_id, STALE, score=1, reply="{}")
    assert _next_id() == before + 1
    grade(job, 1)
    grade(job, 1)  # told again, it is the same result
    assert Score.objects.get().pk == before + 2
    assert _next_id() == before + 3


def _next_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('submissions_score', 'id'))")
        return int(cursor.fetchone()[0])


@drawn_before
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02 03:04:05.678901+00", datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)),
        ("2026-01-02 03:04:05+00", datetime(2026, 1, 2, 3, 4, 5, 0, UTC)),
        ("2026-01-02 03:04:05+02", datetime(2026, 1, 2, 1, 4, 5, 0, UTC)),
        ("0001-01-01 00:00:00+00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31 23:59:59.999999+00", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    ],
)
def test_moments_are_read_as_they_are(text: str, moment: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz, NULL::timestamptz", [text])
        found, nothing = cursor.fetchone()
    assert (found, found.tzinfo, nothing) == (moment, UTC, None)


@drawn_before
@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 BC", "12026-01-01"])
def test_moments_that_python_does_not_know_are_an_error(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [text])
        with pytest.raises(DataError):
            cursor.fetchone()
