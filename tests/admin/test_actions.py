"""The queue's verbs as actions: what is done, what is skipped, what is refused, and what the log keeps."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from submissions import operators, queue
from submissions.activity import Act, Touched
from submissions.admin import work as many
from submissions.admin.actions import Working
from submissions.errors import NotAllowed
from submissions.models import ExternalGraderDetail as Job
from submissions.models import MovedJob
from tests.activity import TESTER, recorded
from tests.admin.conftest import LIST, Login, page_of, text, told
from tests.make import make
from tests.queue.jobs import claim_one, key_of, limit

pytestmark = pytest.mark.django_db

VIEW = "view_externalgraderdetail"


def failed(count: int, queue_name: str = "q") -> list[Job]:
    limit(queue_name, max_failures=1)
    jobs = [make(queue_name, student=f"{queue_name}-{i}") for i in range(count)]
    for job in queue.claim(queue_name, grader="grader", limit=count):
        queue.fail(job.submission_id, key_of(job), reason="It broke.")
    return jobs


def act(client: Client, action: str, jobs: list[Job], query: str = "", **data: Any) -> Any:
    """As the list's form sends it."""
    posted = {"action": action, "index": "0", "select_across": "0", "_selected_action": [job.pk for job in jobs]}
    return client.post(LIST + query, {**posted, **data}, follow=True)


def states() -> list[str]:
    return list(Job.objects.order_by("pk").values_list("status", flat=True))


def test_failed_jobs_are_reset_and_others_are_skipped_and_counted(root: Client) -> None:
    jobs = [*failed(2), make("q")]
    response = act(root, "retry_failed", jobs)
    assert states() == ["pending", "pending", "pending"]
    assert told(response) == ["2 jobs will be graded again.", "1 job skipped: not failed."]
    assert list(Job.objects.values_list("num_failures", flat=True)) == [0, 0, 0]


@pytest.mark.parametrize("text", ["abc", "", "1" * 23, "2147483648", "-1", "\u0663", "1\0"])
def test_what_is_no_row_is_a_bad_request(root: Client, text: str) -> None:
    failed(1)
    answer = root.post(LIST, {"action": "retry_failed", "index": "0", "select_across": "0", "_selected_action": text})
    assert answer.status_code == 400
    assert states() == ["failed"]


def test_a_pulled_job_is_never_reset(root: Client) -> None:
    job = make("q")
    claim_one("q")
    response = act(root, "retry_failed", [job])
    assert (states(), told(response)) == (["pulled"], ["1 job skipped: not failed."])


def test_each_job_has_its_line_in_the_log(root: Client) -> None:
    jobs = failed(2)
    act(root, "retry_failed", jobs)
    assert recorded() == ["root: retry 2 in q"]
    assert set(MovedJob.objects.values_list("submission_id", flat=True)) == {job.submission_id for job in jobs}
    history = text(root.get(f"{LIST}{jobs[0].pk}/history/"))
    assert "root Admin retried 2 jobs" in history


def test_a_stuck_lease_is_released(root: Client) -> None:
    job = make("q")
    claim_one("q")
    response = act(root, "release_leases", [job])
    assert (states(), told(response)) == (["retry"], ["1 job released for other graders."])
    assert claim_one("q").submission_id == job.submission_id


def test_retiring_asks_for_a_reason_first_and_keeps_it(root: Client) -> None:
    jobs = [make("q"), make("q")]
    asked = act(root, "retire_jobs", jobs)
    assert "End 2 jobs without a score? Finished jobs are skipped." in text(asked)
    assert "This cannot be undone." in text(asked)
    everything = act(root, "retire_jobs", jobs[:1], select_across="1")
    assert "End all jobs of this list without a score?" in text(everything)
    assert states() == ["pending", "pending"]
    response = act(root, "retire_jobs", jobs, reason="The course is over.")
    assert told(response) == ["2 jobs ended without score."]
    assert set(Job.objects.values_list("status", "last_error")) == {("retired", "The course is over.")}
    assert recorded() == ["root: retire 2 in q: The course is over."]


def test_a_reason_that_no_database_keeps_is_refused(root: Client) -> None:
    job = make("q")
    response = act(root, "retire_jobs", [job], reason="x\0y")
    assert "This reason cannot be stored." in text(response)
    assert states() == ["pending"]


def test_what_was_refused_is_told_by_its_id(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else was faster: the job was failed when it was looked for, and is not when its turn comes."""
    first, second = failed(2)
    looked = many.Doer._batches

    def then_retried(self: Any, selection: Any, work: Any) -> Any:
        for batch in looked(self, selection, work):
            Job.objects.filter(pk=first.pk).update(status="pending")
            yield batch

    monkeypatch.setattr(many.Doer, "_batches", then_retried)
    response = act(root, "retry_failed", [first, second])
    number = first.submission_id
    assert told(response) == [
        "1 job will be graded again.",
        f"1 job refused. {number}: Submission {number} is pending; only failed can be retried.",
    ]
    assert list(MovedJob.objects.values_list("submission_id", flat=True)) == [second.submission_id]


def test_refusals_beyond_twenty_are_only_counted() -> None:
    work = many.Work()
    for number in range(25):
        work.refuse(f"{number}: no")
    assert (work.refused, len(work.errors)) == (25, 20)


# All pages. -----------------------------------------------------------------------------------------------------------


def test_all_pages_in_batches_and_only_what_the_filter_shows(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "BATCH", 7)
    mine, others = failed(60), failed(2, "other")
    response = act(root, "retry_failed", mine[:1], "?queue_name=q&status__exact=failed", select_across="1")
    assert told(response) == ["60 jobs will be graded again."]
    assert {job.status for job in Job.objects.filter(pk__in=[job.pk for job in others])} == {"failed"}
    assert (recorded(), MovedJob.objects.count()) == (["root: retry 60 in q"], 60)


def test_more_than_one_request_may_take_goes_on_in_the_next(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "BATCH", 2)
    monkeypatch.setattr(Working, "seconds_per_request", 0)
    jobs = [*failed(5), make("q")]
    response = act(root, "retry_failed", jobs[:1], select_across="1")
    seen = 0
    while "there are more" in text(response):
        seen += 1
        assert states().count("failed") == 5 - 2 * seen
        fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', response.content.decode())
        data: dict[str, list[str]] = {}
        for name, value in fields:
            data.setdefault(name, []).append(value)
        response = root.post(LIST, data, follow=True)
    assert seen == 2
    assert told(response) == ["5 jobs will be graded again.", "1 job skipped: not failed."]
    # One line, however many requests it took.
    assert recorded() == ["root: retry 5 in q"]


def test_where_a_platform_groups_numbers_it_goes_on_all_the_same(
    root: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    monkeypatch.setattr(many, "BATCH", 1)
    monkeypatch.setattr(Working, "seconds_per_request", 0)
    response = act(root, "retry_failed", failed(3), done="12345")
    assert '<input type="hidden" name="done" value="12346">' in response.content.decode()


def test_nothing_to_be_done(root: Client) -> None:
    job = make("q")
    response = act(root, "retry_failed", [job], "?status__exact=failed", select_across="1")
    assert told(response) == ["Nothing to retry: these jobs are no longer failed."]


def test_one_failure_of_the_database_costs_one_batch_nothing(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadlock rolls the batch back; its jobs are then done one by one, and logged once."""
    from django.db import OperationalError

    jobs = failed(3)
    note, calls = Act.note, []

    def deadlock_once(self: Any, touched: Any) -> None:
        calls.append(len(touched))
        if len(calls) == 1:
            raise OperationalError(1213, "Deadlock found when trying to get lock")
        note(self, touched)

    monkeypatch.setattr(Act, "note", deadlock_once)
    response = act(root, "retry_failed", jobs)
    assert (told(response), calls) == (["3 jobs will be graded again."], [3, 1, 1, 1])
    assert (states(), recorded()) == (["pending"] * 3, ["root: retry 3 in q"])


# The page of one job. -------------------------------------------------------------------------------------------------


def buttons_of(client: Client, job: Job) -> list[str]:
    return re.findall(r'<button type="submit">([^<]+)</button></form></li>', client.get(page_of(job)).content.decode())


def test_a_button_does_it_and_stays_on_the_page(root: Client) -> None:
    (job,) = failed(1)
    assert buttons_of(root, job) == ["Retry", "End without score…"]
    response = act(root, "retry_failed", [job], page=str(job.pk))
    assert response.redirect_chain == [(page_of(job), 302)]
    assert "1 job will be graded again." in text(response)
    assert buttons_of(root, job) == ["End without score…"]


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        ("pending", ["End without score…"]),
        ("pulled", ["Release", "End without score…"]),
        ("failed", ["Retry", "End without score…"]),
        ("retired", []),
    ],
)
def test_the_buttons_are_the_verbs_that_are_legal_now(root: Client, state: str, buttons: list[str]) -> None:
    job = failed(1)[0] if state == "failed" else make("q")
    if state == "pulled":
        claim_one("q")
    if state == "retired":
        queue.retire(job.submission_id)
    assert buttons_of(root, job) == buttons


# Rights. --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permission", "action"),
    [("can_retry", "retry_failed"), ("can_release", "release_leases"), ("can_retire", "retire_jobs")],
)
def test_each_action_has_a_permission_of_its_own(login: Login, permission: str, action: str) -> None:
    allowed = {"can_retry", "can_release", "can_retire"}
    (job,) = failed(1)
    client = login(VIEW, *(allowed - {permission}))
    shown = client.get(LIST)
    offered = {name for name, _ in shown.context["action_form"].fields["action"].choices if name}
    assert offered == {"retry_failed", "release_leases", "retire_jobs"} - {action}
    act(client, action, [job], reason="x")
    assert states() == ["failed"]
    act(login(VIEW, permission, name="other"), "retry_failed", [job])
    assert states() == (["pending"] if permission == "can_retry" else ["failed"])


def test_an_action_without_the_view_permission_is_forbidden(login: Login) -> None:
    (job,) = failed(1)
    assert act(login("can_retry"), "retry_failed", [job]).status_code == 403
    assert states() == ["failed"]


def test_a_verb_of_the_admin_is_the_queues_own() -> None:
    job = make("q")
    with pytest.raises(NotAllowed):
        operators.RETRY.run(job.submission_id, operators.RETRY.by(TESTER))


def test_the_history_names_a_move_once_that_sent_several_deliveries(root: Client) -> None:
    job = make("q")
    operators.SEND_AGAIN.by(TESTER).note(Touched("q", job.submission_id, number) for number in (1, 2))
    assert text(root.get(f"{LIST}{job.pk}/history/")).count("sent 2 deliveries again") == 1
