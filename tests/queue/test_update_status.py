"""edx-submissions' moves by the name of a status: each is a move of the queue, and leaves its books in order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from submissions import api, queue
from submissions.errors import LeaseLost
from submissions.models import ClaimEnd, DeliveryState, Status, Submission
from submissions.models import ExternalGraderDetail as Job
from submissions.upkeep import audit
from tests.make import make
from tests.queue.jobs import claim_one, key_of, limit

pytestmark = pytest.mark.django_db

# From where to where; whether a claim finds the job afterwards.
MOVES = [
    ("pending", "pulled", False),
    ("pulled", "retired", False),
    ("pulled", "failed", False),
    ("pulled", "retry", True),
    ("retry", "retired", False),
    ("retry", "pulled", False),
    ("failed", "pending", True),
]
REFUSED = [
    (old, new)
    for old in ("pending", "pulled", "retry", "failed", "retired")
    for new in ("pending", "pulled", "retry", "failed", "retired", "nonsense", "")
    if (old, new) not in [(one, other) for one, other, _ in MOVES]
]
WAYS = {
    "pending": (),
    "pulled": ("pulled",),
    "retry": ("pulled", "retry"),
    "failed": ("pulled", "failed"),
    "retired": ("pulled", "retired"),
}


def job_in(status: str) -> Job:
    job = make()
    for step in WAYS[status]:
        job.update_status(step)
    return job


def is_offered() -> bool:
    """Whether a claim would find the job, pauses aside."""
    Job.objects.filter(status=Status.RETRY).update(available_at=now() - timedelta(seconds=1))
    return queue.depth("q") == 1


@pytest.mark.parametrize(("old", "new", "offered"), MOVES)
def test_the_move_is_the_queues(old: str, new: str, offered: bool) -> None:
    job = job_in(old)
    assert job.can_transition_to(new)
    job.update_status(new)
    assert job.status == new
    stored = Job.objects.get(pk=job.pk)
    for field in Job._meta.concrete_fields:
        assert getattr(stored, field.attname) == getattr(job, field.attname), field.name
    assert is_offered() is offered
    assert [problem.problem for problem in audit.problems()] == []


@pytest.mark.parametrize(("old", "new"), REFUSED)
def test_every_other_move_is_refused_and_changes_nothing(old: str, new: str) -> None:
    job = job_in(old)
    before = Job.objects.filter(pk=job.pk).values().get()
    assert not job.can_transition_to(new)
    with pytest.raises(ValueError, match="Invalid status transition"):
        job.update_status(new)
    assert job.status == old
    assert Job.objects.filter(pk=job.pk).values().get() == before


def test_what_leads_where_may_be_asked_without_a_row() -> None:
    assert Job().can_transition_to("pulled")
    assert Job().can_transition_to("retry", "pulled")
    assert not Job().can_transition_to("retry", "retired")
    assert not Job().can_transition_to("pulled", "nonsense")
    assert Job.VALID_TRANSITIONS == {
        "pending": ["pulled"],
        "pulled": ["retired", "failed", "retry"],
        "retry": ["retired", "pulled"],
        "failed": ["pending"],
        "retired": [],
    }


def test_a_pull_is_a_lease_with_a_key_that_is_good_for_a_result() -> None:
    limit(lease_seconds=90)
    job = job_in("pulled")
    assert job.available_at is not None
    assert job.pulled_at is not None
    assert job.available_at - job.pulled_at == timedelta(seconds=90)
    assert job.num_pulls == 1
    queue.complete(job.submission_id, key_of(job), score=1, reply='{"score": 1}')
    assert Job.objects.get().status == "retired"


def test_a_result_for_a_job_that_was_given_up_is_refused() -> None:
    job = job_in("pulled")
    key = key_of(job)
    job.update_status("failed")
    with pytest.raises(LeaseLost):
        queue.complete(job.submission_id, key, score=1, reply='{"score": 1}')


def test_failures_are_counted_past_the_limit_and_cleared_by_a_new_beginning() -> None:
    limit(max_failures=1)
    job = job_in("retry")
    assert (job.status, job.num_failures) == ("retry", 1)
    job.update_status("pulled")
    job.update_status("failed")
    assert (job.num_failures, ClaimEnd.objects.count()) == (2, 2)
    job.update_status("pending")
    assert (job.num_failures, job.pullkey) == (0, None)
    assert claim_one().pk == job.pk


def test_nobody_is_told_of_a_job_that_the_platform_ended_itself(settings: Settings) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["signal"]
    job = job_in("pulled")
    api.set_score(job.submission.uuid, 1, 1)
    job.update_status("retired")
    assert [row.state for row in job.deliveries.all()] == [DeliveryState.DROPPED]


def test_a_row_that_is_old_news_moves_nothing() -> None:
    job = make()
    claim_one()
    with pytest.raises(ValueError, match="from pulled to pulled"):
        job.update_status("pulled")


def test_the_job_of_a_deleted_submission_ends() -> None:
    job = make()
    Submission._objects.update(status="D")
    with pytest.raises(ValueError, match="deleted"):
        job.update_status("pulled")
    assert Job.objects.get().status == "retired"


def test_a_job_that_is_gone_is_refused() -> None:
    job = make()
    Job.objects.all().delete()
    with pytest.raises(ValueError, match="no job"):
        job.update_status("pulled")


@pytest.mark.parametrize(
    ("status", "offered"), [("pending", True), ("retry", True), ("retired", False), ("failed", False)]
)
def test_a_row_that_says_only_its_status_is_offered_by_it(status: str, offered: bool) -> None:
    job = make()
    Job.objects.all().delete()
    Job.objects.create(submission=Submission.objects.get(pk=job.submission_id), queue_name="q", status=status)
    assert is_offered() is offered


def test_a_row_that_was_made_as_pulled_has_edx_submissions_lease() -> None:
    job = make()
    Job.objects.all().delete()
    submission = Submission.objects.get(pk=job.submission_id)
    made = Job.objects.create(submission=submission, queue_name="q", status="pulled")
    assert Job.objects.get().available_at == made.status_time + timedelta(minutes=5)
    assert queue.depth("q") == 0


def aged(minutes: int, queue_name: str = "q", **changes: object) -> Job:
    job = make(queue_name)
    long_ago = now() - timedelta(minutes=minutes)
    Job.objects.filter(pk=job.pk).update(status_time=long_ago, created_at=long_ago, **changes)
    return job


def test_the_managers_questions_are_about_what_is_old_enough(settings: Settings) -> None:
    aged(59)
    oldest, other = aged(90), aged(61)
    aged(100, status="retry")
    aged(100, queue_name="another")
    assert Job.objects.get_queue_length("q") == 2
    assert Job.objects.get_next_submission("q") == oldest
    assert Job.objects.get_next_submission("none") is None
    assert Job.objects.time_filter().count() == 4
    settings.SUBMISSION_PROCESSING_DELAY = 0
    assert Job.objects.get_queue_length("q") == 3
    oldest.refresh_from_db()
    oldest.update_status("pulled")
    assert Job.objects.get_next_submission("q") == other
