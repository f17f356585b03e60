"""The same POST at the same time, with real threads on real connections."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User

from submissions.intake import jobs
from submissions.intake.requests import SubmitRequest, parse
from submissions.models import Delivery, ExternalGraderDetail, Submission, SubmissionFile, get_storage
from submissions.upkeep import audit
from tests.queue.test_races import at_once
from tests.xqueue.talk import header, lms_body, make_submitter

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lms() -> User:
    return make_submitter()


def handed(key: str = "k", **more: Any) -> SubmitRequest:
    return parse(header(key, **more), lms_body())


def test_one_post_by_eight_at_once_is_one_job_with_its_file_once(lms: User) -> None:
    told = at_once(8, lambda _: jobs.submit(handed(), lms, {"a.c": b"x"}))
    assert len(set(told)) == 1
    assert (told[0].waiting, Submission.objects.count(), SubmissionFile.objects.count()) == (1, 1, 1)
    row = SubmissionFile.objects.get()
    folder, _, name = str(row.file.name).rpartition("/")
    assert get_storage().listdir(folder)[1].count(name) == 1
    assert row.file.read() == b"x"


def test_many_posts_at_once_are_as_many_jobs(lms: User) -> None:
    def submit(number: int) -> int:
        return jobs.submit(handed(f"k{number}", problem=f"p{number % 3}"), lms, {"a": b"1"}).submission_id

    ids = at_once(12, submit)
    assert len(set(ids)) == 12
    assert ExternalGraderDetail.objects.count() == Delivery.objects.count() == 12
    # The newest of each problem is there in any case.
    newest = {json.loads(str(one.header))["lms_callback_url"]: one.job for one in Delivery.objects.order_by("job_id")}
    assert [job.status for job in newest.values()] == ["pending"] * 3
    assert list(audit.problems()) == []


def test_a_new_queue_is_set_up_once_by_many_at_once(lms: User) -> None:
    at_once(8, lambda number: jobs.submit(handed(f"k{number}", queue_name="brand new"), lms))
    assert ExternalGraderDetail.objects.filter(queue_name="brand new").count() == 8
