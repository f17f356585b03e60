"""Objects of composed statements are what Django would have made of the same rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models
from django.db.models.signals import post_init, pre_init

from submissions import prepared
from submissions.models import ExternalGraderDetail as Job
from submissions.models import Submission
from submissions.rows import made
from tests.queue.jobs import make

pytestmark = pytest.mark.django_db(transaction=True)


def known(row: models.Model) -> dict[str, Any]:
    """What it holds without asking the database again."""
    return {name: value for name, value in row.__dict__.items() if name != "_state"}


def jobs(pk: Any) -> Any:
    rows = Job.objects.filter(pk=pk).select_related("submission__student_item__scoresummary")
    return rows.defer("pulls", "submission__answer").annotate(twice=models.F("num_pulls") * 2)


def test_an_object_holds_what_django_would_have_put_into_it() -> None:
    pk = make(points_possible=7.5).pk
    (job,) = prepared.fetch("test of rows", Job, jobs, pk=pk)
    usual = jobs(pk).get()
    assert known(job) == known(usual)
    assert known(job.submission) == known(usual.submission)
    assert known(job.submission.student_item) == known(usual.submission.student_item)
    assert job.submission.student_item._state.fields_cache == {"scoresummary": None}
    assert (job._state.adding, job._state.db) == (usual._state.adding, usual._state.db) == (False, "default")
    assert job.get_deferred_fields() == usual.get_deferred_fields() == {"pulls"}
    assert job == usual
    assert job.pulls is None  # asked for now
    job.num_pulls = 3
    job.save()
    assert Job.objects.get().num_pulls == 3


def test_who_listens_to_new_objects_hears_of_these() -> None:
    pk = make().pk
    heard: list[Any] = []

    def listen(**facts: Any) -> None:
        heard.append((facts["signal"], facts["sender"]))

    for signal in (pre_init, post_init):
        signal.connect(listen, sender=Submission)
    try:
        prepared.fetch("test of rows", Job, jobs, pk=pk)
    finally:
        for signal in (pre_init, post_init):
            signal.disconnect(listen, sender=Submission)
    assert heard == [(pre_init, Submission), (post_init, Submission)]


def test_a_class_with_ways_of_its_own_keeps_them() -> None:
    class Stubborn:
        @classmethod
        def from_db(cls, *given: Any) -> Any:
            return given

    unusual: Any = Stubborn
    assert made(unusual, "default", ["id"], [5]) == ("default", ["id"], [5])
