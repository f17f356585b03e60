"""The page of a job: hostile answers and replies are shown, and are nothing but shown."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.test import Client

from submissions import api, queue
from submissions.models import Delivery, Submission
from tests.admin.conftest import LIST, address, page_of, text
from tests.make import make
from tests.queue.jobs import claim_one, key_of, limit

pytestmark = pytest.mark.django_db

EVIL = '</pre></iframe><script>alert("x")</script><img src=x onerror=alert(1)>'


def test_nothing_that_others_wrote_becomes_part_of_the_page(root: Client) -> None:
    limit("q", max_failures=1)
    learner = {"student_id": EVIL[:200], "course_id": EVIL[:200], "item_id": EVIL[:200], "item_type": EVIL[:90]}
    fields: dict[str, Any] = {
        "queue_key": EVIL[:120],
        "grader_file_name": EVIL[:120],
        "grader_payload": EVIL,
        "student_info": EVIL,
    }
    job = api.create_external_grader_detail(learner, EVIL, queue_name="q", files={EVIL: "1"}, **fields)
    queue.fail(job.submission_id, key_of(claim_one("q", grader=EVIL[:100])), reason=EVIL, reply=EVIL)
    item = Submission.objects.get(pk=job.submission_id).student_item
    for url in (
        page_of(job),
        "/admin/submissions/externalgraderdetail/",
        address("submission", "change", job.submission_id),
        address("studentitem", "change", item.pk),
        address("studentitem"),
        address("submissionfile"),
    ):
        body = root.get(url).content.decode()
        assert "<script>alert" not in body
        assert "<img src=x" not in body


def test_a_message_stands_in_a_sandbox_and_is_clean(root: Client) -> None:
    job = make()
    reply = json.dumps({"correct": True, "score": 1, "msg": f'<p class="ok">Well "done"</p>{EVIL}'})
    claimed = claim_one("q")
    queue.complete(claimed.submission_id, key_of(claimed), score=1, reply=reply)
    body = root.get(page_of(job)).content.decode()
    (frame,) = [part.split("</iframe>")[0] for part in body.split("<iframe ")[1:]]
    assert 'sandbox=""' in frame
    assert '<body><p>Well "done"</p>' in html.unescape(frame)
    assert "alert" not in frame
    assert "onerror" not in frame


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("def f(x):\n    return x < 2", "def f(x):\n    return x &lt; 2"),
        ({"text": ["ü"]}, "{\n  &quot;text&quot;: [\n    &quot;ü&quot;\n  ]\n}"),
        (False, "false"),
        ("\ud800", "\\ud800"),
    ],
)
def test_an_answer_is_readable_as_code(root: Client, answer: object, shown: str) -> None:
    assert f">{shown}</pre>" in root.get(page_of(make(answer=answer))).content.decode()


def test_a_long_answer_is_cut(root: Client) -> None:
    job = make(answer="x" * 5_000_000)
    page = root.get(page_of(job))
    assert len(page.content) < 300_000
    assert "... 4,800,000 more characters" in text(page)


def test_an_answer_that_is_no_json_in_the_table(root: Client) -> None:
    from django.db import connection

    job = make()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE submissions_submission SET raw_answer = %s", ["{'old': \"row\"}"])
    assert "{'old': \"row\"}" in text(root.get(page_of(job)))


def test_the_history_of_pulls_deliveries_and_files(root: Client) -> None:
    job = make("q", files={"notes.txt": "1"})
    queue.fail(job.submission_id, key_of(claim_one("q", grader="mit-03")), reason="Out of memory.")
    Delivery.objects.create(job=job, transport="callback", destination="https://lms.example.org/cb", last_error="No.")
    shown = text(root.get(page_of(job)))
    assert "failed mit-03" in shown
    assert "Out of memory." in shown
    assert "1, at most 5" in shown
    assert "callback Waiting for the result https://lms.example.org/cb 0" in shown
    assert "notes.txt" in shown


def test_a_job_in_a_queue_without_settings(root: Client) -> None:
    from submissions.models import GraderQueue

    job = make("q")
    GraderQueue.objects.all().delete()
    assert "0, at most 5" in text(root.get(page_of(job)))


def test_a_job_that_is_not_there(root: Client) -> None:
    assert root.get("/admin/submissions/externalgraderdetail/999/change/").status_code == 302


def test_what_is_empty_is_not_shown_and_the_dashboard_is_one_press_away(root: Client) -> None:
    job = make("q")
    said = root.get(page_of(job)).content.decode()
    for title in ("Result", "Claims", "Sent by the platform", "Deliveries"):
        assert f">{title}</h2>" not in said
    assert f'<a href="/dashboard/submissions/{job.submission_id}/">On the dashboard</a>' in said
    assert '<link rel="icon" href="/static/dashboard/icon.svg?v=' in said
    assert "gradequeue" in said


def test_a_history_names_its_zone(root: Client) -> None:
    job = make("q")
    queue.claim("q", grader="ada")
    root.post(LIST, {"action": "release_leases", "_selected_action": [job.pk], "index": "0", "select_across": "0"})
    history = root.get(f"/admin/submissions/externalgraderdetail/{job.pk}/history/").content.decode()
    assert re.search(r'<time class="gq-time" datetime="[^"]+">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC</time>', history)
    assert "released 1 job" in history


def test_a_waiting_job_says_what_it_waits_for(root: Client) -> None:
    job = make("q")
    assert "Why: Next in line; no grader has ever polled this queue." in text(root.get(page_of(job)))
    claimed = claim_one("q")
    assert "Why: -" in text(root.get(page_of(job)))
    queue.fail(job.submission_id, key_of(claimed), reason="It broke.")
    said = text(root.get(page_of(job)))
    assert "Why: Next in line, after 1 failure; nothing was graded in the last hour. It broke." in said
