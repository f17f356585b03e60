"""What an operator does on the dashboard."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.db import OperationalError
from django.test import Client

from gradequeue.dashboard.reads import failures
from gradequeue.dashboard.views import verbs
from submissions import queue
from submissions.models import Delivery, DeliveryState, ExternalGraderDetail, GraderQueue, Told
from tests.dashboard.conftest import page_of
from tests.dashboard.test_pages import failed, graded, text
from tests.queue.jobs import claim_one, make

pytestmark = pytest.mark.django_db


def state(submission_id: int) -> str:
    return str(ExternalGraderDetail.objects.get(submission_id=submission_id).status)


def logged() -> list[str]:
    return [f"{entry.user}: {entry.object_repr}: {entry.change_message}" for entry in LogEntry.objects.order_by("pk")]


def key_of_cause(words: str) -> str:
    (key,) = (cause.key for cause in failures.failures("q").causes if cause.words == words)
    return key


def test_a_failed_job_is_put_back(staff: Client) -> None:
    job = failed("x")
    answer = staff.post(f"/dashboard/submissions/{job}/retry/", follow=True)
    assert f"Submission {job} will be graded again." in text(answer)
    assert state(job) == "pending"
    assert logged() == [f"staff: Job {job} in q: failed: Retried."]


def test_a_lease_is_taken_away(staff: Client) -> None:
    make("q")
    job = claim_one("q", "ada")
    answer = staff.post(f"/dashboard/submissions/{job.submission_id}/release/", follow=True)
    assert "released for other graders." in text(answer)
    assert state(job.submission_id) == "retry"


def test_a_job_is_ended_with_a_reason(staff: Client) -> None:
    job = make("q")
    staff.post(f"/dashboard/submissions/{job.submission_id}/retire/", {"reason": " asked \n to withdraw "})
    job.refresh_from_db()
    assert (job.status, job.last_error) == ("retired", "asked to withdraw")
    other = make("q")
    staff.post(f"/dashboard/submissions/{other.submission_id}/retire/")
    other.refresh_from_db()
    assert (other.status, other.last_error) == ("retired", "Ended by an operator.")


def test_what_is_not_legal_any_more_is_told_and_changes_nothing(staff: Client) -> None:
    job = failed("x")
    queue.retry(job)
    answer = staff.post(f"/dashboard/submissions/{job}/retry/", follow=True)
    assert f"Submission {job} is pending; only failed can be retried." in text(answer)
    assert logged() == []


def test_an_unknown_verb_or_job(staff: Client) -> None:
    job = make("q")
    assert staff.post(f"/dashboard/submissions/{job.submission_id}/explode/").status_code == 404
    assert staff.post("/dashboard/submissions/99999/retry/").status_code == 404
    assert staff.post(f"{page_of('q')}explode/").status_code == 404


def test_the_jobs_of_one_cause_are_put_back_and_no_others(staff: Client) -> None:
    full = [failed(f"box {number}: full") for number in (1, 2, 3)]
    other = failed("no score")
    answer = staff.post(f"{page_of('q')}retry/", {"cause": key_of_cause("box #: full")}, follow=True)
    assert "3 jobs will be graded again." in text(answer)
    assert [state(job) for job in full] == ["pending"] * 3
    assert state(other) == "failed"
    assert logged() == [f"staff: q: Retried 3 failed jobs: {full[::-1]}"]


def test_all_that_failed_are_put_back(staff: Client) -> None:
    jobs = [failed("a"), failed("b")]
    staff.post(f"{page_of('q')}retry/")
    assert [state(job) for job in jobs] == ["pending"] * 2


def test_a_cause_that_is_gone(staff: Client) -> None:
    job = failed("a")
    answer = staff.post(f"{page_of('q')}retry/", {"cause": "0123456789abcdef"}, follow=True)
    assert "Nothing to retry: these jobs are no longer failed." in text(answer)
    assert state(job) == "failed"
    assert '<li class="warning">' in answer.content.decode()


def test_what_takes_too_long_is_left_for_the_next_press(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        failed(f"{number}")
    monkeypatch.setattr(verbs, "PATIENCE", -1)
    assert "3 jobs are left: press again." in text(staff.post(f"{page_of('q')}retry/", follow=True))


def test_what_a_busy_database_did_not_take_is_left_and_the_rest_is_logged(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, busy, last = failed("full"), failed("full"), failed("full")
    retry = queue.retry

    def at_times_too_busy(submission_id: int) -> ExternalGraderDetail:
        if submission_id == busy:
            raise OperationalError("database is locked")
        return retry(submission_id)

    monkeypatch.setattr(queue, "retry", at_times_too_busy)
    answer = staff.post(f"{page_of('q')}retry/", follow=True)
    assert "2 jobs will be graded again. 1 job is left: press again." in text(answer)
    assert [state(job) for job in (first, busy, last)] == ["pending", "failed", "pending"]
    assert logged() == [f"staff: q: Retried 2 failed jobs: [{last}, {first}]"]


def test_only_the_newest_are_looked_at(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        failed(f"{number}")
    monkeypatch.setattr(failures, "MOST", 2)
    assert "The latest 2 of 3." in text(staff.get(page_of("q")))
    assert "2 jobs will be graded again. More failed jobs remain." in text(
        staff.post(f"{page_of('q')}retry/", follow=True)
    )


def test_a_queue_is_paused_and_resumed(staff: Client) -> None:
    make("q")
    answer = staff.post(f"{page_of('q')}pause/", headers={"Referer": f"http://testserver{page_of('q')}?window=week"})
    assert answer["Location"] == f"{page_of('q')}?window=week"
    assert GraderQueue.objects.get(name="q").paused
    assert queue.claim("q", grader="ada") == []
    staff.post(f"{page_of('q')}resume/")
    assert len(queue.claim("q", grader="ada")) == 1
    assert logged() == ["staff: q: Paused.", "staff: q: Resumed."]


def test_a_foreign_referer_leads_nowhere_else(staff: Client) -> None:
    make("q")
    page = page_of("q")
    for referer in ("https://evil.example/x?y", f"http://testserver//evil.example{page}?y", f"http://[{page}", "x"):
        assert staff.post(f"{page}pause/", headers={"Referer": referer})["Location"] == page


def lost(host: str) -> Delivery:
    return Delivery.objects.create(
        job=graded(), transport="callback", destination=f"https://{host}/", host=host, result=Told.SCORE,
        state=DeliveryState.GIVEN_UP, last_error="TLS",
    )  # fmt: skip


def test_what_one_host_did_not_take_is_sent_again(staff: Client) -> None:
    here, there = lost("a.example.org"), lost("b.example.org")
    answer = staff.post(f"{page_of('q')}resend/", {"host": "a.example.org"}, follow=True)
    assert "1 delivery will be sent again." in text(answer)
    here.refresh_from_db()
    there.refresh_from_db()
    assert (here.state, there.state) == ("due", "given_up")


def test_the_result_of_one_submission_is_sent_again(staff: Client) -> None:
    one = lost("a.example.org")
    page = f"/dashboard/submissions/{one.job.submission_id}/"
    assert "Send again" in text(staff.get(page))
    staff.post(f"{page}resend/")
    one.refresh_from_db()
    assert one.state == "due"
    assert "Send again" not in text(staff.get(page))


@pytest.mark.parametrize(
    ("error", "grader", "cause"),
    [
        ("ada took the job and let the lease run out.", "ada", "A grader took the job and let the lease run out."),
        ("timeout after 3.5 s at line 17", "", "timeout after # s at line #"),
        ("job 0f8fad5b-d9cb-469f-a165-70867728950e of 0xdeadbeef1", "", "job … of …"),
        ("a\n\n  b", "", "a b"),
        ("", "ada", "No reason was given"),
        ("ungültig: \u202e", "", "ungültig: \u202e"),
    ],
)
def test_causes(error: str, grader: str, cause: str) -> None:
    assert failures.cause_of(error, grader) == cause
