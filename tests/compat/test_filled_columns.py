"""Our `migrate` gives each job that edx-submissions left its place in the queue (``docs/states.md``)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from submissions.models import ExternalGraderDetail, GraderQueue, SubmissionFile
from tests.compat.conftest import Pointed, Site

pytestmark = pytest.mark.walk


def minute(number: int) -> datetime:
    return datetime(2024, 3, 1, 10, number, 0, 123456, tzinfo=UTC)


# available_at, pulled_at, returned_at, num_pulls
FILLED: dict[str, tuple[datetime | None, datetime | None, datetime | None, int]] = {
    "pending": (minute(11), None, None, 0),
    "retry": (minute(22), None, None, 0),
    "pulled_long_ago": (minute(5), minute(0), None, 1),
    "retired": (None, None, minute(4), 0),
    "failed": (None, None, None, 0),
    "deleted": (minute(6), None, None, 0),
    "broken_job": (minute(9), None, None, 0),
}


@pytest.mark.parametrize("which", FILLED)
def test_the_times_of_a_job_follow_its_state(migrated_once: Site, pointed_at: Pointed, which: str) -> None:
    with pointed_at(migrated_once.url):
        job = job_of(migrated_once, which)
        assert (job.available_at, job.pulled_at, job.returned_at, job.num_pulls) == FILLED[which]


def test_a_job_that_was_just_pulled_keeps_its_grader_for_five_minutes(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        job = job_of(migrated_once, "pulled_just_now")
        assert job.pulled_at == job.status_time
        assert job.available_at == job.status_time + timedelta(minutes=5)
        assert job.num_pulls == 1
        assert job.pullkey == "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_what_edx_submissions_never_knew_is_empty(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        rows = ExternalGraderDetail.objects.values_list("grader", "last_error", "grader_payload", "student_info")
        assert set(rows) == {("", None, None, None)}


def test_every_queue_gets_its_row_with_the_usual_settings(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        rows = GraderQueue.objects.values_list("name", "lease_seconds", "score_meaning", "paused", "supersede")
        assert list(rows) == [("broken", None, "ratio", False, False), ("python", None, "ratio", False, False)]


def test_files_stay_with_their_jobs(migrated_once: Site, pointed_at: Pointed) -> None:
    with pointed_at(migrated_once.url):
        names = job_of(migrated_once, "pending").files.order_by("id").values_list("original_filename", flat=True)
        assert list(names) == ["hello.py", 'pä ck".bin']
        lost = SubmissionFile.objects.get(external_grader=None)
        assert lost.original_filename == "of a job that is gone.txt"


def job_of(site: Site, which: str) -> Any:
    return ExternalGraderDetail.objects.get(submission_id=site.where[which])
