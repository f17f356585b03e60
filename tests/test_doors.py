"""The doors agree: dashboard, admin, commands and metrics tell the same numbers and sentences, and the same moves."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils.timezone import now
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from submissions import operators, queue
from submissions.errors import NotAllowed, QueueError
from submissions.management.base import operator
from submissions.models import Delivery, DeliveryState, GraderQueue, Status, Told
from submissions.models import ExternalGraderDetail as Job
from tests.activity import TESTER, recorded
from tests.admin.conftest import text, told
from tests.make import make, make_in
from tests.queue.jobs import claim_one, key_of, later, limit

pytestmark = pytest.mark.django_db

TOKEN = "a token of some length"
JOBS = "/admin/submissions/externalgraderdetail/"
QUEUES = "/admin/submissions/graderqueue/"


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
    return client


def asked(path: str) -> str:
    response = Client().get(path, headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    return response.content.decode()


def metric(name: str) -> float:
    families = text_string_to_metric_families(asked("/metrics"))
    (value,) = (sample.value for one in families for sample in one.samples if sample.name == f"gradequeue_{name}")
    return value


# How a queue stands. --------------------------------------------------------------------------------------------------


def a_queue_in_every_state() -> None:
    """2 pending, 1 retry, 1 of an expired lease; 1 being graded; 1 failed; last polled 25 minutes ago."""
    limit("q", max_failures=2)
    for _ in range(6):
        make("q")
    failing = claim_one("q")
    Job.objects.filter(pk=failing.pk).update(num_failures=1)
    queue.fail(failing.submission_id, key_of(failing), reason="broke")
    broken = claim_one("q")
    queue.fail(broken.submission_id, key_of(broken), reason="broke")
    lost, held = claim_one("q"), claim_one("q")
    later(400, pk=lost.pk)
    later(30, pk=held.pk)
    GraderQueue.objects.update(last_polled_at=now() - timedelta(minutes=25, seconds=30))


def test_one_queue_is_told_alike_by_every_door(
    root: Client, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.METRICS_TOKEN = TOKEN
    a_queue_in_every_state()
    sentences = [
        "4 jobs waiting; no grader has polled for 25 min",
        "1 job failed in the last hour, 0 graded",
        "1 failed job needs an operator",
    ]

    call_command("queues", "--json")
    row = json.loads(capsys.readouterr().out)
    counts = {name: row[name] for name in ("waiting", "being_graded", "retry", "failed", "pending", "lapsed")}
    assert counts == {"waiting": 4, "being_graded": 1, "retry": 1, "failed": 1, "pending": 2, "lapsed": 1}
    assert (row["light"], row["warnings"]) == ("red", sentences)
    call_command("queues")
    table = " ".join(capsys.readouterr().out.split())
    assert "red 4 1 1 1 min 25 min ago q" in table
    assert " ".join(sentences) in table

    overview = text(root.get("/dashboard/"))
    assert "4 waiting 1 being graded 1 failed" in overview
    page = text(root.get(f"/dashboard/queues/{GraderQueue.objects.get().pk}/"))
    assert "4 waiting 1 being graded 1 failed" in page
    listed = text(root.get(QUEUES))
    assert "red 4 jobs waiting; no grader has polled for 25 min" in listed
    assert "1 failed 4 1 1" in listed
    settings_page = text(root.get(f"{QUEUES}{GraderQueue.objects.get().pk}/change/"))
    assert "Waiting 4 of these in retry 1 Being graded 1 Failed 1" in settings_page
    for shown in (overview, page, listed, settings_page):
        assert [sentence for sentence in sentences if sentence not in shown] == []

    assert (metric("waiting"), metric("being_graded"), metric("light")) == (4, 1, 2)
    scaled = json.loads(asked("/autoscaling/q"))
    assert (scaled["waiting"], scaled["in_flight"]) == (4, 1)
    age = row["oldest_waiting_seconds"]
    assert 90 < age < 200
    assert abs(metric("oldest_waiting_seconds") - age) < 30
    assert abs(scaled["oldest_age_seconds"] - age) < 30


def test_a_count_of_the_admin_leads_to_as_many_jobs(root: Client) -> None:
    a_queue_in_every_state()
    links = re.findall(r"\?queue_name=q&amp;status__exact=(\w+)", root.get(QUEUES).content.decode())
    assert sorted(set(links)) == ["being_graded", "failed", "retry", "waiting"]
    found = {
        state: len(root.get(f"{JOBS}?queue_name=q&status__exact={state}").context["cl"].result_list) for state in links
    }
    assert found == {"being_graded": 1, "failed": 1, "retry": 1, "waiting": 4}


# What an operator can do. ---------------------------------------------------------------------------------------------

ACTIONS = {"retry": "retry_failed", "release": "release_leases", "retire": "retire_jobs"}
LEGAL = {
    "retry": {"failed"},
    "release": {"pulled"},
    "retire": {"pending", "retry", "pulled", "failed"},
}
OUTCOMES = {
    "retry": "will be graded again.",
    "release": "released for other graders.",
    "retire": "ended without score.",
}


@pytest.mark.parametrize("name", list(LEGAL))
@pytest.mark.parametrize("status", Status.values)
def test_each_move_from_each_state_has_one_verdict_and_one_wording(
    root: Client, capsys: pytest.CaptureFixture[str], status: str, name: str
) -> None:
    legal = status in LEGAL[name]
    first, second, third, fourth = (make_in(status) for _ in range(4))
    page = f"/dashboard/submissions/{first.submission_id}/"
    assert (f'action="{page}{name}/"' in root.get(page).content.decode()) == legal
    button = f'name="action" value="{ACTIONS[name]}"'
    assert (button in root.get(f"{JOBS}{second.pk}/change/").content.decode()) == legal

    on_dashboard = text(root.post(f"{page}{name}/", follow=True))
    posted = {"action": ACTIONS[name], "index": "0", "select_across": "0", "_selected_action": second.pk}
    in_admin = told(root.post(JOBS, {**posted, "reason": ""}, follow=True))
    code = 0
    try:
        call_command(name, str(third.submission_id), "--json")
    except SystemExit as end:
        code = int(end.code or 0)
    by_command = json.loads(capsys.readouterr().out)
    refusal = ""
    try:
        operators.OF_JOBS[name].run(fourth.submission_id, operators.OF_JOBS[name].by(TESTER))
    except NotAllowed as error:
        refusal = str(error)

    ends = {job.refresh_from_db() or job.status for job in (first, second, third, fourth)}  # type: ignore[func-returns-value]
    log = recorded()
    if legal:
        people = ("root", "root", operator().name, "tester")
        assert ends == {{"retry": "pending", "release": "retry", "retire": "retired"}[name]}
        assert f"Submission {first.submission_id} {OUTCOMES[name]}" in on_dashboard
        assert in_admin == [f"1 job {OUTCOMES[name]}"]
        assert (code, "error" in by_command, refusal, log) == (
            0,
            False,
            "",
            [f"{who}: {name} 1 in q" for who in people],
        )
    else:
        assert ends == {status}
        assert in_admin[0].startswith("1 job skipped: ")
        assert (code, log) == (1, [])
        assert refusal.replace(str(fourth.submission_id), str(third.submission_id)) == by_command["error"]
        assert by_command["error"].replace(str(third.submission_id), str(first.submission_id)) in on_dashboard


@pytest.mark.parametrize("state", DeliveryState.values)
def test_a_delivery_is_sent_again_from_the_states_of_the_table(root: Client, state: str) -> None:
    delivery = Delivery.objects.create(job=make("q"), transport="callback", state=state, result=Told.SCORE)
    legal = state in {"given_up", "delivered", "due"}
    assert operators.SEND_AGAIN.starts(delivery) == legal
    page = root.get(f"/admin/submissions/delivery/{delivery.pk}/change/").content.decode()
    assert ('name="action" value="resend"' in page) == legal
    refused = False
    try:
        operators.SEND_AGAIN.run(delivery.pk, operators.SEND_AGAIN.by(TESTER))
    except QueueError:
        refused = True
    assert refused != legal


def test_a_queue_is_paused_in_the_same_words(root: Client) -> None:
    make("q")
    row = GraderQueue.objects.get()
    page = f"/dashboard/queues/{row.pk}/"
    assert "Queue q paused; graders receive no jobs." in text(root.post(f"{page}pause/", follow=True))
    assert "Queue q is paused already." in text(root.post(f"{page}pause/", follow=True))
    assert "Queue q resumed." in text(root.post(f"{page}resume/", follow=True))
    posted = {"action": "pause", "index": "0", "select_across": "0", "_selected_action": row.pk}
    assert told(root.post(QUEUES, posted, follow=True)) == ["1 queue paused; graders receive no jobs."]
    assert told(root.post(QUEUES, {**posted, "action": "resume"}, follow=True)) == ["1 queue resumed."]
    assert recorded() == [f"root: {name} in q" for name in ("pause", "resume", "pause", "resume")]


def test_the_table_names_permissions_that_there_are() -> None:
    known = {codename for model in (Job, GraderQueue, Delivery) for codename, _ in model._meta.permissions}
    assert {move.permission for move in operators.MOVES.values()} == known
