"""The list of jobs: what matches, in which order, page by page, and how much is looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from submissions import queue
from submissions.models import ClaimEnd, Delivery, DeliveryState, ExternalGraderDetail
from submissions.statistics import causes, depths, jobs_list
from submissions.statistics.jobs_list import BadFilter, Filters, Scope, bounds
from tests.make import make, make_in
from tests.queue.jobs import claim_one, key_of, later, limit

pytestmark = pytest.mark.django_db

Job = ExternalGraderDetail


def ids(filters: Filters, scope: Scope = jobs_list.EVERYTHING, **options: Any) -> list[int]:
    return [one.submission for one in jobs_list.rows(jobs_list.page(filters, scope, **options).jobs, scope)]


def fail(queue_name: str, reason: str, **fields: Any) -> int:
    limit(queue_name, max_failures=1)
    make(queue_name, **fields)
    job = claim_one(queue_name, "ada")
    queue.fail(job.submission_id, key_of(job), reason=reason)
    return job.submission_id


def grade(queue_name: str, **fields: Any) -> int:
    make(queue_name, **fields)
    job = claim_one(queue_name, "bob")
    queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    return job.submission_id


def pseudonym(learner: str) -> str:
    return f"student-{hash(learner) & 0xFFFFFFFF:08x}"


@pytest.fixture
def kinds() -> dict[str, int]:
    """One job of each kind, the first one the oldest; the newest change is the last."""
    made = {
        "graded": grade("a", student="anna", item="i1"),
        "failed": fail("b", "Took 17 s, too long", student="anna", item="i2"),
        "ended": make("e", student="carl").submission_id,
        "lapsed": make("c", student="dora").submission_id,
    }
    queue.retire(made["ended"], "No use")
    claim_one("c", "ada")
    later(10_000)
    made["held"] = make("a", student="emil").submission_id
    claim_one("a", "bob")
    made["pending"] = make("a", student="fred").submission_id
    return made


def test_each_state_has_its_jobs(kinds: dict[str, int]) -> None:
    found = {state: ids(Filters(state=state)) for state in jobs_list.STATES}
    assert found == {
        "waiting": [kinds["pending"], kinds["lapsed"]],
        "grading": [kinds["held"]],
        "failed": [kinds["failed"]],
        "graded": [kinds["graded"]],
        "ended": [kinds["ended"]],
    }
    for state, some in found.items():
        assert {
            one.state for one in jobs_list.rows(Job.objects.filter(submission__in=some).values_list("pk", flat=True))
        } == {state}
        assert jobs_list.count(Filters(state=state)) == jobs_list.Count(len(some), is_exact=True)


def test_a_number_is_exact_beside_one_that_is_not(kinds: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depths, "MOST", 2)
    for _ in range(3):
        make_in("failed")
    assert jobs_list.count(Filters(state="failed")) == jobs_list.Count(3, is_exact=False)
    assert jobs_list.count(Filters(state="grading")) == jobs_list.Count(1, is_exact=True)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(), ["pending", "held", "lapsed", "ended", "failed", "graded"]),
        (Filters(queue="a"), ["pending", "held", "graded"]),
        (Filters(queue="nothing"), []),
        (Filters(queue="a\0"), []),
        (Filters(learner="anna"), ["failed", "graded"]),
        (Filters(learner="anna", state="failed"), ["failed"]),
        (Filters(learner="anna", queue="c"), []),
        (Filters(item="i1"), ["graded"]),
        (Filters(course="c", state="waiting"), ["pending", "lapsed"]),
        (Filters(grader="ada"), ["lapsed", "failed"]),
        (Filters(grader="bob", state="grading"), ["held"]),
        (Filters(since=timedelta(hours=1)), ["pending", "held"]),
        (Filters(until=timedelta(hours=1)), ["lapsed", "ended", "failed", "graded"]),
        (Filters(cause=causes.key_of("Took # s, too long"), state="failed"), ["failed"]),
        (Filters(cause="other", state="failed"), []),
        (Filters(reference="no such"), []),
    ],
)
def test_filters_hold_together(kinds: dict[str, int], filters: Filters, names: list[str]) -> None:
    assert ids(filters) == [kinds[name] for name in names]
    assert jobs_list.count(filters) == jobs_list.Count(len(names), is_exact=True)


def test_a_list_goes_on_page_by_page_and_meets_each_job_once(kinds: dict[str, int]) -> None:
    Job.objects.update(status_time=datetime(2026, 1, 1, tzinfo=UTC))
    for filters in (Filters(), Filters(queue="a"), Filters(course="c"), Filters(grader="bob")):
        whole = ids(filters)
        met: list[int] = []
        page = jobs_list.page(filters, size=2)
        met += page.jobs
        while page.after is not None:
            page = jobs_list.page(filters, size=2, after=jobs_list.read_key(jobs_list.write_key(page.after)))
            met += page.jobs
        assert [one.submission for one in jobs_list.rows(met)] == whole


def test_a_page_looks_at_a_bounded_part_and_says_so(kinds: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "WINDOW", 2)
    monkeypatch.setattr(bounds, "MOST_LOOKED", 2)
    page = jobs_list.page(Filters(grader="ada"))
    assert (len(page.jobs), page.looked, page.is_cut) == (0, 2, True)
    page = jobs_list.page(Filters(grader="ada"), after=page.after)
    assert [one.submission for one in jobs_list.rows(page.jobs)] == [kinds["lapsed"]]
    assert str(jobs_list.count(Filters(grader="ada"))) == "0+"


def test_many_are_counted_up_to_a_limit(kinds: dict[str, int]) -> None:
    assert str(jobs_list.count(Filters(), most=3)) == "3+"
    assert str(jobs_list.count(Filters(grader="bob"), most=1)) == "1+"


def test_who_sees_some_queues_gets_their_jobs_alone_under_pseudonyms(kinds: dict[str, int]) -> None:
    scope = Scope(["a"], pseudonym)
    assert ids(Filters(), scope) == [kinds["pending"], kinds["held"], kinds["graded"]]
    assert ids(Filters(queue="b"), scope) == []
    for filters in (Filters(learner="anna"), Filters(learner=pseudonym("anna")), Filters(item="i1")):
        assert ids(filters, scope) == [kinds["graded"]]
    assert ids(Filters(submission=kinds["failed"]), scope) == []
    assert ids(Filters(item="i2"), scope) == []
    (row,) = jobs_list.rows(jobs_list.page(Filters(learner="anna"), scope).jobs, scope)
    assert row.learner == pseudonym("anna")
    # Staff may have been told the pseudonym.
    assert ids(Filters(learner=pseudonym("anna")), Scope(None, pseudonym)) == [kinds["failed"], kinds["graded"]]


def test_jobs_whose_results_were_not_delivered() -> None:
    job, other = make("a"), make("b")
    for one, host in ((job, "x"), (job, "y"), (other, "x")):
        Delivery.objects.create(job=one, transport="callback", host=host, state=DeliveryState.GIVEN_UP)
    overdue = datetime(2026, 1, 1, tzinfo=UTC)
    Delivery.objects.create(job=other, transport="callback", host="z", state=DeliveryState.DUE, due_at=overdue)
    assert ids(Filters(delivery="given_up")) == [other.submission_id, job.submission_id]
    assert ids(Filters(delivery="given_up", host="y")) == [job.submission_id]
    assert ids(Filters(delivery="given_up", queue="b")) == [other.submission_id]
    assert ids(Filters(delivery="given_up"), Scope(["a"])) == [job.submission_id]
    assert ids(Filters(delivery="overdue")) == [other.submission_id]
    assert ids(Filters(delivery="overdue", learner="nobody")) == []
    later = datetime(2100, 1, 1, tzinfo=UTC)
    Delivery.objects.create(job=job, transport="callback", host="z", state=DeliveryState.DUE, due_at=later)
    assert ids(Filters(delivery="due", host="z")) == [job.submission_id, other.submission_id]
    first = jobs_list.page(Filters(delivery="given_up"), size=1)
    assert ids(Filters(delivery="given_up"), after=first.after) == [job.submission_id]


def test_jobs_whose_results_were_delivered_in_the_last_hour() -> None:
    job, other, earlier = make("a"), make("a"), make("a")
    for one, minutes in ((job, 50), (other, 1), (earlier, 70)):
        Delivery.objects.create(
            job=one, transport="callback", host="x", state="delivered", delivered_at=now() - timedelta(minutes=minutes)
        )
    assert ids(Filters(delivery="delivered", host="x")) == [other.submission_id, job.submission_id]
    first = jobs_list.page(Filters(delivery="delivered"), size=1)
    assert ids(Filters(delivery="delivered"), after=first.after) == [job.submission_id]
    assert ids(Filters(delivery="delivered", host="y")) == []


def test_jobs_whose_claims_failed_or_were_lost() -> None:
    job, other, gone = make("a"), make("b"), make("a")
    ends = [
        (job, "failed", "ada", 90),
        (other, "failed", "ada", 30),
        (job, "failed", "bob", 20),
        (job, "lost", "ada", 10),
        (other, "released", "ada", 5),
        (gone, "failed", "ada", 1),
    ]
    for one, outcome, grader, minutes in ends:
        ClaimEnd.objects.create(
            queue_name=one.queue_name,
            grader=grader,
            outcome=outcome,
            submission_id=one.submission_id,
            at=now() - timedelta(minutes=minutes),
        )
    gone.delete()
    assert ids(Filters(claim="failed")) == [job.submission_id, other.submission_id]
    assert ids(Filters(claim="failed", grader="ada")) == [other.submission_id, job.submission_id]
    assert ids(Filters(claim="failed", grader="ada", since=timedelta(hours=1))) == [other.submission_id]
    assert ids(Filters(claim="failed", grader="ada", until=now() - timedelta(hours=1))) == [job.submission_id]
    assert ids(Filters(claim="failed", queue="a")) == [job.submission_id]
    assert ids(Filters(claim="failed", state="graded")) == []
    assert ids(Filters(claim="failed"), Scope(["b"])) == [other.submission_id]
    assert ids(Filters(claim="failed", queue="a"), Scope(["b"])) == []
    assert ids(Filters(claim="lost", learner="nobody")) == []
    assert ids(Filters(claim="lost", submission=job.submission_id)) == [job.submission_id]
    assert ids(Filters(claim="released")) == [other.submission_id]
    assert ids(Filters(claim="late")) == []
    assert str(jobs_list.count(Filters(claim="failed"))) == "2"
    first = jobs_list.page(Filters(claim="failed"), size=1)
    assert ids(Filters(claim="failed", grader="ada"), after=first.after) == [other.submission_id, job.submission_id]
    with pytest.raises(jobs_list.BadFilter, match="A list goes by deliveries or by claims: leave one of the two out"):
        jobs_list.read({"claim": "lost", "delivery": "due"})


def test_many_claims_of_other_outcomes_are_looked_at_in_bounded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "WINDOW", 10)
    monkeypatch.setattr(bounds, "MOST_LOOKED", 20)
    job = make("a")
    at = now() - timedelta(minutes=1)
    common = {"queue_name": "a", "grader": "ada", "submission_id": job.submission_id}
    ClaimEnd.objects.create(**common, outcome="lost", at=at - timedelta(minutes=1))
    ClaimEnd.objects.bulk_create(ClaimEnd(**common, outcome="failed", at=at) for _ in range(25))
    page = jobs_list.page(Filters(claim="lost"))
    assert (page.jobs, page.looked, page.is_cut) == ([], 20, True)
    assert ids(Filters(claim="lost"), after=page.after) == [job.submission_id]


def test_texts_become_filters_and_texts_again() -> None:
    given = {"state": "failed", "queue": " q ", "since": "1h", "until": "2026-01-31", "submission": "#17", "x": "y"}
    filters = jobs_list.read(given)
    assert filters == Filters(
        state="failed",
        queue="q",
        submission=17,
        since=timedelta(hours=1),
        until=datetime(2026, 1, 31, tzinfo=UTC),
    )
    assert jobs_list.read(jobs_list.written(filters)) == filters
    assert jobs_list.read({"cause": "abc"}) == Filters(state="failed", cause="abc")
    assert jobs_list.read({}).is_empty


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("state", "gone"), ("delivery", "x"), ("submission", "x"), ("submission", "9" * 30), ("learner", "x" * 256)),
        *(("learner", "a\0b"), ("learner", "\ud800"), ("since", "yesterday"), ("until", "0000-00-00")),
        *(("since", "2026-13-45"), ("since", "9999-12-31T23:59:59-23:00"), ("since", "x" * 5000)),
    ],
)
def test_a_filter_that_means_nothing_is_named(name: str, text: str) -> None:
    with pytest.raises(BadFilter) as refused:
        jobs_list.read({name: text})
    assert refused.value.field == name


@pytest.mark.parametrize("text", ["x", "-", "-x", "20260101T000000.000000-", "2026-1", "-1", "-99999999999999"])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadFilter):
        jobs_list.page(Filters(learner="x"), after=jobs_list.read_key(text))


def test_a_page_costs_the_same_however_many_jobs_there_are() -> None:
    def statements(filters: Filters) -> int:
        with CaptureQueriesContext(connection) as asked:
            jobs_list.rows(jobs_list.page(filters).jobs)
            jobs_list.count(filters)
        return len(asked)

    some = (Filters(), Filters(state="waiting"), Filters(queue="a"), Filters(learner="anna"), Filters(grader="ada"))
    for number in range(20):
        make("a", student="anna", item=str(number))
    few = [statements(filters) for filters in some]
    for number in range(20, 70):
        make("a", student="anna", item=str(number))
    # A range is read in parts, each twice as large as the one before.
    assert [more - less for more, less in zip(map(statements, some), few, strict=True)] == [0, 0, 1, 0, 0]


def test_an_observer_is_not_told_how_many_claims_of_others_were_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "WINDOW", 10)
    monkeypatch.setattr(bounds, "MOST_LOOKED", 20)
    own, other, hidden = make("a"), make("b"), make("hidden")
    common = {"grader": "ada", "outcome": "failed"}
    at = now() - timedelta(minutes=1)
    for job, minutes in ((own, 3), (other, 2)):
        moment = at - timedelta(minutes=minutes)
        ClaimEnd.objects.create(**common, queue_name=job.queue_name, submission_id=job.submission_id, at=moment)
    foreign = ClaimEnd(**common, queue_name="hidden", submission_id=hidden.submission_id, at=at)
    ClaimEnd.objects.bulk_create(
        ClaimEnd(**common, queue_name="hidden", submission_id=foreign.submission_id, at=at) for _ in range(25)
    )
    page = jobs_list.page(Filters(claim="failed"), Scope(["a", "b"], pseudonym))
    assert (page.looked, page.is_cut, page.after) == (2, False, None)
    assert ids(Filters(claim="failed"), Scope(["a", "b"], pseudonym)) == [other.submission_id, own.submission_id]
    assert ids(Filters(claim="failed"), Scope([], pseudonym)) == []
