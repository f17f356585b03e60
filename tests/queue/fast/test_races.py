"""Two results of one claim at the same moment: one of them counts, by each way, and only the row's lock sees to it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from submissions import queue
from submissions.errors import AlreadyGraded, LeaseLost
from submissions.models import ExternalGraderDetail as Job
from submissions.models import Score, ScoreSummary
from submissions.models.job import ExternalGraderDetailQuerySet
from submissions.upkeep import audit
from tests.make import make
from tests.queue.fast import ways
from tests.queue.jobs import claim_one, key_of
from tests.queue.test_races import at_once
from tests.settings import KIND

pytestmark = pytest.mark.django_db(transaction=True)

SENDERS = 12
JOBS = 30


def old_attempts(number: int) -> list[Job]:
    """Jobs whose learners have a newer and better score: their results leave the summary as it is, so that no lock of
    the summary's hides that the job's own is missing."""
    jobs = []
    for learner in range(number):
        make(student=f"s{learner}", points_possible=100)
        old = claim_one()
        make(student=f"s{learner}", points_possible=100)
        new = claim_one()
        queue.complete(new.submission_id, key_of(new), score=1, reply="{}")
        jobs.append(old)
    return jobs


def send(job: Job, number: int) -> str:
    """One sender's own result of the job."""
    try:
        queue.complete(job.submission_id, key_of(job), score=number / 100, reply=str(number))
    except (AlreadyGraded, LeaseLost) as refusal:
        return type(refusal).__name__
    return "taken"


@pytest.mark.parametrize("way", ways.WAYS)
def test_of_twelve_results_of_one_claim_at_the_same_moment_one_counts(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = old_attempts(JOBS)
    ways.go(way, monkeypatch)
    start = threading.Barrier(SENDERS)

    def sender(number: int) -> list[str]:
        said = []
        for job in jobs:
            start.wait()
            said.append(send(job, number))
        return said

    said = Counter(word for words in at_once(SENDERS, sender) for word in words)
    assert said == {"taken": JOBS, "AlreadyGraded": JOBS * (SENDERS - 1)}
    assert Score.objects.count() == 2 * JOBS
    assert list(audit.problems()) == []


@contextmanager
def summaries_held() -> Iterator[None]:
    """Whoever comes to the summary waits there: on SQLite, whoever wants to write at all."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(ScoreSummary.objects.select_for_update())
            held.set()
            done.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    threading.Timer(1.5, done.set).start()
    yield
    done.set()
    holder.join()


def senders_at_once(job: Job) -> int:
    """How many scores four results have made that were all under way at the same moment."""
    with summaries_held():
        at_once(4, lambda number: send(job, number))
    return Score.objects.filter(submission_id=job.submission_id).count()


@pytest.mark.parametrize("way", ways.WAYS)
def test_results_that_wait_for_the_same_lock_make_one_score(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = old_attempts(1)
    ways.go(way, monkeypatch)
    assert senders_at_once(job) == 1


# What makes results wait for each other, in each file's statement: PostgreSQL's lock, elsewhere the UPDATE that comes
# first and finds the job only once.
GUARDS = {
    "postgresql": ("\n  FOR UPDATE\n), drawn", "\n), drawn"),
    "mariadb": (" AND pullkey = %(key)s AND status = %(status)s", ""),
    "mysql": (" AND pullkey = %(key)s AND status = %(status)s", ""),
    "sqlite": (" AND pullkey = :key AND status = :status", ""),
}


@pytest.mark.parametrize("way", list(ways.FILES))
def test_without_its_guard_the_statement_would_score_twice(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race above notices what it is there to notice."""
    (job,) = old_attempts(1)
    ways.go(way, monkeypatch)
    guard, none = GUARDS[way]
    names = [name for name, text in vars(ways.FILES[way]).items() if isinstance(text, str) and guard in text]
    assert names
    for name in names:
        monkeypatch.setattr(ways.FILES[way], name, getattr(ways.FILES[way], name).replace(guard, none))
    assert senders_at_once(job) > 1


@pytest.mark.skipif(KIND == "sqlite", reason="there a transaction that writes is alone: no row is locked")
def test_without_the_rows_lock_the_general_verb_would_score_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = old_attempts(1)
    ways.go(ways.GENERAL, monkeypatch)
    locked = ExternalGraderDetailQuerySet.locked

    def unlocked(self: Any, **given: Any) -> Any:
        rows = locked(self, **given)
        rows.query.select_for_update = False
        return rows

    monkeypatch.setattr(ExternalGraderDetailQuerySet, "locked", unlocked)
    assert senders_at_once(job) > 1


@pytest.mark.parametrize("way", ways.WAYS)
def test_first_scores_of_one_learner_at_once_make_one_summary(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(8):
        make(student="s", points_possible=100)
    held = [claim_one() for _ in range(8)]
    ways.go(way, monkeypatch)
    assert at_once(8, lambda number: send(held[number], 10 + number)) == ["taken"] * 8
    summary = ScoreSummary.objects.get()
    assert (summary.latest.submission_id, summary.highest.points_earned) == (held[-1].submission_id, 17)
    assert list(audit.problems()) == []


@pytest.mark.parametrize("way", ways.WAYS)
def test_many_graders_take_each_job_once(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [make().submission_id for _ in range(120)]
    ways.go(way, monkeypatch)

    def grade(number: int) -> list[int]:
        done: list[int] = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (jobs := queue.claim("q", grader=f"g{number}")):
            (job,) = jobs
            queue.complete(job.submission_id, job.pullkey, score=0.5, reply='{"score": 0.5}')
            done.append(job.submission_id)
        return done

    assert Counter(one for batch in at_once(8, grade) for one in batch) == Counter(ids)
    assert Score.objects.count() == 120
