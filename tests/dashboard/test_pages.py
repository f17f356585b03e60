"""What the pages say, what they carry, and how much they ask of the database."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from gradequeue.dashboard import figures
from gradequeue.dashboard.reads import failures, queue_page
from gradequeue.dashboard.reads.newest import newest
from gradequeue.dashboard.templatetags.dashboard import unbroken
from gradequeue.dashboard.views import bulk
from submissions import operators, queue
from submissions.activity import Actor, Touched
from submissions.deliveries import history
from submissions.models import Delivery, DeliveryState, Door, ExternalGraderDetail, GraderQueue, Status
from submissions.statistics import depths, samples, undelivered
from submissions.statistics.causes import cause_of
from submissions.statistics.history import roll_up
from submissions.statistics.samples import Depth
from submissions.text import is_name
from tests.dashboard.conftest import page_of
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later, limit

pytestmark = pytest.mark.django_db


def text(answer: Any) -> str:
    """What a reader sees: without tags, with single spaces."""
    assert answer.status_code == 200, answer
    within = re.sub(r"</?bdi>", "", answer.content.decode())  # they part no words
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", within)).split())


def graded(score: object = 1, reply: str = "{}", **fields: Any) -> Any:
    make(**fields)
    job = claim_one(fields.get("queue_name", "q"))
    queue.complete(job.submission_id, key_of(job), score=score, reply=reply)
    job.refresh_from_db()
    return job


def failed(reason: str, queue_name: str = "q") -> int:
    limit(queue_name, max_failures=1)
    make(queue_name)
    (job,) = queue.claim(queue_name, grader="ada")
    queue.fail(job.submission_id, key_of(job), reason=reason)
    return job.submission_id


# The overview. --------------------------------------------------------------------------------------------------------


def test_a_new_operator_is_told_what_to_do_first(staff: Client) -> None:
    said = text(staff.get("/dashboard/"))
    assert "gradequeue grader create python-grader > xqueue_servers.json" in said
    assert "gradequeue enqueue" in said


def test_a_stuck_queue_is_seen(staff: Client) -> None:
    for _ in range(3):
        make("stuck")
    claim_one("stuck", "ada")
    polled = GraderQueue.objects.get(name="stuck").last_polled_at
    assert polled is not None
    GraderQueue.objects.filter(name="stuck").update(last_polled_at=polled - timedelta(minutes=9, seconds=20))
    said = text(staff.get("/dashboard/"))
    assert "2 jobs waiting; no grader has polled for 9 min" in said
    assert "2 waiting 1 being graded 0 failed 0 not delivered 0 graded in the last hour" in said


def test_queues_that_are_open_to_every_grader_are_named(staff: Client, observer: Client) -> None:
    limit("closed", restricted=True)
    for name in ("a", "b", "c", "d", "e", "f"):
        limit(name)
    assert "Open to every grader: a, b, c, d, e and 2 more." in text(staff.get("/dashboard/"))
    assert "Open to every grader" not in text(observer.get("/dashboard/"))
    pages = {name: text(staff.get(page_of(name))) for name in ("a", "closed")}
    assert {name: "open to every grader" in words for name, words in pages.items()} == {"a": True, "closed": False}
    GraderQueue.objects.update(restricted=True)
    assert "Open to every grader" not in text(staff.get("/dashboard/"))


def test_the_worst_comes_first_and_the_filter_leaves_the_good_ones_out(staff: Client) -> None:
    limit("a-good-one")
    limit("b-paused", paused=True)
    make("b-paused")
    make("c-unseen")
    body = staff.get("/dashboard/").content.decode()
    places = [body.index(f"<bdi>{name}</bdi></a>") for name in ("c-unseen", "b-paused", "a-good-one")]
    assert places == sorted(places)
    assert "a-good-one" not in text(staff.get("/dashboard/?show=trouble"))


def test_a_failed_job_and_a_lost_delivery_are_named(staff: Client) -> None:
    failed("no space left")
    job = graded()
    Delivery.objects.create(
        job=job, transport="callback", host="lms.example.org", state=DeliveryState.GIVEN_UP, last_error="TLS refused"
    )
    said = text(staff.get("/dashboard/"))
    assert "1 failed job needs an operator" in said
    assert "1 result could not be delivered to lms.example.org: TLS refused" in said


def test_a_grader_that_loses_leases_is_named(staff: Client) -> None:
    limit("q", max_failures=99)
    make("q")
    for _ in range(4):
        claim_one("q", "mit-03")
        later(301, queue_name="q")
    assert "3 leases of grader mit-03 expired in the last 10 min" in text(staff.get("/dashboard/"))


# A queue. -------------------------------------------------------------------------------------------------------------


def test_failed_ones_are_grouped_by_cause(staff: Client) -> None:
    for number in (17, 2043):
        failed(f"box {number}: no space left on device")
    failed("The reply has no score.")
    said = text(staff.get(page_of("q")))
    assert "2 box #: no space left on device" in said
    assert "1 The reply has no score." in said
    assert "Retry 2 jobs" in said
    assert "Retry 1 job" in said
    assert "more cause" not in said


def test_causes_that_are_not_shown_are_counted(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MOST_SHOWN", 2)
    for reason in ("full", "slow", "late"):
        failed(reason)
    answer = staff.get(page_of("q"))
    assert "1 more cause Retry all 3 jobs" in text(answer)
    assert '<a href="/dashboard/jobs/?state=failed&amp;queue=q">1 more cause</a>' in answer.content.decode()


def test_the_graders_of_a_cause_stand_in_one_order(staff: Client) -> None:
    names = ["eve", "ada", "cyd", "bob", "", "fay", "dan"]
    for name in names:
        ExternalGraderDetail.objects.filter(submission_id=failed("full")).update(grader=name)
    assert "graders ada, bob, cyd, dan, eve, fay ·" in text(staff.get(page_of("q")))


def test_leases_results_and_graders(staff: Client) -> None:
    graded(0.5, points_possible=10)
    make("q")
    held = claim_one("q", "ada")
    said = text(staff.get(page_of("q")))
    assert f"{held.submission_id} ada" in said
    assert re.search(rf"{held.submission_id} ada [\d.]+ s (4|5) min", said)
    assert "5 of 10" in said
    assert "Scores" in said


def test_a_queue_that_is_not_there(staff: Client) -> None:
    assert staff.get("/dashboard/queues/99999/").status_code == 404
    assert staff.get("/dashboard/queues/99999999999999999999/").status_code == 404
    assert staff.post("/dashboard/submissions/99999999999999999999/retry/").status_code == 404
    assert staff.get("/dashboard/submissions/99999/").status_code == 404
    assert staff.get("/dashboard/submissions/99999999999999999999/").status_code == 404


@pytest.mark.parametrize("window", ["hour", "day", "week", "month", "nonsense"])
def test_every_window_is_drawn(staff: Client, window: str) -> None:
    graded()
    answer = staff.get(f"{page_of('q')}?window={window}")
    assert "1 arrived, 1 graded." in answer.content.decode()


# A submission. --------------------------------------------------------------------------------------------------------


def test_the_life_of_a_submission(staff: Client) -> None:
    limit("q", max_failures=2, backoff_seconds=0)
    make("q")
    job = claim_one("q", "ada")
    queue.fail(job.submission_id, key_of(job), reason="compiler crashed")
    later(10)
    job = claim_one("q", "bob")
    queue.complete(job.submission_id, key_of(job), score=0.5, reply='{"msg": "<p>well</p>"}')
    said = text(staff.get(f"/dashboard/submissions/{job.submission_id}/"))
    parts = ["Queued in q", "Grading failed (ada)", "compiler crashed", "Graded by bob", "Scored: 0.5 of 1 points"]
    places = [said.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("state", "shown", "hidden"),
    [
        ("pending", ["End without score"], ["Retry", "Release from"]),
        ("pulled", ["End without score", "Release from grader"], ["Retry"]),
        ("failed", ["End without score", "Retry"], ["Release from"]),
        ("retired", [], ["End without score", "Retry", "Release from"]),
    ],
)
def test_only_legal_verbs_have_buttons(staff: Client, state: str, shown: list[str], hidden: list[str]) -> None:
    if state == "failed":
        submission_id = failed("x")
    else:
        submission_id = make("q").submission_id
        if state in ("pulled", "retired"):
            job = claim_one("q")
            if state == "retired":
                queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    said = text(staff.get(f"/dashboard/submissions/{submission_id}/"))
    assert [one for one in shown if one not in said] == []
    assert [one for one in hidden if one in said] == []


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</pre>\u202e"


def test_hostile_texts_are_escaped(staff: Client) -> None:
    name = make(HOSTILE[:60], student="<em>s</em>", item="<i>i</i>", files={"<u>.py": "x"}).queue_name
    (job,) = queue.claim(name, grader="<em>ada</em>")
    GraderQueue.objects.filter(name=job.queue_name).update(max_failures=1)
    queue.forget()
    queue.fail(job.submission_id, key_of(job), reason=HOSTILE, reply=HOSTILE)
    for page in ("/dashboard/", page_of(job.queue_name), f"/dashboard/submissions/{job.submission_id}/"):
        body = staff.get(page).content.decode()
        assert "alert(1)" in body or page == "/dashboard/"
        assert [bad for bad in ("<script>alert", "<img src=x", "<em>", "<i>i", "<u>") if bad in body] == []


@pytest.mark.parametrize("reply", ["not json", '"text"', "[1]", '{"msg": 5}', '{"msg": "\ud800"}', "null", "{" * 5000])
def test_any_reply_can_be_shown(staff: Client, reply: str) -> None:
    job = make("q")
    type(job).objects.filter(pk=job.pk).update(grader_reply=reply.encode("ascii", "backslashreplace").decode())
    assert staff.get(f"/dashboard/submissions/{job.submission_id}/").status_code == 200
    assert staff.get(f"/dashboard/submissions/{job.submission_id}/reply/").status_code == 200


def test_the_html_of_a_reply_is_sanitised_and_sandboxed(staff: Client) -> None:
    message = '<p onclick="x()">well</p><script>alert(1)</script><a href="https://evil.example">x</a>'
    job = graded(reply=json.dumps({"score": 1, "msg": message}))
    answer = staff.get(f"/dashboard/submissions/{job.submission_id}/reply/")
    assert "<p>well</p>" in answer.content.decode()
    assert not re.search(r"<script|onclick|evil", answer.content.decode())
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'; style-src 'sha256-")
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    page = staff.get(f"/dashboard/submissions/{job.submission_id}/").content.decode()
    assert re.search(r"<iframe [^>]*sandbox src=\"/dashboard/submissions/\d+/reply/\"", page)


def test_an_answer_of_megabytes_is_cut(staff: Client) -> None:
    job = make("q")
    type(job.submission)._objects.filter(pk=job.submission_id).update(answer="x" * 5_000_000)
    answer = staff.get(f"/dashboard/submissions/{job.submission_id}/")
    assert "more characters" in answer.content.decode()
    assert len(answer.content) < 400_000


def test_a_file_is_reached_by_a_signed_address(staff: Client, onlooker: Client) -> None:
    job = make("q", files={"notes.txt": "seen"})
    (row,) = job.files.all()
    answer = staff.get(f"/dashboard/submissions/{job.submission_id}/files/{row.pk}/")
    assert answer.status_code == 302
    assert "signature=" in answer["Location"]
    fetched: Any = staff.get(answer["Location"])
    assert b"".join(fetched.streaming_content) == b"seen"
    other = make("q")
    assert staff.get(f"/dashboard/submissions/{other.submission_id}/files/{row.pk}/").status_code == 404


def test_a_search_leads_to_the_page(staff: Client) -> None:
    job = make("q")
    page = f"/dashboard/submissions/{job.submission_id}/"
    assert staff.get(f"/dashboard/find/?q=+{job.submission_id}+")["Location"] == page
    assert staff.get(f"/dashboard/find/?q={job.submission.uuid}")["Location"] == page
    assert staff.get("/dashboard/find/?q=q")["Location"] == page_of("q")
    for nothing in ("0", "99999999999999999999999", "no such queue", "%00", "' OR 1=1", "²"):
        assert staff.get(f"/dashboard/find/?q={nothing}").status_code == 404
    for digits in ("0" * 19 + "1" * 40, "0" * 19 + "1" * 5000):
        assert staff.get(f"/dashboard/find/?q={digits}").status_code == 404


def test_a_queue_is_found_whose_name_is_a_number(staff: Client) -> None:
    GraderQueue.objects.create(name="2026")
    assert staff.get("/dashboard/find/?q=2026")["Location"] == page_of("2026")


# What every page carries. ---------------------------------------------------------------------------------------------


def test_pages_are_strict_about_what_they_load_and_are_not_kept(staff: Client) -> None:
    job = make("q")
    for page in ("/dashboard/", page_of("q"), f"/dashboard/submissions/{job.submission_id}/", "/dashboard/login/"):
        answer = staff.get(page)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "no-store" in answer["Cache-Control"]
        body = answer.content.decode()
        assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:|<script(?![^>]*src=)", body)
        assert "https://" not in body


# What they ask of the database. ---------------------------------------------------------------------------------------


def statements(client: Client, page: str) -> int:
    cache.clear()
    while roll_up(2000):
        pass
    client.get(page)
    cache.clear()
    with CaptureQueriesContext(connection) as asked:
        assert client.get(page).status_code == 200
    return len(asked)


def fill(names: list[str], jobs: int) -> None:
    for name in names:
        for number in range(jobs):
            make(name, student=f"s{number}", files={"a": "b"} if number % 2 else {})
        for job in queue.claim(name, grader="ada", limit=jobs // 2):
            queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
            Delivery.objects.create(job_id=job.pk, transport="callback", host="h", state=DeliveryState.GIVEN_UP)
        failed("x", name)


@pytest.mark.parametrize("who", ["staff", "observer"])
def test_a_page_asks_the_same_number_of_questions_however_much_there_is(
    who: str, request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue(who)
    fill(["q"], 2)
    # In a queue that nobody claims from: why a job waits is asked only while it does.
    first = make("waits", student="again")
    GraderQueue.objects.get(name="waits").observers.set(GraderQueue.objects.get(name="q").observers.all())
    pages = ["/dashboard/", page_of("q"), f"/dashboard/submissions/{first.submission_id}/"]
    few = [statements(client, page) for page in pages]
    fill(["q", "q2", "q3"], 12)
    for _ in range(3):
        make("q", student="again")
    for queue_row in GraderQueue.objects.all():
        queue_row.observers.set(GraderQueue.objects.get(name="q").observers.all())
    assert [statements(client, page) for page in pages] == few
    assert max(few) < 40


BIG = r"FROM .?submissions_(externalgraderdetail|submission|score|delivery|claimend|queueminute)\b"


def test_nothing_counts_or_sorts_a_whole_table(staff: Client) -> None:
    """Each statement on the big tables names a queue, a state, a row or a span of time, or takes one row."""
    job = graded()
    for page in ("/dashboard/", page_of("q"), f"/dashboard/submissions/{job.submission_id}/"):
        with CaptureQueriesContext(connection) as asked:
            staff.get(page)
        for statement in (one["sql"] for one in asked.captured_queries):
            if re.search(BIG, statement):
                assert " WHERE " in statement or "LIMIT 1" in statement, statement


def test_the_plots_show_the_past_as_it_was_and_now_as_it_is(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """300 failed jobs are retried: the plot before it stays, the plot after it begins."""
    make("q")
    for _ in range(299):
        make("q")
    ExternalGraderDetail.objects.update(status=Status.FAILED, available_at=None)
    earlier = samples.minute_of(now()) - 10
    samples.write(earlier, {"q": Depth(failed=300)})

    def values(page: str, name: str) -> dict[str, list[str]]:
        """By the minutes since the sample: what the chart's table says."""
        chart = re.search(rf'id="chart-{name}".*?</figure>', staff.get(page).content.decode(), re.DOTALL)
        assert chart is not None
        rows = re.findall(r'<tr><th scope="row"><time datetime="([^"]+)"(.*?)</tr>', chart[0], re.DOTALL)
        return {
            str(samples.minute_of(datetime.fromisoformat(at)) - earlier): re.findall(r"<td>(.*?)</td>", row)
            for at, row in rows
        }

    monkeypatch.setattr(bulk, "PATIENCE", 600)
    page = f"{page_of('q')}?window=hour"
    before = values(page, "depth")
    assert before["0"] == ["0", "300"]
    assert list(before.values())[-1] == ["0", "300"]
    staff.post(f"{page_of('q')}retry/")
    after = values(page, "depth")
    assert [row[:2] for row in list(after.values())[-1:]] == [["300", "0"]]
    assert after["0"][:2] == ["0", "300"]
    assert after["5"][:2] == ["-", "-"]
    # Who did it is marked in the same plot, and in that of all queues.
    assert "staff retried 300 jobs in q" in list(after.values())[-1][2] + list(after.values())[-2][2]
    everything = values("/dashboard/?window=hour", "overall")
    assert list(everything.values())[-1][2:4] == ["300", "0"]
    assert everything["0"][2:4] == ["0", "300"]
    assert "staff retried 300 jobs in q" in list(everything.values())[-1][4] + list(everything.values())[-2][4]


@pytest.mark.parametrize(("window", "steps"), [("hour", 60), ("day", 96), ("week", 84), ("month", 84)])
def test_the_overall_plot_has_a_range_in_the_address(staff: Client, window: str, steps: int) -> None:
    graded()
    said = staff.get(f"/dashboard/?window={window}&show=trouble").content.decode()
    assert said.count('<tr><th scope="row">') == steps
    assert f'<a href="?window={window}&amp;show=trouble" aria-current="page">' in said
    assert "1 arrived, 1 graded; 0 now, at most 0 waiting, 0 now, at most 0 failed." in said


def test_an_observers_plot_is_of_the_own_queues_and_names_nobody(observer: Client) -> None:
    make("q")
    make("hidden")
    samples.take()
    operators.PAUSE.run(GraderQueue.objects.get(name="q").pk, operators.PAUSE.by(Actor("ada", Door.ADMIN)))
    operators.RETRY.by(Actor("eve", Door.ADMIN)).note([Touched("hidden", 1)])
    said = text(observer.get("/dashboard/?window=hour"))
    assert "an operator paused the queue in q" in said
    assert [word for word in ("ada", "eve", "hidden") if f" {word} " in said] == []
    assert (
        'aria-label="All queues: 1 arrived, 0 graded; 1 now, at most 1 waiting'
        in observer.get("/dashboard/?window=hour").content.decode()
    )


def test_the_newest_in_a_state_come_first() -> None:
    for _ in range(3):
        failed("x")
    rows = newest("q", Status.FAILED)
    moments = list(rows.values_list("status_time", flat=True))
    assert moments == sorted(moments, reverse=True)
    assert len(moments) == 3
    assert not newest("other", Status.FAILED).exists()


def test_who_is_next_in_line_and_since_when() -> None:
    assert queue.waiting_since([]) == {}
    assert queue.waiting_since(["q", "other"]) == {}
    first, second = make("q"), make("q")
    later(60, pk=first.pk)
    first.refresh_from_db()
    assert queue.waiting_since(["other", "q"]) == {"q": first.available_at}
    assert queue.first_ids("q", 10) == [first.pk, second.pk]
    # A lease that ran out is next again; one that holds is not.
    claim_one("q")
    second.refresh_from_db()
    assert queue.waiting_since(["q"]) == {"q": second.available_at}
    later(400, pk=first.pk)
    first.refresh_from_db()
    assert queue.waiting_since(["q"]) == {"q": first.available_at}


def test_overdue_deliveries_are_counted_by_queue(staff: Client) -> None:
    job = graded()
    for minutes in (1, 6, 60):
        due = now() - timedelta(minutes=minutes)
        Delivery.objects.create(job_id=job.pk, transport="callback", host="h", state=DeliveryState.DUE, due_at=due)
    assert "2 results are overdue for delivery to" in text(staff.get("/dashboard/"))


def test_graders_are_told_with_what_they_did(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        graded()
    failed("x")
    said = text(staff.get(page_of("q")))
    assert "Graders, in the last hour" in said
    assert re.search(r"grader [\d.]+ s ago 3 0 0 0 %", said), said
    assert re.search(r"ada [\d.]+ s ago 0 1 0 100 %", said), said
    # With more results than are looked at, they are told of a shorter time.
    monkeypatch.setattr(queue_page, "MOST_RESULTS", 2)
    said = text(staff.get(page_of("q")))
    assert re.search(r"Graders, in the last [\d.]+ s", said)
    assert re.search(r"grader [\d.]+ s ago 2 0 0 0 %", said), said


# Words. ---------------------------------------------------------------------------------------------------------------


def test_a_graded_job_is_green_and_one_that_was_ended_is_grey(staff: Client) -> None:
    job, other = graded(), make()
    queue.retire(other.submission_id, "asked to withdraw")
    one = staff.get(f"/dashboard/submissions/{job.submission_id}/").content.decode()
    assert '<span class="state graded">graded</span>' in one
    two = staff.get(f"/dashboard/submissions/{other.submission_id}/").content.decode()
    assert '<span class="state ended">ended without score</span>' in two
    assert "retired" not in one + two


def test_a_state_has_the_word_of_the_list_on_each_page(staff: Client) -> None:
    """Not the column's: pending, retry, pulled."""
    limit("q", max_failures=3)
    make("q")
    first = claim_one("q")
    queue.fail(first.submission_id, key_of(first), reason="compiler crashed")
    lapsed, held = make("r"), make("s")
    claim_one("r")
    later(400, pk=lapsed.pk)
    claim_one("s")
    waiting, grading = '<span class="state waiting">waiting</span>', '<span class="state grading">being graded</span>'
    for job, state in ((first, waiting), (lapsed, waiting), (held, grading)):
        said = staff.get(f"/dashboard/submissions/{job.submission_id}/").content.decode()
        assert state in said.partition("</h1>")[0]
    for name in ("q", "r"):
        said = staff.get(page_of(name)).content.decode()
        assert waiting in said
        assert "No grader holds a job." in said


def test_a_name_in_another_script_stands_for_itself(staff: Client) -> None:
    name = "برمجة"
    make(name)
    body = staff.get(page_of(name)).content.decode()
    assert f"</a> / <bdi>{name}</bdi></nav>" in body
    assert f"<bdi>{name}</bdi></a>" in staff.get("/dashboard/").content.decode()


def test_sentences_with_texts_of_others_stand_for_themselves(staff: Client) -> None:
    job = make()
    given = {"transport": "callback", "host": "lms", "state": DeliveryState.GIVEN_UP, "last_error": "خطأ"}
    Delivery.objects.create(job=job, **given)
    said = staff.get(f"/dashboard/submissions/{job.submission_id}/").content.decode()
    assert "ever polled</bdi>; <bdi>1 result could not be delivered to lms: خطأ</bdi></dd>" in said
    assert "<code><bdi>خطأ</bdi></code>" in staff.get("/dashboard/deliveries/").content.decode()


def test_a_joiner_may_stand_in_the_name_of_a_queue_an_override_may_not() -> None:
    assert is_name("نمی\u200cتر")
    assert [is_name(name) for name in ("a\u202eb", "a\u2066b", "a\nb", "\u200d")] == [False] * 4


def test_a_time_in_a_sentence_stays_on_one_line() -> None:
    said = unbroken("12 jobs waiting; no grader has polled for 2 h 36 min")
    assert said == "12 jobs waiting; no grader has polled for 2\xa0h\xa036\xa0min"


def test_a_digit_inside_a_word_is_no_number() -> None:
    assert cause_of("g++: cc1plus (pid 17) died after 10s in box12") == "g++: cc1plus (pid #) died after #s in box#"


def test_only_those_who_may_open_the_settings_are_led_there(staff: Client, root: Client) -> None:
    make()
    assert ">Settings</a>" not in staff.get(page_of("q")).content.decode()
    assert ">Settings</a>" in root.get(page_of("q")).content.decode()


def test_many_attempts_of_a_learner_are_counted(staff: Client) -> None:
    jobs = [make(student="s") for _ in range(9)]
    said = text(staff.get(f"/dashboard/submissions/{jobs[0].submission_id}/"))
    assert "and 2 more" in said


def test_attempts_that_are_not_listed_are_counted(staff: Client) -> None:
    job = graded()
    row = Delivery.objects.create(job=job, transport="callback", host="lms.example.org", state="due", attempts=168)
    for _ in range(25):
        row.history = history.add(row.history, now(), history.FAILED, "HTTP 500")
    row.save()
    said = text(staff.get(f"/dashboard/submissions/{job.submission_id}/"))
    assert "148 earlier attempts are not listed (delivery to lms.example.org)" in said
    Delivery.objects.update(attempts=20)
    assert "not listed" not in text(staff.get(f"/dashboard/submissions/{job.submission_id}/"))


def test_a_job_whose_lease_is_over_says_what_it_waits_for(
    staff: Client, admin_client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make("q")
    claim_one("q", "ada")
    later(400, pk=job.pk)
    GraderQueue.objects.update(last_polled_at=now() - timedelta(minutes=30, seconds=30))
    note = "Next in line; no grader has polled this queue for 30 min."
    said = text(staff.get(f"/dashboard/submissions/{job.submission_id}/"))
    assert f"Place in line 1 of 1 Why not yet {note}" in said
    assert "Held for 5 min" in said
    assert f"Why: {note}" in text(admin_client.get(f"/admin/submissions/externalgraderdetail/{job.pk}/change/"))
    call_command("show", str(job.submission_id), "--json")
    assert json.loads(capsys.readouterr().out)["note"] == note


def test_sums_are_lower_bounds_where_a_part_of_them_is(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depths, "MOST", 3)
    monkeypatch.setattr(undelivered, "MOST", 2)
    for _ in range(4):
        make("deep")
    job = make("flat")
    for _ in range(3):
        Delivery.objects.create(job=job, transport="callback", host="lms", state=DeliveryState.GIVEN_UP)
    said = text(staff.get("/dashboard/"))
    assert "4+ waiting 0 being graded 0 failed 2+ not delivered 0 graded in the last hour" in said
    assert "2+ results could not be delivered to lms: no reason given" in said
    said = text(staff.get(page_of("flat")))
    assert "2+ to lms No reason was given" in said
    assert "Send 2+ results again" in said


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "0.5"), (1, "1"), (100 / 3, "33.3333"), (1_000_000, "1,000,000"), (123_456.5, "123,456.5"), (None, "-")],
)
def test_points_are_shown_whole(value: float | None, shown: str) -> None:
    assert figures.points(value) == shown
