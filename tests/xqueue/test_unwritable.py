"""A job that cannot be written out is no job to be offered for ever."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage
from django.test import Client, override_settings

from submissions import api
from submissions.models import ExternalGraderDetail as Job

pytestmark = pytest.mark.django_db


class Unsure(InMemoryStorage):
    """A storage that keeps files and cannot say where they are."""

    def __init__(self, **_: Any) -> None:
        super().__init__()

    @property
    def __class__(self) -> Any:
        return object  # no storage that we would serve ourselves

    def url(self, name: str | None) -> str:
        raise OSError("the bucket's name is not set")


def test_it_is_counted_as_a_failure_and_the_next_job_is_handed_out(grader: Client) -> None:
    item = {"student_id": "s", "course_id": "c", "item_id": "i", "item_type": "problem"}
    grader.raise_request_exception = False
    with override_settings(EDX_SUBMISSIONS={"MEDIA": {"BACKEND": "tests.xqueue.test_unwritable.Unsure"}}):
        broken = api.create_external_grader_detail(item, "a", "q", None, files={"a.py": b"1"})
        healthy = api.create_external_grader_detail(item, "b", "q", None)
        first = grader.get("/xqueue/get_submission/?queue_name=q")
        second = grader.get("/xqueue/get_submission/?queue_name=q")
    assert (first.status_code, first.json()["return_code"]) == (500, 1)
    assert json.loads(json.loads(second.json()["content"])["xqueue_header"])["submission_id"] == healthy.submission_id
    row = Job.objects.get(pk=broken.pk)
    assert (row.status, row.num_failures) == ("retry", 1)
    assert row.last_error == "The job could not be handed out: the bucket's name is not set"
