from __future__ import annotations

from typing import Any

import pytest

from submissions import api, queue
from submissions.models import (
    Score,
    Submission,
    score_reset,
)
from tests.api.conftest import Heard, item, points, rows, submit

pytestmark = pytest.mark.django_db


def reset(**more: Any) -> None:
    api.reset_score("Tim", "Demo_Course", "item_one", **more)


def test_what_was_never_scored_can_be_reset(heard: Heard) -> None:
    sent = heard(score_reset)
    reset()
    assert (rows(), sent) == ({}, [])
    submit()
    reset()
    assert api.get_score(item()) is None
    assert api.get_scores("Demo_Course", "Tim") == {}
    assert len(sent) == 1


def test_after_a_reset_nothing_counts_until_the_next_score() -> None:
    uuid = submit()
    api.set_score(uuid, 1, 2)
    api.set_score(uuid, 2, 2)
    reset()
    assert api.get_score(item()) is None
    assert api.get_scores("Demo_Course", "Tim") == {}
    assert Score.objects.count() == 3
    api.set_score(uuid, 3, 4)
    assert points(api.get_score(item())) == (3, 4)
    assert points(api.get_scores("Demo_Course", "Tim")["item_one"]) == (3, 4)


def test_a_submissions_own_score_outlives_the_reset() -> None:
    uuid = submit()
    api.set_score(uuid, 1, 2)
    reset()
    assert points(api.get_latest_score_for_submission(uuid)) == (1, 2)


@pytest.mark.parametrize("other", [{"student_id": "other"}, {"course_id": "other"}, {"item_id": "other"}])
def test_only_this_learners_item_is_reset(other: dict[str, str]) -> None:
    api.set_score(submit(), 1, 2)
    api.set_score(submit(**other), 3, 4)
    reset()
    assert api.get_score(item()) is None
    assert points(api.get_score(item(**other))) == (3, 4)


def test_the_reset_is_told(heard: Heard) -> None:
    api.set_score(submit(), 1, 2)
    sent = heard(score_reset)
    reset()
    assert sent == [
        {
            "sender": None,
            "anonymous_user_id": "Tim",
            "course_id": "Demo_Course",
            "item_id": "item_one",
            "created_at": Score.objects.get(reset=True).created_at,
        }
    ]


def test_a_reset_can_be_silent(heard: Heard) -> None:
    api.set_score(submit(), 1, 2)
    sent = heard(score_reset)
    reset(emit_signal=False)
    assert (sent, api.get_score(item())) == ([], None)


@pytest.mark.parametrize("wanted", [("Alice", "c", "i"), ("NUL\0", "c", "i"), ("Tim", "\ud800", "i")], ids=ascii)
def test_nobodys_score_can_be_reset(wanted: tuple[str, str, str], heard: Heard) -> None:
    sent = heard(score_reset)
    api.reset_score(*wanted)
    assert (rows(), sent) == ({}, [])


def test_clearing_the_state_deletes_the_attempts_softly() -> None:
    uuids = [submit(), submit()]
    other = submit(student_id="Alice")
    api.set_score(uuids[0], 11, 12)
    for uuid in uuids:
        api.get_submission(uuid)  # now it is in the cache
    reset(clear_state=True)
    assert api.get_score(item()) is None
    assert api.get_submissions(item()) == []
    for uuid in uuids:
        with pytest.raises(api.SubmissionNotFoundError):
            api.get_submission(uuid)
    assert Submission._objects.filter(status="D").count() == 2
    assert api.get_submission(other)["answer"] == "an answer"


def test_without_it_the_attempts_stay() -> None:
    uuid = submit()
    reset()
    assert [one["uuid"] for one in api.get_submissions(item())] == [uuid]


def test_a_cleared_learner_starts_again_at_the_first_attempt() -> None:
    submit()
    reset(clear_state=True)
    assert api.create_submission(item(), "again")["attempt_number"] == 1


def test_the_jobs_of_cleared_attempts_are_retired() -> None:
    job = api.create_external_grader_detail(item(), "print(1)", "q", None)
    other = api.create_external_grader_detail(item(student_id="Alice"), "print(1)", "q", None)
    reset(clear_state=True)
    job.refresh_from_db()
    assert (job.status, job.last_error) == ("retired", "The learner's state was cleared.")
    assert [one.submission_id for one in queue.claim("q", grader="g", limit=5)] == [other.submission_id]


def test_a_deleted_attempt_gets_no_score() -> None:
    uuid = submit()
    reset(clear_state=True)
    with pytest.raises(api.SubmissionNotFoundError):
        api.set_score(uuid, 1, 2)
    assert api.get_latest_score_for_submission(uuid) is None
