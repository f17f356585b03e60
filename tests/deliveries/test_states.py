"""Every verb in every state of a delivery: where it stands afterwards. The table is literal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from submissions import deliveries, queue
from submissions.deliveries import Outcome, claims, deliver_due
from submissions.errors import QueueError
from submissions.models import DatabaseNow, Delivery, DeliveryHost, GraderQueue
from submissions.models import ExternalGraderDetail as Job
from tests.deliveries.owed import given_up, graded, later, owed
from tests.make import make
from tests.platform_stub import Platform, Reply
from tests.queue.jobs import claim_one, limit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("local")]

REFUSED = "refused"

# state, verb, the states afterwards (of this job's deliveries, oldest first; what they tell), or `refused`.
ROWS = [
    # Made with the job; what happens to the job decides.
    ("waiting", "score", "due score"),
    ("waiting", "give up the job", "due failure"),
    ("waiting", "retire the job", "due failure"),
    ("waiting", "supersede the job", "dropped"),
    ("waiting", "delete the submission", "dropped"),
    ("waiting", "deliver", "waiting"),
    ("waiting", "retry", REFUSED),
    ("waiting", "give up", REFUSED),
    # The platform is to be told of a score.
    ("due score", "deliver", "delivered score"),
    ("due score", "deliver in vain", "due score"),
    ("due score", "deliver to nowhere", "due score"),
    ("due score", "deliver what is refused", "given_up score"),
    ("due score", "deliver too late", "given_up score"),
    ("due score", "retry", "due score"),
    ("due score", "give up", "given_up score"),
    # The platform is to be told that there is none; nobody has begun to.
    ("due failure", "deliver", "delivered failure"),
    ("due failure", "deliver in vain", "due failure"),
    ("due failure", "put the job back", "waiting"),
    ("due failure", "retire the job", "due failure"),
    ("due failure", "retry", "due failure"),
    ("due failure", "give up", "given_up failure"),
    # It may have been told, nobody knows.
    ("tried failure", "put the job back", "due failure, waiting"),
    ("tried failure", "put the job back, deliver", "dropped failure, waiting"),
    ("tried failure", "put the job back, score, deliver", "dropped failure, delivered score"),
    # It was told.
    ("told failure", "put the job back", "delivered failure, waiting"),
    ("told failure", "put the job back, score, deliver", "delivered failure, delivered score"),
    ("told failure", "retire the job", "delivered failure"),
    ("told failure", "put the job back, score, retry", REFUSED),
    # The end.
    ("delivered", "deliver", "delivered score"),
    ("delivered", "retry", "due score"),
    ("delivered", "give up", REFUSED),
    ("given up", "deliver", "given_up score"),
    ("given up", "retry", "due score"),
    ("given up", "retry, deliver", "delivered score"),
    ("given up", "give up", REFUSED),
    ("dropped", "deliver", "dropped"),
    ("dropped", "retry", REFUSED),
    ("dropped", "give up", REFUSED),
]


class World:
    """One job and its delivery, and a platform that does as it is told."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        limit(max_failures=1)
        self.job = owed(f"{platform.url}/x", student="s")
        self.delivery = Delivery.objects.get(job=self.job)

    def states(self) -> str:
        rows = Delivery.objects.filter(job=self.job).order_by("pk")
        return ", ".join(f"{row.state} {row.result}".strip() for row in rows)

    def reach(self, state: str) -> None:
        for verb in BEFORE[state]:
            VERBS[verb](self)

    def deliver(self, status: Any = 200) -> None:
        self.platform.answer = lambda call: status
        # Twice: what was held back goes after what it waited for.
        for _ in range(2):
            later(100_000)
            deliver_due()

    def to_nowhere(self) -> None:
        self.platform.stop()
        self.deliver()

    def refused(self) -> None:
        Delivery.objects.update(destination="http://10.0.0.1/")
        self.deliver()

    def too_late(self) -> None:
        later(8 * 86_400)
        self.deliver(500)

    def delete(self) -> None:
        self.job.submission.status = "D"
        self.job.submission.save()
        assert queue.claim("q", grader="g") == []


BEFORE: dict[str, list[str]] = {
    "waiting": [],
    "due score": ["score"],
    "due failure": ["give up the job"],
    "tried failure": ["give up the job", "deliver in vain"],
    "told failure": ["give up the job", "deliver"],
    "delivered": ["score", "deliver"],
    "given up": ["score", "give up"],
    "dropped": ["supersede the job"],
}

VERBS: dict[str, Callable[[World], object]] = {
    "score": lambda world: graded(world.job),
    "give up the job": lambda world: given_up(world.job),
    "put the job back": lambda world: queue.retry(world.job.submission_id),
    "retire the job": lambda world: queue.retire(world.job.submission_id),
    "supersede the job": lambda world: queue.supersede(make(student="s")),
    "delete the submission": World.delete,
    "deliver": World.deliver,
    "deliver in vain": lambda world: world.deliver(500),
    "deliver to nowhere": World.to_nowhere,
    "deliver what is refused": World.refused,
    "deliver too late": World.too_late,
    "retry": lambda world: deliveries.retry(world.delivery.pk),
    "give up": lambda world: deliveries.give_up(world.delivery.pk),
}


@pytest.mark.parametrize(("state", "verbs", "afterwards"), ROWS, ids=lambda cell: cell.replace(" ", "_"))
def test_a_verb_in_a_state(platform: Platform, state: str, verbs: str, afterwards: str) -> None:
    world = World(platform)
    world.reach(state)
    before = world.states()
    # The verbs of a row; "put the job back, score" is two of them.
    *first, last = verbs.split(", ")
    for verb in first:
        VERBS[verb](world)
        before = world.states()
    if afterwards == REFUSED:
        with pytest.raises(QueueError):
            VERBS[last](world)
        assert world.states() == before
    else:
        VERBS[last](world)
        assert world.states() == afterwards


def test_the_table_has_every_state_that_a_test_begins_in() -> None:
    assert {state for state, _, _ in ROWS} == set(BEFORE)


# When. --------------------------------------------------------------------------------------------------------------


def due_in(job: Job) -> float:
    """Seconds from the database's now until the job's delivery is due."""
    row = Delivery.objects.get(job=job, state="due")
    assert row.due_at is not None
    assert row.ready_at is not None
    return (row.due_at - row.ready_at).total_seconds()


def test_a_score_is_due_at_once() -> None:
    job = owed("https://lms.example.org/x")
    graded(job)
    assert due_in(job) == 0


def test_an_operator_has_time_to_put_a_job_back_before_the_platform_is_told() -> None:
    limit(max_failures=1)
    job = owed("https://lms.example.org/x")
    given_up(job)
    assert due_in(job) == 900
    assert deliver_due().total() == 0


def test_a_retired_job_cannot_be_put_back_so_the_platform_is_told_at_once() -> None:
    job = owed("https://lms.example.org/x")
    queue.retire(job.submission_id)
    assert due_in(job) == 0


def test_a_job_that_is_retired_after_it_was_given_up_is_told_at_once() -> None:
    limit(max_failures=1)
    job = owed("https://lms.example.org/x")
    given_up(job)
    queue.retire(job.submission_id)
    due = Delivery.objects.filter(job=job, due_at__lte=DatabaseNow())
    assert [(row.state, row.result) for row in due] == [("due", "failure")]


def test_the_programs_of_a_webhook_can_tell_a_failure_from_a_score_so_they_are_told_at_once(settings: Any) -> None:
    settings.SUBMISSIONS_WEBHOOK_URL = "https://hooks.example.org/x"
    limit(max_failures=1)
    job = make()
    given_up(job)
    assert due_in(job) == 0


@pytest.mark.parametrize("end", ["give up", "retire", "lease"])
def test_a_queue_can_keep_failures_to_itself(end: str) -> None:
    limit(max_failures=1, notify_failures=False)
    job = owed("https://lms.example.org/x")
    if end == "retire":
        queue.retire(job.submission_id)
    else:
        given_up(job)
    row = Delivery.objects.get(job=job)
    assert (row.state, row.due_at) == ("dropped" if end == "retire" else "waiting", None)


def test_a_job_that_is_given_up_because_of_lost_leases_is_told() -> None:
    limit(max_failures=1)
    job = owed("https://lms.example.org/x")
    claim_one()
    Job.objects.update(available_at="2020-01-01T00:00:00Z")
    assert queue.claim("q", grader="g") == []
    assert Delivery.objects.get(job=job).result == "failure"


def test_the_same_result_twice_is_told_once(platform: Platform) -> None:
    job = owed(f"{platform.url}/x")
    claimed = claim_one()
    for _ in range(2):
        queue.complete(job.submission_id, str(claimed.pullkey), score=1, reply='{"score": 1}')
        deliver_due()
    assert len(platform.calls) == 1


def test_nothing_is_due_where_the_result_was_rolled_back() -> None:
    """The delivery is due in the transaction that has the score, and in no other."""
    job = owed("https://lms.example.org/x")

    with transaction.atomic():
        graded(job)
        assert Delivery.objects.get(job=job).state == "due"
        transaction.set_rollback(True)
    assert Delivery.objects.get(job=job).state == "waiting"


# Order. -------------------------------------------------------------------------------------------------------------


def test_a_later_result_waits_for_the_earlier_one(platform: Platform) -> None:
    limit(max_failures=1)
    job = owed(f"{platform.url}/x")
    given_up(job)
    later(900)
    # A worker is sending the failure just now.
    (on_its_way,) = claims.take(9, lambda _: 9)
    queue.retry(job.submission_id)
    graded(job)
    assert deliver_due().total() == 0
    later(5)
    assert deliver_due().total() == 0
    assert claims.record_delivered([on_its_way]) == [on_its_way]
    later(200)
    deliver_due()
    assert [call.reply["correct"] for call in platform.calls] == [True]
    rows = Delivery.objects.order_by("pk").values_list("state", "result")
    assert list(rows) == [("delivered", "failure"), ("delivered", "score")]


def test_a_score_does_not_wait_out_the_pause_of_the_failure_that_it_replaces(platform: Platform) -> None:
    limit(max_failures=1)
    job = owed(f"{platform.url}/x")
    given_up(job)
    later(900)
    platform.answer = lambda call: Reply(503, {"Retry-After": "86400"})
    deliver_due()
    DeliveryHost.objects.all().delete()
    platform.answer = lambda call: 200
    queue.retry(job.submission_id)
    graded(job)
    for _ in range(3):
        deliver_due()
        later(2)
    assert [call.reply["correct"] for call in platform.done] == [True]
    rows = Delivery.objects.order_by("pk").values_list("state", "result")
    assert list(rows) == [("dropped", "failure"), ("delivered", "score")]


def test_a_host_is_tried_with_the_next_one_where_the_first_need_not_be_sent(platform: Platform) -> None:
    limit(max_failures=1)
    job = owed(f"{platform.url}/x")
    given_up(job)
    later(900)
    platform.answer = lambda call: 503
    deliver_due()
    DeliveryHost.objects.update(failures=9, held_until=DatabaseNow())
    platform.answer = lambda call: 200
    queue.retry(job.submission_id)
    graded(job)
    later(10)
    assert deliver_due() == {Outcome.DROPPED: 1}
    later(2)
    assert deliver_due() == {Outcome.DELIVERED: 1}
    assert not DeliveryHost.objects.exists()


def test_other_jobs_and_other_destinations_do_not_wait(platform: Platform) -> None:
    jobs = [owed(f"{platform.url}/a", item=f"i{number}") for number in range(3)]
    for job in jobs:
        graded(job)
    deliver_due()
    assert len(platform.calls) == 3


def test_a_delivery_that_took_too_long_was_taken_over_and_is_recorded_once(platform: Platform) -> None:
    job = owed(f"{platform.url}/x")
    graded(job)
    (slow,) = claims.take(1, lambda _: 1)
    later(70)
    (second,) = claims.take(1, lambda _: 1)
    assert (slow.row.pk, slow.row.attempts, second.row.attempts) == (second.row.pk, 1, 2)
    claims.record_failure(slow, slow.now, "late")
    row = Delivery.objects.get()
    assert (row.last_error, row.attempts) == (None, 2)
    assert claims.record_delivered([slow]) == []
    assert claims.record_delivered([second]) == [second]
    assert Delivery.objects.get().state == "delivered"


def test_jobs_of_edx_submissions_beside_us_are_told_too(settings: Any) -> None:
    """What was enqueued before there were deliveries has none; the platform waits for it all the same."""
    job = make()
    settings.SUBMISSIONS_TRANSPORTS = ["event"]
    graded(job)
    row = Delivery.objects.get()
    assert (row.job_id, row.transport, row.state, row.result, row.points) == (job.pk, "event", "due", "score", 1)


def test_deliveries_are_made_with_the_job_as_site_and_queue_say(settings: Any) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["signal", "event"]
    settings.SUBMISSIONS_WEBHOOK_URL = "https://site.example.org/hook"
    make()
    GraderQueue.objects.create(name="own", webhook_url="https://own.example.org/hook")
    make("own")
    rows = Delivery.objects.order_by("pk").values_list("job__queue_name", "transport", "destination", "host", "state")
    assert list(rows) == [
        ("q", "signal", "", "signal", "waiting"),
        ("q", "event", "", "event", "waiting"),
        ("q", "webhook", "https://site.example.org/hook", "site.example.org", "waiting"),
        ("own", "signal", "", "signal", "waiting"),
        ("own", "event", "", "event", "waiting"),
        ("own", "webhook", "https://own.example.org/hook", "own.example.org", "waiting"),
    ]


def test_a_delivery_that_follows_a_failure_has_its_account(platform: Platform) -> None:
    limit(max_failures=1)
    job = make()
    deliveries.create_delivery(job, "callback", platform.url, account="lms")
    given_up(job)
    later(900)
    deliveries.deliver_due()
    queue.retry(job.submission_id)
    rows = Delivery.objects.order_by("pk").values_list("state", "result", "account")
    assert list(rows) == [("delivered", "failure", "lms"), ("waiting", "", "lms")]


def test_a_platform_that_swaps_the_package_has_the_event_without_a_setting(settings: Any) -> None:
    settings.SUBMISSIONS_TRANSPORTS = ["auto"]
    make()
    assert list(Delivery.objects.values_list("transport", flat=True)) == ["event"]
