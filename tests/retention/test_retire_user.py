"""A learner who wants to be forgotten: nothing that names or quotes them is left, and the numbers stay."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django import Settings

from submissions import api, queue
from submissions.errors import QueueError
from submissions.models import (
    Delivery,
    ExternalGraderDetail,
    Score,
    StudentItem,
    Submission,
    SubmissionFile,
    get_storage,
)
from submissions.upkeep import audit, retire_learner
from tests.make import make
from tests.queue.jobs import claim_one, key_of, limit

pytestmark = pytest.mark.django_db

ADA = "5f4dcc3b-ada"
ITEM = {"student_id": ADA, "course_id": "c", "item_id": "item", "item_type": "problem"}
SECRETS = ("my own words", "she wrote this", "her file", "ada.py", "printed by her program", "her attempt", ADA)


def hers(item: str = "item", **fields: Any) -> ExternalGraderDetail:
    info: dict[str, Any] = {"student_info": json.dumps({"id": ADA}), "grader_payload": '{"seed": "her attempt"}'}
    return make("q", "my own words", student=ADA, item=item, queue_key="her attempt", **info, **fields)


def retire(*words: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("retire-user", *words, "--json", stdout=out, stderr=io.StringIO())
    return dict(json.loads(out.getvalue()))


def kept() -> str:
    """Everything that is in the tables."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.startswith("submissions_"):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                found += [str(row) for row in cursor.fetchall()]
    return "\n".join(found)


def everything() -> ExternalGraderDetail:
    """A scored job, a failed one, one that is held, and one that waits; of her and of somebody else."""
    limit("q", max_failures=1)
    done = hers("done", files={"ada.py": "her file"})
    ExternalGraderDetail.objects.update(body="my own words", file_links='{"ada.py": "https://x/ada.py"}')
    queue.complete(done.submission_id, key_of(claim_one("q")), score=1, reply='{"score": 1, "msg": "she wrote this"}')
    Delivery.objects.create(job=done, transport="callback", destination="https://x/her attempt", state="due")
    failed = hers("failed")
    queue.fail(failed.submission_id, key_of(claim_one("q")), reason="printed by her program", reply="she wrote this")
    hers("held")
    claim_one("q")
    hers("waits", files={"ada.py": "her file"})
    return make("q", student="bob", item="done")


def test_nothing_of_her_is_left_and_others_keep_theirs() -> None:
    bob = everything()
    for row in Submission.objects.all():
        api.get_submission(str(row.uuid))  # keeps a copy in the cache
    names = [str(row.file.name) for row in SubmissionFile.objects.all()]
    assert all(secret in kept() for secret in SECRETS if secret != "her file")
    answer = retire(ADA)
    assert answer == {
        "jobs": 4,
        "files": 2,
        "deliveries": 1,
        "items": 4,
        "submissions": 4,
        "retired_as": retire_learner.pseudonym(ADA),
        "dry_run": False,
    }
    assert [secret for secret in SECRETS if secret in kept()] == []
    assert not any(get_storage().exists(name) for name in names)
    copies = [cache.get(Submission.get_cache_key(row.uuid)) for row in Submission.objects.exclude(pk=bob.submission_id)]
    assert [secret for secret in SECRETS if secret in str(copies)] == []
    states = ExternalGraderDetail.objects.values_list("submission__student_item__student_id", "status")
    assert sorted(states) == [("bob", "pending"), *[(retire_learner.pseudonym(ADA), "retired")] * 4]
    assert bob.submission.answer == "print(1)"


def test_a_file_that_cannot_be_deleted_is_said_and_the_same_command_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    make("q", student=ADA, files={"a.py": "her file"})
    row = SubmissionFile.objects.get()
    storage = type(get_storage()._wrapped._wrapped)  # type: ignore[attr-defined]

    def delete(self: object, name: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(storage, "delete", delete)
    with pytest.raises(CommandError) as refused:
        retire(ADA)
    assert str(refused.value) == (
        f"File {row.pk} ({row.file.name}) could not be deleted: [Errno 13] Permission denied. "
        "Mend that, and repeat the command: it goes on from there."
    )
    monkeypatch.undo()
    assert retire(ADA)["files"] == 1
    assert not get_storage().exists(str(row.file.name))


def test_no_copy_of_her_item_is_left() -> None:
    cache.clear()
    uuid = str(hers().submission.uuid)
    assert api.get_submission_and_student(uuid)["student_item"]["student_id"] == ADA
    retire(ADA)
    assert api.get_submission_and_student(uuid)["student_item"]["student_id"] == retire_learner.pseudonym(ADA)


@pytest.mark.django_db(transaction=True)
def test_no_copy_is_left_that_somebody_makes_before_the_commit() -> None:
    submission = hers().submission
    keys = [Submission.get_cache_key(submission.uuid), f"submissions.student_item.{submission.student_item_id}"]
    with transaction.atomic():
        assert list(retire_learner.retire_student(ADA))
        cache.set_many(dict.fromkeys(keys, "my own words"))  # by who sees the old rows still
    assert cache.get_many(keys) == {}


def test_what_she_handed_in_over_http_is_emptied_too() -> None:
    kept_whole = {"body": "my own words", "points_known": False, "file_links": '{"ada.py": "https://x/her file"}'}
    api.create_job(ITEM, "my own words", queue_name="q", queue_key="her attempt", kept=kept_whole)
    retire(ADA)
    assert [secret for secret in SECRETS if secret in kept()] == []


def test_a_platforms_secret_key_may_be_bytes(settings: Settings) -> None:
    settings.SECRET_KEY = "secret é"
    name = retire_learner.pseudonym(ADA)
    settings.SECRET_KEY = "secret é".encode()
    assert retire_learner.pseudonym(ADA) == name


def test_her_scores_stay_under_the_pseudonym() -> None:
    everything()
    retire(ADA)
    (score,) = Score.objects.all()
    assert (score.points_earned, score.student_item.student_id) == (1, retire_learner.pseudonym(ADA))
    assert api.get_scores("c", ADA) == {}
    assert list(api.get_scores("c", retire_learner.pseudonym(ADA))) == ["done"]


def test_each_job_without_a_score_still_says_why() -> None:
    everything()
    retire(ADA)
    hers = ExternalGraderDetail.objects.filter(submission__student_item__student_id=retire_learner.pseudonym(ADA))
    items = hers.values_list("submission__student_item__item_id", "last_error")
    assert dict(items) == {"done": None, **dict.fromkeys(("failed", "held", "waits"), "The learner was retired.")}
    assert list(audit.problems(look_at_files=True)) == []


def test_an_id_that_a_database_takes_for_the_same_is_somebody_else() -> None:
    hers("done")
    others = [ADA.upper(), "5f4dcc3b-\u00e0da"]
    for number, student in enumerate(others):
        make("q", student=student, item=f"item {number}")
    assert retire(ADA, "--dry-run")["items"] == 1
    assert (retire(ADA)["items"], retire(ADA)["jobs"]) == (1, 1)
    kept_ids = StudentItem.objects.exclude(item_id="done").order_by("pk").values_list("student_id", flat=True)
    assert list(kept_ids) == others


def test_a_grader_that_holds_her_job_is_told_that_it_is_gone() -> None:
    hers()
    job = claim_one("q")
    retire(ADA)
    with pytest.raises(QueueError):
        queue.complete(job.submission_id, key_of(job), score=1, reply='{"msg": "she wrote this"}')
    assert "she wrote this" not in kept()


def test_a_dry_run_counts_and_changes_nothing() -> None:
    everything()
    before = kept()
    answer = retire(ADA, "--dry-run")
    assert (answer["items"], answer["submissions"], answer["files"], answer["dry_run"]) == (4, 4, 2, True)
    assert kept() == before


def test_who_comes_back_can_be_retired_again() -> None:
    hers()
    retire(ADA)
    hers()
    retire(ADA)
    assert ADA not in kept()
    assert StudentItem.objects.filter(student_id__startswith=retire_learner.pseudonym(ADA)).count() == 2


def test_a_run_that_broke_off_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    for item in ("a", "b", "c"):
        hers(item)
    run = retire_learner.retire_student(ADA)
    for _ in range(4):  # all renamed, one emptied
        next(run)
    run.close()
    assert "my own words" in kept()
    assert retire(ADA)["submissions"] == 2
    assert "my own words" not in kept()


def test_nobody_has_this_id() -> None:
    make("q", student="bob")
    before = kept()
    assert retire("nobody")["items"] == 0
    assert kept() == before


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_an_id_that_nobody_has_is_not_said_to_be_anonymised(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("retire-user", "nobody", *words)
    assert capsys.readouterr().err.splitlines() == [
        "Will anonymise 0 items, 0 submissions, 0 files.",
        "Nothing is here of a learner with this id.",
    ]


def test_the_pseudonym_follows_open_edx_and_needs_the_secret_key(settings: Any) -> None:
    name = retire_learner.pseudonym(ADA)
    assert name.startswith("retired__user_")
    assert len(name) == 54
    assert retire_learner.pseudonym(ADA) == name
    settings.SECRET_KEY = "another one"
    assert retire_learner.pseudonym(ADA) != name


def test_each_column_of_a_job_is_emptied_or_says_nothing_of_her() -> None:
    says_nothing = {
        "id", "submission", "queue_name", "grader_file_name", "points_possible", "points_known", "status", "pullkey",
        "status_time", "created_at", "num_failures", "available_at", "pulled_at", "returned_at", "grader", "num_pulls",
        "claim_id", "result_digest", "interruptions",
    }  # fmt: skip
    columns = {column.name for column in ExternalGraderDetail._meta.concrete_fields}
    assert columns == says_nothing | set(retire_learner.EMPTIED)
