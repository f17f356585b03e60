"""The search field, the list of jobs, the same as a file, and what is done to many of them."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.utils import translation
from django.utils.timezone import now

from gradequeue.dashboard.views import bulk
from submissions import queue
from submissions.models import (
    ClaimEnd,
    Delivery,
    DeliveryState,
    ExternalGraderDetail,
    GraderQueue,
    MovedJob,
    OperatorMove,
    Status,
    Told,
)
from submissions.statistics import jobs_list
from submissions.statistics.jobs_list import bounds
from tests.dashboard.conftest import account, browser_of, page_of
from tests.dashboard.test_pages import failed, graded, text
from tests.make import make
from tests.queue.jobs import claim_one

pytestmark = pytest.mark.django_db

JOBS = "/dashboard/jobs/"


def listed(client: Client, address: str = JOBS) -> list[int]:
    """The submissions of the list's page, in order."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.content
    return [
        int(found)
        for found in re.findall(
            r'<th role="rowheader" scope="row"><a href="/dashboard/submissions/(\d+)/', answer.content.decode()
        )
    ]


def found(client: Client, words: str) -> str:
    """Where the search leads to."""
    answer = client.get("/dashboard/find/", {"q": words})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def shown_main(client: Client, words: str) -> str:
    """What a search that finds nothing shows."""
    answer = client.get("/dashboard/find/", {"q": words})
    assert answer.status_code == 404
    page = answer.content.decode().partition("<main")[2].partition("</main>")[0]
    return page.replace(f">{words}<", ">these words<")


def statuses() -> dict[int, str]:
    return dict(ExternalGraderDetail.objects.values_list("submission_id", "status"))


def press(client: Client, name: str, **given: Any) -> Any:
    return client.post("/dashboard/jobs/move/", {"move": name, **given}, follow=True)


def undelivered(job: ExternalGraderDetail) -> int:
    row = Delivery.objects.create(
        job=job, transport="callback", host="lms", state=DeliveryState.GIVEN_UP, result=Told.SCORE
    )
    return int(row.pk)


# Finding. -------------------------------------------------------------------------------------------------------------


def test_the_search_leads_to_the_page_of_what_is_meant(staff: Client) -> None:
    job = make("q", student="s17", item="stack")
    claim_one("q", "gpu-02")
    assert found(staff, f"#{job.submission_id}") == f"/dashboard/submissions/{job.submission_id}/"
    assert found(staff, "Q") == page_of("q")
    assert urlsplit(found(staff, "s17")).path == JOBS
    assert parse_qs(urlsplit(found(staff, "S17 stack")).query) == {
        "learner": ["s17"],
        "item": ["stack"],
        "q": ["S17 stack"],
    }
    assert listed(staff, found(staff, "s17 q")) == [job.submission_id]
    assert parse_qs(urlsplit(found(staff, "gpu-02")).query)["grader"] == ["gpu-02"]
    grader = account("gpu-02")
    GraderQueue.objects.get(name="q").graders.add(grader)
    assert found(staff, "gpu-02") == f"/dashboard/graders/{grader.pk}/"


def test_not_found_says_what_was_tried_and_what_helps(staff: Client) -> None:
    make("q", student="s17")
    answer = staff.get("/dashboard/find/", {"q": "s17 nonsense"})
    assert answer.status_code == 404
    said = " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())
    assert "Nothing is called nonsense . Tried: submission id or uuid, queue, grader, learner" in said
    assert "Understood: s17 as learner." in said
    assert "Look at all jobs" in said
    assert "The key / leads to the field" in text(staff.get("/dashboard/find/"))


def test_several_that_may_be_meant_are_offered(staff: Client) -> None:
    for name in ("cs201-java", "cs201-python"):
        make(name)
    said = staff.get("/dashboard/find/", {"q": "cs201"})
    assert said.status_code == 200
    assert '<a href="/dashboard/jobs/?queue=cs201-java"><bdi>cs201-java</bdi></a>' in said.content.decode()


def test_an_observer_finds_learners_of_the_own_queues_under_pseudonyms(observer: Client) -> None:
    job = make("q", student="anna")
    hidden = make("hidden", student="bert")
    address = found(observer, "anna")
    assert listed(observer, address) == [job.submission_id]
    page = text(observer.get(f"{JOBS}?queue=q"))
    (shown,) = set(re.findall(r"student-[0-9a-f]{8}", page))
    assert "anna" not in page
    assert listed(observer, found(observer, shown)) == [job.submission_id]
    assert listed(observer) == [job.submission_id]
    unknown = shown_main(observer, "carl")
    for words in ("bert", "hidden", str(hidden.submission_id), str(hidden.submission.uuid)):
        assert shown_main(observer, words) == unknown
        assert listed(observer, f"{JOBS}?learner={words}") == []
    for address in (f"{JOBS}?queue=hidden", f"{JOBS}?submission={hidden.submission_id}"):
        assert listed(observer, address) == []


def test_staff_find_the_learner_whom_a_course_team_knows_by_a_pseudonym(staff: Client, observer: Client) -> None:
    job = make("q", student="anna")
    (shown,) = set(re.findall(r"student-[0-9a-f]{8}", observer.get(JOBS).content.decode()))
    assert listed(staff, found(staff, shown)) == [job.submission_id]


# The list. ------------------------------------------------------------------------------------------------------------


def test_the_list_shows_ids_whole_and_filters_that_can_be_removed(staff: Client) -> None:
    item = f"block-v1:edX+CS201+2027+type@problem+block@{'x' * 120}"
    job = make("q", student="s" * 255, item=item)
    failed("Segmentation fault", "other")
    body = staff.get(f"{JOBS}?queue=q&state=waiting").content.decode()
    assert item in body
    assert "s" * 255 in body
    assert '<a href="/dashboard/jobs/?state=waiting" aria-label="Remove the filter Queue: q">' in body
    assert listed(staff, f"{JOBS}?queue=q&state=waiting") == [job.submission_id]
    assert "Segmentation fault" in text(staff.get(f"{JOBS}?state=failed"))
    assert "No job matches these filters" in text(staff.get(f"{JOBS}?state=failed&queue=q"))


@pytest.mark.parametrize(
    "query", ["state=x", "since=x", "after=x", "learner=%00", "submission=x", "learner=a&after=-1"]
)
def test_a_filter_that_means_nothing_is_told(staff: Client, query: str) -> None:
    answer = staff.get(f"{JOBS}?{query}")
    assert answer.status_code == 400
    assert b'role="alert"' in answer.content
    assert staff.get(f"/dashboard/jobs/export.csv?{query}").status_code == 404


def test_a_long_list_goes_on(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [make("q").submission_id for _ in range(51)]
    first = staff.get(f"{JOBS}?queue=q").content.decode()
    assert "51 job" in first
    (older,) = re.findall(r'href="([^"]+)">Older changes', first)
    assert listed(staff, older.replace("&amp;", "&")) == [jobs[0]]
    monkeypatch.setattr(bounds, "WINDOW", 10)
    monkeypatch.setattr(bounds, "MOST_LOOKED", 10)
    assert "Looked at 10 jobs, up to here. Look further" in text(staff.get(f"{JOBS}?grader=nobody"))


def test_every_number_leads_to_its_list(staff: Client) -> None:
    waiting, lost = make("q").submission_id, failed("Took 17 s", "r")
    done = graded(queue_name="s").submission_id
    undelivered(ExternalGraderDetail.objects.get(submission=done))
    lists = {
        found.replace("&amp;", "&")
        for page in ("/dashboard/", page_of("q"), page_of("r"), page_of("s"))
        for found in re.findall(r'href="(/dashboard/jobs/\?[^"]+)"', staff.get(page).content.decode())
    }
    shown = {urlsplit(one).query: listed(staff, one) for one in lists}
    assert shown["state=waiting"] == shown["state=waiting&queue=q"] == [waiting]
    assert shown["state=failed"] == shown["state=failed&queue=r"] == [lost]
    assert (
        shown["state=graded&since=1h"]
        == shown["delivery=given_up"]
        == shown["delivery=given_up&host=lms&queue=s"]
        == [done]
    )
    assert [jobs for query, jobs in shown.items() if "cause=" in query] == [[lost]]
    assert shown["state=grading"] == []
    assert shown["state=failed&queue=q"] == []
    # The small plots, and the grader's row on the queue's page.
    assert shown["state=graded&since=1d&queue=s"] == [done]
    assert shown["state=graded&since=1h&grader=grader&queue=s"] == [done]


def test_the_numbers_of_a_host_lead_to_their_lists(staff: Client) -> None:
    lost = graded().submission_id
    undelivered(ExternalGraderDetail.objects.get(submission=lost))
    page = staff.get("/dashboard/deliveries/").content.decode()
    lists = [one.replace("&amp;", "&") for one in re.findall(r'href="(/dashboard/jobs/\?[^"]+)"', page)]
    assert lists == [
        "/dashboard/jobs/?delivery=delivered&host=lms",
        "/dashboard/jobs/?delivery=due&host=lms",
        "/dashboard/jobs/?delivery=overdue&host=lms",
        "/dashboard/jobs/?delivery=given_up&host=lms",
    ]
    assert [listed(staff, one) for one in lists] == [[], [], [], [lost]]


# As a file. -----------------------------------------------------------------------------------------------------------


def body(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def test_a_list_as_a_file(staff: Client) -> None:
    job = make("q", student="=cmd|' /C calc'!A0", item="+1")
    graded(queue_name="other")
    answer = staff.get("/dashboard/jobs/export.csv?queue=q")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="jobs.csv"'
    (row,) = csv.DictReader(io.StringIO(body(answer)))
    assert (row["submission"], row["state"], row["learner"]) == (
        str(job.submission_id),
        "waiting",
        "'=cmd|' /C calc'!A0",
    )
    assert row["item"] == "'+1"
    rows = json.loads(body(staff.get("/dashboard/jobs/export.json")))
    assert [one["state"] for one in rows] == ["graded", "waiting"]
    assert (rows[0]["points"], rows[1]["points"], rows[1]["learner"]) == (1, None, "=cmd|' /C calc'!A0")
    assert json.loads(body(staff.get("/dashboard/jobs/export.json?queue=none"))) == []


def test_an_observers_file_has_pseudonyms_and_the_own_queues_alone(observer: Client) -> None:
    make("q", student="anna")
    make("hidden", student="bert")
    (row,) = json.loads(body(observer.get("/dashboard/jobs/export.json")))
    assert re.fullmatch("student-[0-9a-f]{8}", row["learner"])
    assert (row["queue"], row["reference"]) == ("q", "")


# Many at once. --------------------------------------------------------------------------------------------------------


def test_the_selected_jobs_are_moved(staff: Client) -> None:
    one, two, three = (failed("x") for _ in range(3))
    answer = press(staff, "retry", which="selected", job=[one, two], state="failed")
    assert "2 jobs will be graded again." in text(answer)
    assert statuses() == {one: "pending", two: "pending", three: "failed"}
    assert list(OperatorMove.objects.values_list("actor", "move", "number")) == [("staff", "retry", 2)]
    assert sorted(MovedJob.objects.values_list("submission_id", flat=True)) == sorted([one, two])
    assert "Nothing was selected." in text(press(staff, "retry", which="selected"))


@pytest.mark.parametrize("patience", [0, 5])
def test_of_the_selected_jobs_those_in_another_state_are_told(
    staff: Client, monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    monkeypatch.setattr(bulk, "PATIENCE", patience)
    monkeypatch.setattr(bulk, "BATCH", 2)
    one, two, done = failed("x"), failed("x"), make("q").submission_id
    answer = press(staff, "retry", which="selected", job=[one, done, two])
    while b"data-go-on" in answer.content:
        answer = press(staff, "retry", **hidden(answer))
    assert "2 jobs will be graded again. 1 job skipped: not failed." in text(answer)
    assert set(statuses().values()) == {"pending"}


def test_all_of_a_list_are_moved_after_a_question(staff: Client) -> None:
    jobs = [failed("x") for _ in range(3)]
    other = failed("x", "other")
    asked = press(staff, "retry", which="all", queue="q")
    assert "Retry all 3 jobs of this list?" in text(asked)
    assert set(statuses().values()) == {"failed"}
    assert "3 jobs will be graded again." in text(press(staff, "retry", which="all", queue="q", sure="yes"))
    assert statuses() == {**dict.fromkeys(jobs, "pending"), other: "failed"}


def hidden(answer: Any) -> dict[str, list[str]]:
    """What the form of the page sends again."""
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.content.decode()):
        fields.setdefault(name, []).append(value)
    fields.pop("csrfmiddlewaretoken", None)
    return fields


def test_many_go_on_from_request_to_request(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PATIENCE", 0)
    monkeypatch.setattr(bulk, "BATCH", 2)
    jobs = [failed("x") for _ in range(5)]
    answer = press(staff, "retry", **hidden(press(staff, "retry", which="all", state="failed")))
    assert "Retry: at work State: failed 2 jobs retried of 5." in text(answer)
    assert b"data-go-on" in answer.content
    assert list(statuses().values()).count("pending") == 2
    # Meanwhile somebody else has retried one.
    queue.retry(jobs[0])
    for _ in range(9):
        if not (fields := hidden(answer)).get("move"):
            break
        answer = staff.post("/dashboard/jobs/move/", fields, follow=True)
    assert "4 jobs will be graded again." in text(answer)
    assert set(statuses().values()) == {"pending"}


def test_jobs_are_ended_with_a_reason_in_each_state(staff: Client) -> None:
    lost, done = failed("x"), graded().submission_id
    held = make("q").submission_id
    claim_one("q")
    waiting = make("q").submission_id
    asked = press(staff, "retire", which="all")
    assert "End all 3 jobs of this list without a score?" in text(asked)
    assert "This cannot be undone." in text(asked)
    said = text(press(staff, "retire", which="all", sure="yes", reason="Course is over"))
    assert "3 jobs ended without score." in said
    assert statuses() == dict.fromkeys((lost, done, held, waiting), Status.RETIRED)
    assert ExternalGraderDetail.objects.get(submission=waiting).last_error == "Course is over"


def test_results_are_sent_again(staff: Client) -> None:
    one, two = graded(), graded()
    rows = [undelivered(job) for job in (one, two)]
    said = text(press(staff, "resend", which="selected", job=one.submission_id))
    assert "1 delivery will be sent again." in said
    assert "1 delivery will be sent again." in text(press(staff, "resend", which="all", sure="yes"))
    assert set(Delivery.objects.filter(pk__in=rows).values_list("state", flat=True)) == {"due"}
    assert "Nothing to send again" in text(press(staff, "resend", which="all", sure="yes"))


def test_a_move_that_cannot_start_from_the_lists_state_moves_nothing(staff: Client) -> None:
    job = make("q").submission_id
    assert "Nothing to retry" in text(press(staff, "retry", which="all", state="waiting", sure="yes"))
    assert statuses() == {job: "pending"}


@pytest.mark.parametrize(
    "given",
    [
        {"place": "-1"},
        {"place": "9" * 30},
        {"after": "x"},
        {"job": ["x", "9" * 30]},
        {"total": "x", "done": "x"},
        {"reason": "\0"},
    ],
)
def test_a_forged_form_is_no_error_of_the_server(staff: Client, given: dict[str, Any]) -> None:
    failed("x")
    assert press(staff, "retry", which="all", sure="yes", **given).status_code == 200
    assert press(staff, "retire", which="selected", sure="yes", **given).status_code == 200


def test_who_may_not_move_sees_no_buttons_and_is_refused(observer: Client, onlooker: Client) -> None:
    job = failed("x")
    for client in (observer, onlooker):
        assert b'name="move"' not in client.get(JOBS).content
        for move in ("retry", "release", "retire", "resend"):
            for which in ("all", "selected"):
                given = {"move": move, "which": which, "job": job, "sure": "yes"}
                assert client.post("/dashboard/jobs/move/", given).status_code == 403
    assert statuses() == {job: "failed"}
    assert browser_of(account("x")).post("/dashboard/jobs/move/", {"move": "retry"}).status_code == 403


def test_a_foreign_site_moves_nothing() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(account("boss", is_staff=True, is_superuser=True))
    assert client.post("/dashboard/jobs/move/", {"move": "retry", "which": "all", "sure": "yes"}).status_code == 403
    assert client.get("/dashboard/jobs/move/").status_code == 405


def test_a_host_is_no_filter_without_a_state_of_delivery(staff: Client) -> None:
    """It would be shown as a filter, and all jobs would be listed, and ended by "all jobs of this list"."""
    done, other = graded(), failed("x")
    undelivered(done)
    page = staff.get(f"{JOBS}?delivery=given_up&host=lms")
    assert text(page).count("not delivered") == 1
    assert '<a href="/dashboard/jobs/" aria-label="Remove the filter Delivery: not delivered">' in page.content.decode()
    refused = staff.get(f"{JOBS}?host=lms")
    assert refused.status_code == 400
    assert "Host: A host goes with a delivery: given_up, due, overdue, delivered." in refused.content.decode()
    said = text(press(staff, "retire", which="all", host="lms", sure="yes"))
    assert "A host goes with a delivery" in said
    assert statuses() == {done.submission_id: "retired", other: "failed"}


@pytest.mark.parametrize(
    ("query", "moves"),
    [
        ("", ["retry", "release", "resend", "retire"]),
        ("delivery=given_up", ["retry", "release", "resend", "retire"]),
        ("delivery=overdue", ["retry", "release", "resend", "retire"]),
        ("delivery=due", ["retry", "release", "retire"]),
        ("delivery=delivered", ["retry", "release", "retire"]),
        ("claim=failed", ["retry", "release", "retire"]),
    ],
)
def test_sending_again_is_offered_where_it_can_be_done(staff: Client, query: str, moves: list[str]) -> None:
    job = graded()
    values = {"transport": "callback", "host": "lms", "result": Told.SCORE, "job": job}
    Delivery.objects.create(**values, state="given_up")
    Delivery.objects.create(**values, state="due", due_at=now() - timedelta(minutes=9))
    Delivery.objects.create(**values, state="delivered", delivered_at=now())
    ClaimEnd.objects.create(queue_name="q", grader="ada", outcome="failed", submission_id=job.submission_id, at=now())
    page = staff.get(f"{JOBS}?{query}").content.decode()
    assert re.findall(r'<button name="move" value="(\w+)"', page) == moves
    given = dict(one.split("=") for one in query.split("&") if one)
    asked = text(press(staff, "resend", which="all", **given))
    assert ("of all 1 job of this list again?" in asked) is ("resend" in moves)
    assert ("of all 0 jobs of this list again?" in asked) is ("resend" not in moves)


def test_numbers_of_a_list_are_written_in_the_language_of_the_page(staff: Client) -> None:
    assert str(jobs_list.Count(12_000, is_exact=True)) == "12,000"
    with translation.override("de"):
        assert str(jobs_list.Count(12_000, is_exact=True)) == "12.000"
        assert str(jobs_list.Count(10_000, is_exact=False)) == "10.000+"


def test_work_says_where_it_was_begun(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PATIENCE", -1)
    monkeypatch.setattr(bulk, "BATCH", 1)
    for _ in range(3):
        failed("x", "algo")
    answer = staff.post(f"{page_of('algo')}retry/")
    assert f'<a href="{page_of("algo")}"><bdi>algo</bdi></a> / Retry</nav>' in answer.content.decode()
    asked = press(staff, "retry", which="all").content.decode()
    assert '<a href="/dashboard/jobs/">Jobs</a> / Retry</nav>' in asked
