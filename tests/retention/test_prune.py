"""What ended long ago goes, with its files and deliveries; what has not ended is never touched."""

from __future__ import annotations

import io
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils.timezone import now

from submissions import api, operators, queue
from submissions.activity import Touched
from submissions.models import (
    ClaimEnd,
    Delivery,
    ExternalGraderDetail,
    GraderQueue,
    MovedJob,
    OperatorMove,
    QueueMinute,
    Score,
    StudentItem,
    Submission,
    SubmissionFile,
    get_storage,
)
from submissions.statistics import history
from submissions.upkeep import prune as pruning
from tests.activity import TESTER, recorded
from tests.make import make
from tests.queue.jobs import claim_one, key_of, limit

pytestmark = pytest.mark.django_db

Job = ExternalGraderDetail


def aged(job: Job, days: float) -> Job:
    Job.objects.filter(pk=job.pk).update(status_time=now() - timedelta(days=days))
    Submission._objects.filter(pk=job.submission_id).update(submitted_at=now() - timedelta(days=days))
    return job


def scored(days: float, queue_name: str = "q", **fields: Any) -> Job:
    make(queue_name, **fields)
    job = claim_one(queue_name)
    queue.complete(job.submission_id, key_of(job), score=1, reply='{"score": 1}')
    return aged(job, days)


def prune(*words: str) -> dict[str, int]:
    out = io.StringIO()
    call_command("prune", *words, "--json", stdout=out, stderr=io.StringIO())
    return dict(json.loads(out.getvalue())) if out.getvalue() else {}


def removed(**numbers: int) -> dict[str, int]:
    return {**dict.fromkeys(("jobs", "files", "deliveries", "items", "statistics", "moves"), 0), **numbers}


def left() -> list[int]:
    return list(Job.objects.order_by("pk").values_list("pk", flat=True))


def test_old_finished_jobs_go_and_younger_ones_stay() -> None:
    scored(31)
    young = scored(29)
    assert prune("--older-than", "30") == removed(jobs=1, deliveries=0, statistics=0)
    assert left() == [young.pk]
    assert (Score.objects.count(), Submission.objects.count()) == (2, 2)


def test_unfinished_jobs_stay_however_old_they_are() -> None:
    limit(max_failures=1)
    kept = [aged(make("waiting"), 400)]
    make("q")
    kept.append(aged(claim_one("q"), 400))
    make("r")
    held = claim_one("r")
    queue.release(held.submission_id, key_of(held))
    kept.append(aged(held, 400))
    limit("f", max_failures=1)
    make("f")
    failed = claim_one("f")
    queue.fail(failed.submission_id, key_of(failed), reason="broke")
    kept.append(aged(failed, 400))
    assert sorted(Job.objects.values_list("status", flat=True)) == ["failed", "pending", "pulled", "retry"]
    prune("--older-than", "1")
    assert left() == [job.pk for job in kept]
    assert prune("--older-than", "1", "--state", "failed")["jobs"] == 1
    assert left() == [job.pk for job in kept[:-1]]
    for state in ("pending", "pulled", "retry", "nonsense"):
        with pytest.raises(CommandError, match="invalid choice"):
            prune("--older-than", "1", "--state", state)


def test_its_files_go_out_of_the_storage() -> None:
    old = scored(31, files={"a.py": "1", "b.py": "2"})
    young = scored(1, files={"c.py": "3"})
    names = [str(row.file.name) for row in SubmissionFile.objects.filter(external_grader=old)]
    assert all(get_storage().exists(name) for name in names)
    assert prune("--older-than", "30")["files"] == 2
    assert not any(get_storage().exists(name) for name in names)
    (kept,) = SubmissionFile.objects.all()
    assert kept.external_grader_id == young.pk
    assert get_storage().exists(str(kept.file.name))


def test_a_result_that_is_still_on_its_way_keeps_its_job() -> None:
    jobs = {state: scored(31) for state in ("due", "waiting", "delivered", "given_up")}
    for state, job in jobs.items():
        Delivery.objects.create(job=job, transport="callback", state=state)
    assert prune("--older-than", "30") == removed(jobs=2, deliveries=2, statistics=0)
    assert left() == [jobs["due"].pk, jobs["waiting"].pk]


def test_an_age_that_no_date_has_is_refused_before_the_database_is_asked(db: None) -> None:
    assert prune("--older-than", "100000")["jobs"] == 0
    with pytest.raises(CommandError, match="100000 days are the most, not 9999999"):
        prune("--older-than", "9999999")


def test_a_dry_run_says_how_many_and_removes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    scored(31, files={"a.py": "1"})
    scored(31)
    call_command("prune", "--older-than", "30", "--dry-run")
    assert capsys.readouterr().err == "Will remove 2 jobs.\n"
    assert (Job.objects.count(), SubmissionFile.objects.count()) == (2, 1)


def test_one_queue_only() -> None:
    scored(31, "q")
    other = scored(31, "other")
    assert prune("--older-than", "30", "--queue", "q")["jobs"] == 1
    assert left() == [other.pk]


def test_many_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    jobs = [scored(31) for _ in range(8)]
    Delivery.objects.create(job=jobs[0], transport="callback", state="due")
    Job.objects.update(status_time=now() - timedelta(days=31))  # all at the same time
    parts = [removed.jobs for removed in pruning.prune(pruning.prunable(30), 30)]
    assert parts == [3, 3, 1]
    assert left() == [jobs[0].pk]


def test_whole_items_go_with_their_scores_and_others_keep_theirs() -> None:
    scored(40, student="gone", item="a")
    scored(35, student="gone", item="a")
    scored(40, student="back", item="a")
    scored(1, student="back", item="a")
    scored(40, student="waits", item="a")
    make(student="waits", item="a")
    by_hand = {"student_id": "by hand", "course_id": "c", "item_id": "a", "item_type": "problem"}
    api.create_submission(by_hand, "never a job")
    assert prune("--older-than", "30", "--whole-items") == {
        "jobs": 4,
        "files": 0,
        "deliveries": 0,
        "items": 1,
        "statistics": 0,
        "moves": 0,
    }
    assert sorted(StudentItem.objects.values_list("student_id", flat=True)) == ["back", "by hand", "waits"]
    assert sorted(Score.objects.values_list("student_item__student_id", flat=True)) == ["back", "back", "waits"]


@pytest.mark.databases("postgresql", "mariadb")  # with SQLite one writes at a time
@pytest.mark.django_db(transaction=True)
def test_an_item_that_gets_an_attempt_meanwhile_stays() -> None:
    scored(40, student="ada")
    items: list[object] = []

    def run() -> None:
        try:
            items.append(prune("--older-than", "30", "--whole-items")["items"])
        except Exception as error:
            items.append(error)
        finally:
            connection.close()

    pruning_now = threading.Thread(target=run)
    with transaction.atomic():
        make(student="ada")
        pruning_now.start()
        pruning_now.join(1)
        assert pruning_now.is_alive()  # it waits for the item
    pruning_now.join()
    assert items == [0]
    assert (Submission.objects.count(), Job.objects.get().status) == (2, "pending")


def test_totals_do_not_fall_and_old_minutes_go() -> None:
    for days in (20, 10):
        then = now() - timedelta(days=days)
        Job.objects.filter(pk=scored(days).pk).update(created_at=then)
    while history.roll_up():
        pass
    before = history.totals()["q"]
    ClaimEnd.objects.create(queue_name="q", grader="g", outcome="lost", submission_id=1, at=now() - timedelta(days=20))
    assert QueueMinute.objects.count() == 2
    assert prune("--older-than", "15") == removed(jobs=1, deliveries=0, statistics=2)
    assert (
        (history.totals()["q"].arrived, history.totals()["q"].completed) == (before.arrived, before.completed) == (2, 2)
    )


def test_it_breaks_off_and_is_finished_by_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    old = scored(31, files={"a.py": "1", "b.py": "2"})
    storage = type(get_storage()._wrapped._wrapped)  # type: ignore[attr-defined]
    deleted: list[str] = []
    real = storage.delete

    def once(self: object, name: str) -> None:
        if deleted:
            raise OSError("The storage is away")
        deleted.append(name)
        real(self, name)

    monkeypatch.setattr(storage, "delete", once)
    with pytest.raises(CommandError, match=r"^1 job stayed: their files could not be deleted; the log says why\.$"):
        prune("--older-than", "30")
    assert left() == [old.pk]
    assert SubmissionFile.objects.count() == 2
    monkeypatch.undo()
    assert prune("--older-than", "30")["files"] == 2
    assert (left(), SubmissionFile.objects.count()) == ([], 0)


def stuck(monkeypatch: pytest.MonkeyPatch, *jobs: Job) -> None:
    """No file of these can be deleted."""
    names = set(SubmissionFile.objects.filter(external_grader__in=jobs).values_list("file", flat=True))
    storage = type(get_storage()._wrapped._wrapped)  # type: ignore[attr-defined]
    real = storage.delete

    def delete(self: object, name: str) -> None:
        if name in names:
            raise PermissionError(13, "Permission denied", name)
        real(self, name)

    monkeypatch.setattr(storage, "delete", delete)


def test_a_file_that_cannot_be_deleted_keeps_its_own_job_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    second = [scored(days, files={"a.py": "1"}) for days in (33, 32, 31)][1]
    QueueMinute.objects.create(queue_name="q", minute=now() - timedelta(days=60))
    name = str(SubmissionFile.objects.get(external_grader=second).file.name)
    stuck(monkeypatch, second)
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"^1 job stayed: "):
        call_command("prune", "--older-than", "30", stderr=out)
    assert (left(), QueueMinute.objects.count()) == ([second.pk], 0)
    assert "2 jobs, 2 files, " in out.getvalue()
    [said] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said.endswith(f"({name}) could not be deleted: [Errno 13] Permission denied: '{name}'")


def test_where_the_storage_is_away_not_each_file_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MOST_KEPT", 2)
    jobs = [scored(days, files={"a.py": "1"}) for days in (34, 33, 32, 31)]
    stuck(monkeypatch, *jobs[:3])
    with pytest.raises(CommandError, match=r"^2 jobs stayed: "):
        prune("--older-than", "30")
    assert left() == [job.pk for job in jobs]


def test_an_age_is_needed() -> None:
    with pytest.raises(CommandError, match="--older-than"):
        call_command("prune")
    with pytest.raises(CommandError, match="whole number of 1 or more"):
        call_command("prune", "--older-than", "0")


def test_what_operators_did_is_kept_for_its_own_time(settings: Any) -> None:
    settings.SUBMISSIONS_ACTIVITY_DAYS = 90
    for days in (91, 89):
        operators.RETRY.by(TESTER).note([Touched("q", days)])
        OperatorMove.objects.filter(jobs__submission_id=days).update(at=now() - timedelta(days=days))
    # Of one queue, only its jobs go.
    GraderQueue.objects.create(name="q")
    assert prune("--older-than", "1", "--queue", "q")["moves"] == 0
    assert prune("--older-than", "30")["moves"] == 1
    assert list(MovedJob.objects.values_list("submission_id", flat=True)) == [89]
    # Pruning is a move itself.
    assert recorded()[-1].endswith(": prune: 0 jobs that ended at least 30 days ago")


@pytest.mark.parametrize("days", [1_000_000, 10**12])
def test_what_operators_did_can_be_kept_for_ever(settings: Any, days: int) -> None:
    settings.SUBMISSIONS_ACTIVITY_DAYS = days
    operators.RETRY.by(TESTER).note([Touched("q", 1)])
    OperatorMove.objects.update(at=now() - timedelta(days=20_000))
    assert prune("--older-than", "30")["moves"] == 0


def test_one_of_each_is_no_plural_and_a_dry_run_is_data_too(capsys: pytest.CaptureFixture[str]) -> None:
    job = make("q")
    queue.retire(job.submission_id)
    Job.objects.update(status_time=now() - timedelta(days=40))
    call_command("prune", "--older-than", "30", "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out) == {"jobs": 1, "dry_run": True}
    call_command("prune", "--older-than", "30")
    assert capsys.readouterr().err.splitlines()[-1] == (
        "1 job, 0 files, 0 deliveries, 0 items, 0 rows of statistics and 0 old moves of operators removed."
    )
