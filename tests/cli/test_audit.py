"""`gradequeue audit`: silent where all adds up, and each thing that does not is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.utils.timezone import now
from pytest_django import Settings

from submissions import api, queue
from submissions.models import (
    BrokenJSON,
    Delivery,
    ExternalGraderDetail,
    GraderQueue,
    Score,
    ScoreAnnotation,
    ScoreSummary,
    StudentItem,
    Submission,
    SubmissionFile,
)
from submissions.upkeep.retire_learner import retire_student
from tests.make import enqueue
from tests.server import Server


def pulled() -> int:
    submission_id = enqueue()
    assert [job.submission_id for job in queue.claim("q", grader="ada")] == [submission_id]
    return submission_id


def scored(**fields: Any) -> int:
    submission_id = enqueue(**fields)
    (job,) = queue.claim("q", grader="ada")
    queue.complete(submission_id, str(job.pullkey), score=1, reply='{"score": 1}')
    return submission_id


def retired() -> int:
    submission_id = enqueue()
    queue.retire(submission_id)
    return submission_id


def given_up() -> int:
    submission_id = pulled()
    GraderQueue.objects.update(max_failures=1)
    queue.fail(submission_id, str(job_of(submission_id).pullkey), reason="broken")
    GraderQueue.objects.update(max_failures=None)
    return submission_id


def job_of(submission_id: int) -> ExternalGraderDetail:
    return ExternalGraderDetail.objects.get(submission_id=submission_id)


def spoil(submission_id: int, **columns: Any) -> int:
    """What no verb would write."""
    assert ExternalGraderDetail.objects.filter(submission_id=submission_id).update(**columns) == 1
    return submission_id


def audit(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """The exit code, the problems, and the last line's counts."""
    code = 0
    try:
        call_command("audit", "--json", *words)
    except SystemExit as end:
        code = int(end.code or 0)
    *problems, counts = map(json.loads, capsys.readouterr().out.splitlines())
    return code, problems, counts


# All adds up. -------------------------------------------------------------------------------------------------------

in_process = pytest.mark.django_db


@in_process
def test_an_empty_database_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(capsys) == (0, [], {"jobs": 0, "states": {}, "problems": 0})


@in_process
def test_every_state_that_a_verb_leaves_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    scored(files={"a.py": b"1"})
    given_up()
    retired()
    failing = pulled()
    queue.fail(failing, str(job_of(failing).pullkey), reason="once")
    queue.retry(given_up())
    deleted = enqueue()
    Submission.objects.filter(pk=deleted).update(status="D")
    spoil(failing, available_at=now() + timedelta(hours=1))
    queue.claim("q", grader="ada", limit=9)
    enqueue()
    code, problems, counts = audit(capsys, "--files")
    assert (code, problems) == (0, [])
    assert counts == {
        "jobs": 7,
        "states": {"failed": 1, "pending": 1, "pulled": 1, "retired": 3, "retry": 1},
        "problems": 0,
    }


@in_process
def test_points_beyond_a_maximum_that_nobody_told_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    submission_id = spoil(enqueue(), points_known=False)
    GraderQueue.objects.update(score_meaning="points")
    (job,) = queue.claim("q", grader="ada")
    queue.complete(submission_id, str(job.pullkey), score=5, reply='{"score": 5}')
    score = Score.objects.get()
    assert (score.points_earned, score.points_possible) == (5, 5)
    assert audit(capsys)[:2] == (0, [])


@in_process
def test_results_in_the_order_in_which_they_came_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """The second attempt is graded first, then the first one, then a third; then all is reset, and graded once more."""
    first, second = enqueue(student="ada"), enqueue(student="ada")
    jobs = {job.submission_id: job for job in queue.claim("q", grader="ada", limit=2)}
    for submission_id in (second, first):
        queue.complete(submission_id, str(jobs[submission_id].pullkey), score=1, reply='{"score": 1}')
    assert ScoreSummary.objects.get().latest.submission_id == second
    assert audit(capsys)[:2] == (0, [])
    scored(student="ada")
    api.reset_score("ada", "c", "item")
    scored(student="ada")
    assert audit(capsys)[:2] == (0, [])


@in_process
def test_what_people_do_to_scores_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    overridden, reset = scored(), scored()
    api.set_score(
        str(job_of(overridden).submission.uuid),
        0,
        1,
        annotation_creator="teacher",
        annotation_type="staff override",
        annotation_reason="copied",
    )
    learner = job_of(reset).submission.student_item
    api.reset_score(learner.student_id, "c", "item")
    assert audit(capsys)[:2] == (0, [])


@in_process
def test_deliveries_in_their_time_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    done, failed, waiting = job_of(scored()), job_of(given_up()), job_of(enqueue())
    for state in ("due", "delivered", "given_up", "dropped"):
        with_delivery(done.submission_id, state)
    for job in (failed, waiting):
        with_delivery(job.submission_id, "waiting")
    with_delivery(failed.submission_id, "delivered", result="failure")
    code, problems, counts = audit(capsys)
    assert (code, problems) == (0, [])
    assert counts["deliveries"] == {"delivered": 2, "dropped": 1, "due": 1, "given_up": 1, "waiting": 2}


@in_process
def test_a_failure_that_was_told_and_the_job_put_back_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    again = given_up()
    with_delivery(again, "delivered", result="failure")
    queue.retry(again)
    assert audit(capsys)[:2] == (0, [])
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["delivered", "waiting"]


# Something does not. ------------------------------------------------------------------------------------------------


def second_score(submission_id: int) -> int:
    submission = job_of(submission_id).submission
    Score.objects.create(
        student_item=submission.student_item, submission=submission, points_earned=0, points_possible=1
    )
    return submission_id


def with_delivery(submission_id: int, state: str, **columns: Any) -> int:
    """One as the verbs leave it in `state`, but for `columns`."""
    usual: dict[str, dict[str, Any]] = {
        "waiting": {},
        "due": {"result": "score", "due_at": now()},
        "delivered": {"result": "score", "delivered_at": now(), "attempts": 1},
        "given_up": {"result": "score", "last_error": "It answered 410."},
        "dropped": {},
    }
    fields = {**usual[state], **columns}
    Delivery.objects.create(job=job_of(submission_id), state=state, **{"transport": "event", **fields})
    return submission_id


def spoil_score(submission_id: int, **columns: Any) -> int:
    assert Score.objects.filter(submission_id=submission_id).update(**columns) == 1
    return submission_id


def other_item() -> StudentItem:
    return StudentItem.objects.create(student_id="other", course_id="c", item_id="i", item_type="problem")


def by_webhook(submission_id: int, **columns: Any) -> int:
    return with_delivery(submission_id, "due", **{"transport": "webhook", "destination": "https://h/", **columns})


def handed_in(submission_id: int) -> int:
    """As `submit/` keeps it, but for its callback."""
    return spoil(submission_id, body='{"student_response": "x"}')


def with_an_older_latest() -> int:
    """The learner's first attempt stands as the latest."""
    first, second = scored(student="ada"), scored(student="ada")
    score = Score.objects.get(submission_id=first)
    ScoreSummary.objects.filter(student_item=score.student_item).update(latest=score)
    return second


def by_a_person_alone() -> int:
    submission_id = scored()
    score = Score.objects.get(submission_id=submission_id)
    ScoreAnnotation.objects.create(score=score, annotation_type="staff", creator="x", reason="y")
    return submission_id


def named_twice() -> int:
    first, second = enqueue(), enqueue()
    Submission.objects.filter(pk=second).update(uuid=Submission.objects.get(pk=first).uuid)
    return second


def neither_active_nor_deleted() -> int:
    submission_id = enqueue()
    Submission.objects.filter(pk=submission_id).update(status="X")
    return submission_id


def more_than_its_points() -> int:
    """5 points, where only the platform knows of how many: they stand as 5 of 5, and not as 5 of 100."""
    submission_id = spoil(scored(), points_known=False, grader_reply='{"score": 5}')
    return spoil_score(submission_id, points_earned=5, points_possible=100)


def named_by_another() -> int:
    submission_id = scored()
    score = Score.objects.get(submission_id=submission_id)
    ScoreSummary.objects.create(student_item=other_item(), latest=score, highest=score)
    return submission_id


def with_a_worse_highest() -> int:
    """The learner's second attempt is better, and the summary still names the first."""
    first, second = scored(student="ada"), scored(student="ada")
    spoil(first, grader_reply='{"score": 0.5}')
    spoil_score(first, points_earned=0.5)
    score = Score.objects.get(submission_id=first)
    ScoreSummary.objects.filter(student_item=score.student_item).update(highest=score)
    return second


def emptied(submission_id: int) -> int:
    Submission.objects.filter(pk=submission_id).update(answer=BrokenJSON(""))
    return submission_id


def without_summary(submission_id: int) -> int:
    ScoreSummary.objects.filter(student_item=job_of(submission_id).submission.student_item).delete()
    return submission_id


NEVER = "is not finished, but will never be offered to a grader"
OFFERED = "is finished, but would be offered to a grader"
OTHER_MAXIMUM = "has a score out of other points than its job's"
TO_COME = "was handed in, claimed or graded at a time that is still to come"
BACKWARDS = "was graded before it was claimed, or claimed before it was handed in"
UNEXPLAINED = "is retired without a score and without a reason"


@in_process
@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        (lambda: spoil(enqueue(), status="lost"), "is in no known state"),
        (lambda: spoil(enqueue(), available_at=None), NEVER),
        (lambda: spoil(enqueue(), status="retry", available_at=None), NEVER),
        (lambda: spoil(pulled(), available_at=None), NEVER),
        (lambda: spoil(scored(), available_at=now()), OFFERED),
        (lambda: spoil(given_up(), available_at=now()), OFFERED),
        (lambda: spoil(pulled(), pullkey=None), "is pulled without a key"),
        (lambda: spoil(pulled(), pullkey=""), "is pulled without a key"),
        (lambda: spoil(scored(), status="pending", available_at=now()), "has a score, but would be graded again"),
        (lambda: spoil(scored(), status="pulled", available_at=now()), "has a score, but would be graded again"),
        (lambda: spoil(retired(), last_error=None), UNEXPLAINED),
        (lambda: spoil(retired(), last_error=""), UNEXPLAINED),
        (lambda: second_score(scored()), "has two scores"),
        (lambda: with_delivery(scored(), "waiting"), "has a score, but a delivery that is not due"),
        (lambda: with_delivery(enqueue(), "due"), "is not finished, but its result is on its way"),
        (lambda: with_delivery(pulled(), "delivered"), "is not finished, but its result is on its way"),
        (lambda: with_delivery(retired(), "waiting"), "is retired, but a delivery waits for its result"),
        (lambda: with_delivery(scored(), "delivered", result="failure"), "has a score that no delivery tells"),
        (lambda: with_delivery(scored(), "due", due_at=None), "has a delivery that is due, but never sent"),
        (
            lambda: with_delivery(scored(), "delivered", due_at=now()),
            "has a delivery that is not due, but would be sent",
        ),
        (lambda: with_delivery(given_up(), "delivered", result=""), "has a delivery that tells nothing"),
        (lambda: with_delivery(scored(), "delivered", delivered_at=None), "was told, nobody knows when"),
        (
            lambda: with_delivery(scored(), "given_up", last_error=""),
            "has a delivery that was given up without a reason",
        ),
        (lambda: spoil_score(scored(), points_earned=0.5), "has another score than its reply says"),
        (lambda: spoil(scored(), grader_reply='{"score": 0}'), "has another score than its reply says"),
        (lambda: spoil(scored(), grader_reply=""), "has a grader's score, but its reply is gone"),
        (
            lambda: spoil_score(spoil(scored(), points_possible=0.5), points_possible=0.5),
            "has a score above its maximum",
        ),
        (lambda: spoil_score(scored(), points_possible=2), OTHER_MAXIMUM),
        (lambda: spoil_score(scored(points_possible=4), points_earned=1, points_possible=1), OTHER_MAXIMUM),
        (lambda: spoil_score(spoil(scored(), points_known=False), points_possible=2), OTHER_MAXIMUM),
        (more_than_its_points, OTHER_MAXIMUM),
        (lambda: spoil(enqueue(), points_possible=-1), "is worth less than 0 points"),
        (lambda: spoil(scored(), last_error="x"), "has a grader's score, and a reason why it has none"),
        (lambda: spoil(scored(), status="failed"), "was given up, but has a grader's score"),
        (by_a_person_alone, "is graded, but has no grader's score"),
        (with_an_older_latest, "has a score that is newer than the latest one of its summary"),
        (named_twice, "has another submission's uuid"),
        (neither_active_nor_deleted, "is neither active nor deleted"),
        (lambda: spoil(enqueue(), queue_name="nobody's"), "waits in a queue that is not set up"),
        (lambda: with_delivery(scored(), "due", transport="x"), "has a delivery by no known way"),
        (lambda: by_webhook(scored(), host="h", destination=""), "has a delivery that leads nowhere"),
        (lambda: by_webhook(scored(), host=""), "has a delivery that leads nowhere"),
        (lambda: with_delivery(scored(), "delivered", attempts=0), "has a delivery that was told, but never sent"),
        (lambda: with_delivery(scored(), "dropped"), "was graded, but nobody is to be told"),
        (lambda: with_delivery(enqueue(), "dropped"), "is not finished, but nobody is to be told"),
        (lambda: handed_in(enqueue()), "was handed in with a callback that is gone"),
        (lambda: handed_in(scored()), "was handed in with a callback that is gone"),
        (
            lambda: with_delivery(scored(), "due", due_at=now() + timedelta(days=400)),
            "has a delivery that would be sent in more than a year",
        ),
        (
            lambda: with_delivery(scored(), "delivered", delivered_at=now() + timedelta(hours=2)),
            "was told at a time that is still to come",
        ),
        (
            lambda: spoil_score(scored(), created_at=now() + timedelta(hours=2)),
            "was scored at a time that is still to come",
        ),
        (lambda: spoil(scored(), status_time=now() + timedelta(days=400)), TO_COME),
        (lambda: spoil(scored(), returned_at=now() - timedelta(days=2)), BACKWARDS),
        (lambda: spoil(scored(), pulled_at=now() - timedelta(days=2)), BACKWARDS),
        (named_by_another, "is named by another learner's summary, as the latest or the highest score"),
        (with_a_worse_highest, "has a score that is better than the highest one of its summary"),
        (lambda: emptied(scored()), "has lost its answer"),
        (lambda: with_delivery(scored(), "delivered", points=0.5), "has a delivery that tells other points"),
        (lambda: spoil(enqueue(), available_at=now() + timedelta(days=400)), "would be offered in more than a year"),
        (lambda: spoil(scored(), returned_at=now() + timedelta(hours=2)), TO_COME),
        (lambda: without_summary(scored()), "has scores, but its learner and item have no score summary"),
    ],
)
def test_each_rule_finds_what_breaks_it(
    capsys: pytest.CaptureFixture[str], spoilt: Callable[[], int], sentence: str
) -> None:
    scored()
    submission_id = spoilt()
    enqueue()
    code, problems, counts = audit(capsys)
    assert (code, counts["problems"]) == (1, 1)
    assert problems == [{"submission_id": submission_id, "problem": sentence}]


@in_process
def test_a_score_that_was_made_a_reset_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    submission_id = spoil_score(scored(), reset=True)
    assert audit(capsys)[1] == [
        {"submission_id": submission_id, "problem": "has a score that was made a reset"},
        {"submission_id": submission_id, "problem": "is graded, but has no grader's score"},
    ]


@pytest.mark.databases("sqlite")  # the others keep constraints by themselves
@pytest.mark.django_db(transaction=True, reset_sequences=True)
@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE submissions_scoresummary SET highest_id = 99",
            {"submission_id": None, "problem": "of ScoreSummary 1 cannot be told: its highest 99 is not there"},
        ),
        (
            "UPDATE submissions_studentitem SET id = 99",
            {"submission_id": None, "problem": "of Submission 1 cannot be told: its student_item 1 is not there"},
        ),
        (
            "UPDATE submissions_delivery SET job_id = 99",
            {"submission_id": None, "problem": "of Delivery 1 cannot be told: its job 99 is not there"},
        ),
        (
            "DELETE FROM submissions_submission",
            {"submission_id": 1, "problem": "is not there, and ExternalGraderDetail 1 names it"},
        ),
        (
            "DELETE FROM submissions_externalgraderdetail",
            {
                "submission_id": None,
                "problem": "of SubmissionFile 1 cannot be told: its external_grader 1 is not there",
            },
        ),
    ],
)
def test_a_row_that_names_what_is_not_there_is_found(
    capsys: pytest.CaptureFixture[str], statement: str, found: dict[str, Any]
) -> None:
    with_delivery(scored(files={"a.py": b"1"}), "due")
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        cursor.execute(statement)
        code, problems, _ = audit(capsys)
        assert code == 1
        assert found in problems
        call_command("flush", "--no-input", verbosity=0)


@pytest.mark.databases("sqlite")  # the others' columns take numbers only
@in_process
def test_points_that_are_no_number_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    submission_id = scored()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE submissions_score SET points_earned = 'abc'")
    assert {"submission_id": submission_id, "problem": "has another score than its reply says"} in audit(capsys)[1]


@in_process
def test_a_score_that_was_moved_to_another_learner_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    submission_id = spoil_score(scored(), student_item=other_item())
    problems = audit(capsys)[1]
    assert [row["problem"] for row in problems] == [
        "has scores, but its learner and item have no score summary",
        "has a score that stands with another learner or item",
        "is named by another learner's summary, as the latest or the highest score",
    ]
    assert {row["submission_id"] for row in problems} == {submission_id}


@in_process
def test_a_result_whose_delivery_is_gone_is_found(capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    scored()
    submission_id = scored()
    Delivery.objects.filter(job__submission_id=submission_id).delete()
    assert audit(capsys)[1] == [{"submission_id": submission_id, "problem": "was graded, but nobody is to be told"}]


@in_process
def test_what_was_removed_with_a_learner_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    scored(student="ada")
    assert list(retire_student("ada"))
    assert audit(capsys)[:2] == (0, [])


@in_process
def test_deliveries_that_were_removed_with_a_learner_are_clean(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    scored()
    scored(student="ada")
    assert list(retire_student("ada"))
    assert Delivery.objects.count() == 1
    assert audit(capsys)[:2] == (0, [])


@in_process
def test_a_persons_score_after_a_failure_that_was_told_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """The platform gave it, and need not be told."""
    submission_id = with_delivery(given_up(), "delivered", result="failure")
    uuid = str(job_of(submission_id).submission.uuid)
    api.set_score(uuid, 1, 1, annotation_creator="teacher", annotation_type="staff", annotation_reason="by hand")
    queue.retire(submission_id)
    assert audit(capsys)[:2] == (0, [])


@in_process
def test_what_a_platform_was_told_of_a_submission_that_was_deleted_since_is_clean(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    submission = job_of(scored(student="ada")).submission
    api.reset_score("ada", "c", "item", clear_state=True)
    known = tmp_path / "known"
    known.write_text(json.dumps({"submission_uuid": str(submission.uuid), "points_earned": 1}))
    assert audit(capsys, "--told", str(known))[:2] == (0, [])


@in_process
def test_a_file_that_the_storage_has_lost_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    lost = enqueue(files={"a.py": b"1", "b.py": b"2"})
    default_storage.delete(str(SubmissionFile.objects.get(original_filename="b.py").file.name))
    assert audit(capsys)[:2] == (1, [{"submission_id": lost, "problem": "lost its file 'b.py'"}])


@in_process
def test_people_get_a_line_for_each_and_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = spoil(enqueue(), status="lost")
    enqueue()
    with pytest.raises(SystemExit, match="1"):
        call_command("audit")
    assert capsys.readouterr().out.splitlines() == [
        f"submission {wrong} is in no known state",
        "2 jobs: 1 lost, 1 pending. 1 problem.",
    ]


# Through the executable. --------------------------------------------------------------------------------------------


def test_the_command_ends_with_1_only_where_something_is_wrong(fresh_database: str, tmp_path: Path) -> None:
    operator = Server(fresh_database, tmp_path)
    operator.run("migrate", "-v0")
    operator.enqueue({"queue_name": "q"}, {"queue_name": "q", "student_id": "t"})
    assert operator.run("audit").stdout == "2 jobs: 2 pending. 0 problems.\n"
    spoiling = "from submissions.models import ExternalGraderDetail as job; job.objects.update(available_at=None)"
    operator.run("shell", "-c", spoiling)
    done = operator.run("audit", "--json", check=False)
    assert done.returncode == 1
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"submission_id": 1, "problem": NEVER},
        {"submission_id": 2, "problem": NEVER},
        {"jobs": 2, "states": {"pending": 2}, "problems": 2},
    ]
