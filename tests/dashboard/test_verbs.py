"""What an operator does on the dashboard."""

from __future__ import annotations

import re

import pytest
from django.db import OperationalError
from django.test import Client

from gradequeue.dashboard.reads import failures
from gradequeue.dashboard.views import bulk
from submissions import queue
from submissions.models import Delivery, DeliveryState, ExternalGraderDetail, GraderQueue, MovedJob, Told
from submissions.statistics.causes import cause_of
from submissions.statistics.jobs_list import bounds
from tests.activity import recorded
from tests.dashboard.conftest import page_of
from tests.dashboard.test_pages import failed, graded, text
from tests.make import make
from tests.queue.jobs import claim_one, later

pytestmark = pytest.mark.django_db


def state(submission_id: int) -> str:
    return str(ExternalGraderDetail.objects.get(submission_id=submission_id).status)


def key_of_cause(words: str) -> str:
    (key,) = (cause.key for cause in failures.failures("q").causes if cause.words == words)
    return key


def test_a_failed_job_is_put_back(staff: Client) -> None:
    job = failed("x")
    answer = staff.post(f"/dashboard/submissions/{job}/retry/", follow=True)
    assert f"Submission {job} will be graded again." in text(answer)
    assert state(job) == "pending"
    assert recorded() == ["staff: retry 1 in q"]


def test_a_lease_is_taken_away(staff: Client) -> None:
    make("q")
    job = claim_one("q", "ada")
    answer = staff.post(f"/dashboard/submissions/{job.submission_id}/release/", follow=True)
    assert "released for other graders." in text(answer)
    assert state(job.submission_id) == "retry"


def test_a_lease_is_not_taken_from_a_grader_that_the_button_does_not_name(staff: Client) -> None:
    make("q")
    job = claim_one("q", "ada").submission_id
    shown = staff.get(f"/dashboard/submissions/{job}/").content.decode()
    assert '<input type="hidden" name="grader" value="ada">' in shown
    later(400)
    claim_one("q", "bob")
    answer = staff.post(f"/dashboard/submissions/{job}/release/", {"grader": "ada"}, follow=True)
    assert f"Submission {job} is held by bob now; look again before you release it." in text(answer)
    assert (state(job), recorded()) == ("pulled", [])
    staff.post(f"/dashboard/submissions/{job}/release/", {"grader": "bob"})
    assert (state(job), recorded()) == ("retry", ["staff: release 1 in q"])


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
    assert recorded() == []


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
    assert recorded() == ["staff: retry 3 in q"]
    assert list(MovedJob.objects.order_by("pk").values_list("submission_id", flat=True)) == full


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


def test_what_takes_long_goes_on_by_itself_and_ends_where_it_began(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [failed(f"box {number} is full") for number in range(3)]
    other = failed("no score")
    monkeypatch.setattr(bulk, "PATIENCE", -1)
    monkeypatch.setattr(bulk, "BATCH", 2)
    monkeypatch.setattr(bounds, "WINDOW", 2)
    answer = staff.post(f"{page_of('q')}retry/", {"cause": key_of_cause("box # is full")})
    seen = []
    while answer.status_code == 200:
        seen.append(re.findall(r"\d+ jobs? retried of \d+", text(answer))[0])
        form = answer.content.decode().partition("data-go-on")[2]
        again = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))
        answer = staff.post("/dashboard/jobs/move/", again)
    assert answer["Location"] == page_of("q")
    assert seen == ["1 job retried of 3", "3 jobs retried of 3"]
    assert "3 jobs will be graded again." in text(staff.get(page_of("q")))
    assert [state(job) for job in [*jobs, other]] == ["pending", "pending", "pending", "failed"]


def test_it_ends_with_the_filters_of_the_page(staff: Client) -> None:
    failed("full")
    page = page_of("q")
    answer = staff.post(f"{page}retry/", headers={"Referer": f"http://testserver{page}?window=week"})
    assert answer["Location"] == f"{page}?window=week"


def test_what_a_busy_database_did_not_take_is_told_and_the_rest_is_logged(
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
    assert "2 jobs will be graded again." in text(answer)
    assert f"1 job was skipped: its state has changed meanwhile. {busy}: database is locked" in text(answer)
    assert [state(job) for job in (first, busy, last)] == ["pending", "failed", "pending"]
    assert recorded() == ["staff: retry 2 in q"]


def test_all_are_retried_also_where_the_page_looks_at_the_newest(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("a", "b", "c"):
        failed(number)
    monkeypatch.setattr(failures, "MOST", 2)
    page = text(staff.get(page_of("q")))
    assert "The latest 2 of 3." in page
    assert "Retry all 3 jobs" in page
    assert "3 jobs will be graded again." in text(staff.post(f"{page_of('q')}retry/", follow=True))


def test_a_cause_of_which_more_are_retried_than_were_counted_says_so(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        failed("full")
    monkeypatch.setattr(failures, "MOST", 2)
    page = text(staff.get(page_of("q")))
    assert "2+ full" in page
    assert "Retry 2+ jobs" in page
    assert "3 jobs will be graded again." in text(
        staff.post(f"{page_of('q')}retry/", {"cause": key_of_cause("full")}, follow=True)
    )


def test_a_queue_is_paused_and_resumed(staff: Client) -> None:
    make("q")
    answer = staff.post(f"{page_of('q')}pause/", headers={"Referer": f"http://testserver{page_of('q')}?window=week"})
    assert answer["Location"] == f"{page_of('q')}?window=week"
    assert GraderQueue.objects.get(name="q").paused
    assert queue.claim("q", grader="ada") == []
    staff.post(f"{page_of('q')}resume/")
    assert len(queue.claim("q", grader="ada")) == 1
    assert recorded() == ["staff: pause in q", "staff: resume in q"]


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
    assert cause_of(error, grader) == cause
