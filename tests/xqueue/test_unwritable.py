"""A job that cannot be written out is no job to be offered for ever."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.storage import Storage
from django.test import Client, override_settings

from submissions.models import ExternalGraderDetail as Job
from tests.make import make

pytestmark = pytest.mark.django_db


class Unsure(Storage):
    """A storage that takes files and cannot say where they are."""

    def _save(self, name: str, content: Any) -> str:
        return name

    def exists(self, name: str) -> bool:
        return False

    def delete(self, name: str) -> None:
        return None

    def url(self, name: str | None) -> str:
        raise OSError("the bucket's name is not set")


def test_it_is_counted_as_a_failure_and_the_next_job_is_handed_out(grader: Client) -> None:
    grader.raise_request_exception = False
    with override_settings(EDX_SUBMISSIONS={"MEDIA": {"BACKEND": "tests.xqueue.test_unwritable.Unsure"}}):
        broken = make(files={"a.py": b"1"})
        healthy = make()
        first = grader.get("/xqueue/get_submission/?queue_name=q")
        second = grader.get("/xqueue/get_submission/?queue_name=q")
    assert (first.status_code, first.json()) == (500, {"return_code": 1, "content": "Internal error; please try again"})
    header = json.loads(json.loads(second.json()["content"])["xqueue_header"])
    assert header["submission_id"] == healthy.submission_id
    row = Job.objects.get(pk=broken.pk)
    assert (row.status, row.num_failures) == ("retry", 1)
    assert row.last_error == "The job could not be handed out: the bucket's name is not set"
