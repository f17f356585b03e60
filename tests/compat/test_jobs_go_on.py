"""Jobs that edx-submissions left go on, by the verbs of our queue and with the keys that graders hold."""

from __future__ import annotations

import pytest

from submissions import api, queue
from submissions.errors import AlreadyGraded, LeaseLost
from submissions.models import ExternalGraderDetail, Score
from tests.compat import environment
from tests.compat.conftest import Pointed, Site

pytestmark = pytest.mark.walk

OLD_KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"


def claim_all(queue_name: str) -> list[queue.ClaimedJob]:
    return [job for _ in range(20) for job in queue.claim(queue_name, grader="watcher")]


def complete(submission_id: int, key: str | None) -> tuple[str, float, float]:
    """Half the points for the job; its state and score afterwards."""
    job = queue.complete(submission_id, str(key), score=0.5, reply='{"score": 0.5}')
    score = Score.objects.get(submission_id=submission_id)
    return job.status, score.points_earned, score.points_possible


def test_waiting_and_long_pulled_jobs_are_claimed_in_their_order_and_completed(
    migrated_once: Site, tried_on: Pointed
) -> None:
    with tried_on(migrated_once.url):
        jobs = claim_all("python")
        # The lease of the long-pulled one ended first.
        expected = [migrated_once.where[which] for which in ("pulled_long_ago", "pending", "retry")]
        assert [job.submission_id for job in jobs] == expected
        for job in jobs:
            assert complete(job.submission_id, job.pullkey) == ("retired", 5, 10)


def test_a_long_pulled_job_gets_a_new_key_and_the_old_one_is_refused(migrated_once: Site, tried_on: Pointed) -> None:
    with tried_on(migrated_once.url):
        job = queue.claim("python", grader="watcher")[0]
        assert job.submission_id == migrated_once.where["pulled_long_ago"]
        with pytest.raises(LeaseLost):
            complete(job.submission_id, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed")
        assert complete(job.submission_id, job.pullkey) == ("retired", 5, 10)


def test_a_recently_pulled_job_is_not_handed_out_and_its_old_key_is_good(
    migrated_once: Site, tried_on: Pointed
) -> None:
    recent = migrated_once.where["pulled_just_now"]
    with tried_on(migrated_once.url):
        assert recent not in [job.submission_id for job in claim_all("python")]
        assert complete(recent, OLD_KEY) == ("retired", 5, 10)


def test_a_failed_job_is_put_back_by_an_operator_and_completed(migrated_once: Site, tried_on: Pointed) -> None:
    failed = migrated_once.where["failed"]
    with tried_on(migrated_once.url):
        assert queue.retry(failed).status == "pending"
        (job,) = (job for job in claim_all("python") if job.submission_id == failed)
        assert job.row.num_failures == 0
        assert complete(failed, job.pullkey) == ("retired", 5, 10)


def test_the_job_of_a_deleted_submission_is_handed_to_nobody(migrated_once: Site, tried_on: Pointed) -> None:
    with tried_on(migrated_once.url):
        assert migrated_once.where["deleted"] not in [job.submission_id for job in claim_all("python")]
        job = ExternalGraderDetail.objects.get(submission_id=migrated_once.where["deleted"])
        assert (job.status, job.last_error) == ("retired", "The submission was deleted.")


def test_a_job_that_edx_submissions_retired_keeps_its_score_and_reply(migrated_once: Site, tried_on: Pointed) -> None:
    retired = migrated_once.where["retired"]
    with tried_on(migrated_once.url):
        with pytest.raises(AlreadyGraded):
            queue.complete(retired, "done", score=0, reply='{"score": 0}')
        job = ExternalGraderDetail.objects.get(submission_id=retired)
        assert job.grader_reply == '{"correct": true, "score": 0.7, "msg": "<p>Gut gemacht ☃</p>"}'
        assert [score.points_earned for score in Score.objects.filter(submission_id=retired)] == [7]


def test_an_answer_that_is_not_json_is_handed_out_as_it_stands(migrated_once: Site, tried_on: Pointed) -> None:
    with tried_on(migrated_once.url):
        (job,) = queue.claim("broken", grader="watcher")
        assert job.answer == "print('ß') }"
        assert complete(job.submission_id, job.pullkey) == ("retired", 5, 10)


def test_a_learner_goes_on_with_the_next_attempt(migrated_once: Site, tried_on: Pointed) -> None:
    course = "course-v1:Ünï+CS1+2024"
    item = {"student_id": "anon-essay", "course_id": course, "item_id": "block@essay", "item_type": "problem"}
    with tried_on(migrated_once.url):
        assert api.create_submission(item, "again")["attempt_number"] == 5


@pytest.mark.parametrize("queue_name", ["python", "a queue that nobody has named before"])
def test_a_job_that_the_old_package_still_inserts_beside_us_is_claimed(
    site: Site, pointed_at: Pointed, queue_name: str
) -> None:
    with pointed_at(site.url):
        claim_all(queue_name)  # what waited before
    words = ("-m", "tests.compat.old.enqueue", queue_name)
    inserted = int(environment.run(*words, database_url=site.url, media=site.folder / "media"))
    with pointed_at(site.url):
        (job,) = queue.claim(queue_name, grader="watcher")
        assert (job.submission_id, job.answer) == (inserted, "print('beside')")
        assert (job.num_pulls, job.row.num_failures, job.row.queue_key) == (1, 0, "key-of-late")
        assert complete(inserted, job.pullkey) == ("retired", 2, 4)
