"""Where the literal statements leave it to the general verbs, and that nothing is lost when they break off."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.signals import setting_changed
from django.db import OperationalError, connection, connections, transaction
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from submissions import queue, sql
from submissions.errors import LeaseLost
from submissions.models import ExternalGraderDetail as Job
from submissions.models import Score, Submission
from submissions.queue import fast
from submissions.signals import score_set
from tests.connections import end_connection
from tests.make import make
from tests.queue.fast import ways
from tests.queue.jobs import claim_one, key_of
from tests.settings import KIND

pytestmark = pytest.mark.django_db(transaction=True)


def is_fast() -> bool:
    return fast.statements_for(connection) is not None


def test_usually_they_are_there() -> None:
    assert is_fast()


def test_in_somebodys_transaction_a_verb_joins_it() -> None:
    make()
    with transaction.atomic():
        assert not is_fast()
        claim_one()
        transaction.set_rollback(True)
    assert Job.objects.get().status == "pending"


def test_without_autocommit_the_callers_work_is_not_committed() -> None:
    job = make()
    transaction.set_autocommit(False)
    try:
        Job.objects.filter(pk=job.pk).update(grader="not yet")
        assert not is_fast()
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert Job.objects.get().grader == ""


def test_who_logs_or_wraps_statements_sees_them() -> None:
    make()
    with CaptureQueriesContext(connection) as captured:
        assert not is_fast()
        claim_one()
    assert [one for one in captured.captured_queries if "submissions_externalgraderdetail" in one["sql"]]
    seen: list[str] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return execute(sql, params, many, context)

    make()
    with connection.execute_wrapper(wrapper):
        assert not is_fast()
        claim_one()
    assert [sql for sql in seen if "submissions_externalgraderdetail" in sql]


def test_a_backend_that_is_not_djangos_own_has_its_cursors_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for several tenants says, with the first cursor of a request, whose tables are meant."""
    job = make()
    its = connections["default"]
    monkeypatch.setattr(type(its), "__module__", "tenants.backend")
    assert fast.statements_for(its) is None
    asked: list[str] = []
    real = its.cursor

    def cursor() -> Any:
        asked.append("cursor")
        return real()

    monkeypatch.setattr(its, "cursor", cursor)
    sql.row(its, "SELECT 1", {})
    assert asked == ["cursor"]
    assert queue.claim("q", grader="g")[0].pk == job.pk


def test_who_listens_to_new_scores_hears_of_them() -> None:
    heard: list[float] = []

    def listen(instance: Score, **_: Any) -> None:
        heard.append(instance.points_earned)

    post_save.connect(listen, sender=Score)
    try:
        make()
        job = claim_one()
        queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    finally:
        post_save.disconnect(listen, sender=Score)
    assert heard == [1]


def test_a_job_without_its_usual_deliveries_gets_them(settings: Settings) -> None:
    """Made by edx-submissions, still running beside us."""
    settings.SUBMISSIONS_TRANSPORTS = []
    make()
    settings.SUBMISSIONS_TRANSPORTS, settings.SUBMISSIONS_DELIVER_AT_ONCE = ["signal"], False
    job = claim_one()
    queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert [(row.transport, row.state, row.points) for row in job.deliveries.all()] == [("signal", "due", 1)]


def test_a_submission_that_was_deleted_meanwhile_gets_no_score() -> None:
    make()
    job = claim_one()
    Submission.objects.filter(pk=job.submission_id).update(status="D")
    with pytest.raises(LeaseLost, match="deleted"):
        queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert Score.objects.count() == 0
    assert Job.objects.get().status == "retired"


@pytest.mark.skipif(KIND == "sqlite", reason="there is no connection that a server could end")
def test_a_connection_that_the_server_has_ended_costs_nobody_a_job_or_a_result(
    caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    caplog.set_level(logging.INFO, "submissions.queue")
    settings.SUBMISSIONS_QUEUE_CACHE_SECONDS = 60
    for _ in range(3):
        make()
    claim_one()  # what is known of the queue is remembered now
    end_connection()
    first = claim_one()
    end_connection()
    done = queue.complete(first.submission_id, key_of(first), score=1, reply="{}")
    assert done.status == "retired"
    assert Score.objects.get().points_earned == 1
    assert claim_one().submission_id != first.submission_id
    assert "the general verb is tried on a new connection: OperationalError" in caplog.text


@pytest.mark.parametrize("way", list(ways.FILES))
def test_what_breaks_in_the_middle_leaves_nothing_behind(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The score is written before the summary; where the summary cannot be, there must be no score, and no open
    transaction that a later COMMIT would finish."""
    ways.go(way, monkeypatch)
    for name, text in list(vars(ways.FILES[way]).items()):
        if isinstance(text, str) and name.isupper():
            monkeypatch.setattr(ways.FILES[way], name, text.replace("INTO submissions_scoresummary", "INTO nowhere"))
    make()
    job = claim_one()
    done = queue.complete(job.submission_id, key_of(job), score=1, reply="{}")  # by the general verb
    assert done.status == "retired"
    assert Score.objects.count() == 1
    assert connection.get_autocommit()
    assert not connection.in_atomic_block


def test_without_autocommit_a_job_is_claimed_in_the_callers_transaction() -> None:
    job = make()
    transaction.set_autocommit(False)
    try:
        (claimed,) = queue.claim("q", grader="g")
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert (claimed.pk, Job.objects.get().status) == (job.pk, "pulled")


@pytest.mark.parametrize("changed", [{"USE_TZ": False}, {"USE_TZ": False, "TIME_ZONE": "Australia/Sydney"}])
def test_a_host_with_local_times_has_its_jobs_at_once(changed: dict[str, Any], settings: Settings) -> None:
    for name, value in changed.items():
        setattr(settings, name, value)
    connection.close()  # what a connection does with times is settled when it is made
    try:
        make()
        assert queue.waiting_since(["q"]).keys() == {"q"}
        (job,) = queue.claim("q", grader="g")
        # The database's clock, said as this process would say it.
        assert abs((job.leased_until - timezone.now()).total_seconds() - 300) < 60
        assert abs((Job.objects.get().created_at - Submission.objects.get().created_at).total_seconds()) < 60
        assert queue.complete(job.submission_id, job.pullkey, score=1, reply="{}").points_earned == 1
        assert Job.objects.get().status == "retired"
    finally:
        connection.close()


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York"])
def test_a_host_whose_database_has_a_zone_of_its_own_has_true_times(zone: str) -> None:
    settle_zone(zone)
    try:
        make()
        (job,) = queue.claim("q", grader="g")
        assert abs((job.leased_until - timezone.now()).total_seconds() - 300) < 60
        assert abs((Job.objects.get().created_at - Submission.objects.get().created_at).total_seconds()) < 60
        assert queue.waiting_since(["q"]) == {}
    finally:
        settle_zone(None)


def settle_zone(zone: str | None) -> None:
    """What a connection does with times is settled when it is made."""
    connection.settings_dict["TIME_ZONE"] = zone
    connection.close()
    setting_changed.send(sender=None, setting="USE_TZ", value=True, enter=zone is not None)


def test_a_host_with_local_times_has_a_result_refused_that_comes_too_late(settings: Settings) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "Australia/Sydney"
    connection.close()
    try:
        make()
        (first,) = queue.claim("q", grader="g")
        Job.objects.update(available_at=timezone.now() - timedelta(seconds=1))
        (second,) = queue.claim("q", grader="h")
        with pytest.raises(LeaseLost):
            queue.complete(first.submission_id, first.pullkey, score=1, reply="{}")
        assert second.submission_id == first.submission_id
    finally:
        connection.close()


@pytest.mark.parametrize("way", list(ways.FILES))
def test_a_job_whose_claim_lost_its_answer_is_handed_out_all_the_same(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    make()
    ways.go(way, monkeypatch)
    _lose_answers(way, "claim", monkeypatch)
    (job,) = queue.claim("q", grader="g")
    assert [(row.num_pulls, row.num_failures, row.pullkey) for row in Job.objects.filter(status="pulled")] == [
        (1, 0, job.pullkey)
    ]


@pytest.mark.parametrize("way", list(ways.FILES))
def test_a_result_whose_answer_is_lost_is_told_all_the_same(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    job = claim_one()
    ways.go(way, monkeypatch)
    _lose_answers(way, "finish", monkeypatch)
    heard: list[float] = []

    def listen(points_earned: float, **_: Any) -> None:
        heard.append(points_earned)

    score_set.connect(listen)
    try:
        for _ in range(2):
            queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    finally:
        score_set.disconnect(listen)
    assert heard == [1]  # of the second time nothing was sent
    assert Score.objects.count() == 1


def _lose_answers(way: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each statement is committed, and then its connection breaks."""
    real = getattr(ways.FILES[way], name)

    def lose(*given: Any, **named: Any) -> Any:
        real(*given, **named)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(ways.FILES[way], name, lose)
