"""Who did what: written down whatever door it came in by, and shown where an operator asks."""

from __future__ import annotations

import getpass
import html
import re
import socket
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from gradequeue.dashboard.reads import activity as reads
from submissions import operators
from submissions.activity import Act, Actor, Touched
from submissions.management import base
from submissions.models import Delivery, DeliveryState, Door, GraderQueue, MovedJob, OperatorMove, Told
from tests.activity import TESTER, recorded
from tests.dashboard.conftest import page_of
from tests.dashboard.test_pages import failed, graded, text
from tests.make import make
from tests.queue.jobs import claim_one, limit

pytestmark = pytest.mark.django_db


# Each door. -----------------------------------------------------------------------------------------------------------


def test_a_command_is_the_person_and_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_USER", raising=False)
    job = failed("x")
    call_command("retry", str(job), "--reason", "the box was  full")
    assert recorded() == [f"command: {getpass.getuser()}@{socket.gethostname()}: retry 1 in q: the box was full"]
    monkeypatch.setenv("SUDO_USER", "ada")
    assert base.operator().name == f"command: ada@{socket.gethostname()}"


def test_a_command_on_many_jobs_is_one_line_for_each_queue() -> None:
    jobs = [failed("a"), failed("b")]
    limit("other", max_failures=1)
    other = failed("c", queue_name="other")
    call_command("retry", "--all-matching")
    assert [line.partition("retry ")[2] for line in recorded()] == ["2 in q", "1 in other"]
    assert OperatorMove.objects.values("group").distinct().count() == 1
    assert set(MovedJob.objects.values_list("submission_id", flat=True)) == {*jobs, other}


def test_accounts_tokens_and_settings_are_moves_too(admin_client: Client) -> None:
    call_command("grader", "create", "ada", "--queue", "q")
    call_command("grader", "password", "ada")
    call_command("grader", "grant", "ada", "--queue", "r")
    call_command("grader", "replies", "ada", "text/html")
    call_command("token", "create", "ada", "--scope", "claim", "--queue", "q")
    call_command("grader", "disable", "ada")
    told = [line.partition("@")[2].partition(": ")[2] for line in recorded()]
    token = OperatorMove.objects.get(move="token").subject
    assert told == [
        "account in q: ada",
        "password: ada",
        "grant in r: ada",
        "replies: ada: text/html",
        f"token: {token}",
        "disable: ada",
    ]
    assert token.startswith("ada: gq_")
    assert "password: " not in str(OperatorMove.objects.filter(move="password").values_list("reason", "subject"))


def test_a_refused_move_is_not_written_down(staff: Client) -> None:
    job = make("q")
    staff.post(f"/dashboard/submissions/{job.submission_id}/retry/")
    assert recorded() == []


def test_the_record_is_undone_with_its_move() -> None:
    job = failed("x")
    with transaction.atomic():
        operators.RETRY.run(job, operators.RETRY.by(TESTER))
        transaction.set_rollback(True)
    assert recorded() == []


def test_a_batch_costs_few_statements() -> None:
    act = Act(TESTER, "retry")
    act.note([Touched("q", 1)])
    with CaptureQueriesContext(
        connection,
    ) as context:
        act.note([Touched("q", number) for number in range(100)])
    assert len(context) <= 5
    assert recorded() == ["tester: retry 101 in q"]


def test_nobody_adds_to_the_line_of_somebody_else() -> None:
    mine = Act(TESTER, "retry")
    mine.note([Touched("q", 1)])
    Act(Actor("eve", Door.ADMIN), "retry", group=mine.group).note([Touched("q", 2)])
    assert recorded() == ["tester: retry 1 in q", "eve: retry 1 in q"]


def test_the_longest_names_and_texts_are_kept() -> None:
    Act(Actor("a" * 300, Door.ADMIN), "settings", "r" * 600, "s" * 600).note([Touched("q" * 128)])
    assert recorded() == [f"{'a' * 255}: settings in {'q' * 128}: {'s' * 500}: {'r' * 500}"]


# Where it is shown. ---------------------------------------------------------------------------------------------------


def test_a_job_says_who_moved_it_and_why(staff: Client) -> None:
    job = failed("no space")
    staff.post(f"/dashboard/submissions/{job}/retry/")
    staff.post(f"/dashboard/submissions/{job}/retire/", {"reason": "asked to withdraw"})
    said = text(staff.get(f"/dashboard/submissions/{job}/"))
    assert "Retried by staff" in said
    assert "Ended without score by staff" in said
    assert said.count("asked to withdraw") == 1
    assert "by an operator" not in said


def test_an_older_move_without_a_record_is_told_as_before(staff: Client) -> None:
    job = failed("no space")
    operators.RETRY.verb(job, "")
    assert "Retried by an operator" in text(staff.get(f"/dashboard/submissions/{job}/"))


def test_a_release_is_not_mistaken_for_a_graders_own(staff: Client) -> None:
    make("q")
    job = claim_one("q", "ada")
    staff.post(f"/dashboard/submissions/{job.submission_id}/release/")
    said = text(staff.get(f"/dashboard/submissions/{job.submission_id}/"))
    assert "Released by staff" in said
    assert "Returned by ada" not in said


def test_a_delivery_says_who_sent_it_again(staff: Client) -> None:
    row = Delivery.objects.create(
        job=graded(), transport="callback", host="a.example.org", result=Told.SCORE, state=DeliveryState.GIVEN_UP
    )
    staff.post(f"/dashboard/submissions/{row.job.submission_id}/resend/")
    said = text(staff.get(f"/dashboard/submissions/{row.job.submission_id}/"))
    assert "Delivery to a.example.org sent again by staff" in said
    assert "by an operator" not in said


def test_the_page_of_a_queue_shows_its_newest_moves(staff: Client) -> None:
    job = failed("x")
    staff.post(f"/dashboard/submissions/{job}/retry/")
    operators.PAUSE.run(GraderQueue.objects.get(name="q").pk, operators.PAUSE.by(TESTER, "deploying"))
    said = text(staff.get(page_of("q")))
    assert "What operators did tester paused the queue Command" in said
    assert "Reason: deploying" in said
    assert "staff retried 1 job Dashboard" in said


def test_the_log_is_filtered_in_the_address(staff: Client) -> None:
    job = failed("x")
    staff.post(f"/dashboard/submissions/{job}/retry/")
    operators.RETIRE.by(TESTER).note([Touched("other", 7)])
    OperatorMove.objects.filter(move="retire").update(at=now() - timedelta(days=2))
    page = "/dashboard/activity/"
    everything = text(staff.get(page))
    assert "tester ended 1 job without score in other" in everything
    assert "staff retried 1 job in q" in everything
    for query, shown, hidden in (
        ("person=staff", "retried 1 job", "ended 1 job"),
        ("queue=other", "ended 1 job", "retried 1 job"),
        ("move=retire", "ended 1 job", "retried 1 job"),
        ("time=day", "retried 1 job", "ended 1 job"),
        ("time=week&person=tester", "ended 1 job", "retried 1 job"),
    ):
        said = text(staff.get(f"{page}?{query}"))
        assert (shown in said, hidden in said) == (True, False), query
    assert "No move matches these filters." in text(staff.get(f"{page}?person=nobody"))
    for hostile in ("person=%00", "queue=%ed%a0%80", "time=x&move=y&before=z", "before=99999999999999999999"):
        assert staff.get(f"{page}?{hostile}").status_code == 200


def test_a_long_log_goes_on_on_the_next_page(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PAGE", 2)
    for number in (1, 2, 3):
        operators.RETRY.by(Actor(f"person-{number}", Door.REST)).note([Touched("q", number)])
    first = staff.get("/dashboard/activity/?queue=q")
    assert "person-1 " not in text(first)
    older = OperatorMove.objects.get(actor="person-2").pk
    assert f"?queue=q&amp;before={older}" in first.content.decode()
    assert "person-1 retried" in text(staff.get(f"/dashboard/activity/?queue=q&before={older}"))


def test_a_rare_move_is_looked_for_in_a_bounded_part(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MOST_LOOKED", 2)
    operators.RETIRE.by(Actor("old", Door.REST)).note([Touched("q", 1)])
    for number in (2, 3, 4):
        operators.RETRY.by(TESTER).note([Touched("q", number)])
    first = staff.get("/dashboard/activity/?move=retire")
    assert "Looked at 2 moves, up to here. Look further" in text(first)
    assert "No move matches" not in text(first)
    (address,) = re.findall(r'href="\?([^"]*before=\d+)"', first.content.decode())
    second = text(staff.get(f"/dashboard/activity/?{html.unescape(address)}"))
    assert "old ended 1 job without score" in second
    assert "Look further" not in second


def test_the_order_is_that_of_their_beginning(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PAGE", 1)
    for name, hours in (("first", 3), ("last", 1), ("middle", 2)):
        operators.RETRY.by(Actor(name, Door.REST)).note([Touched("q", 1)])
        OperatorMove.objects.filter(actor=name).update(at=now() - timedelta(hours=hours))
    seen, address = [], ""
    while True:
        page = staff.get(f"/dashboard/activity/?{address}").content.decode()
        seen += re.findall(r"<b><bdi>(\w+)</bdi></b>", page)
        older = re.findall(r'href="\?([^"]*before=\d+)"', page)
        if not older:
            break
        address = html.unescape(older[0])
    assert seen == ["last", "middle", "first"]


def test_a_line_leads_to_its_jobs(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MOST_JOBS", 2)
    operators.RETRY.by(TESTER).note(Touched("q", number) for number in (11, 12, 13))
    page = f"/dashboard/activity/{OperatorMove.objects.get().pk}/"
    first = staff.get(page)
    assert "tester retried 3 jobs" in text(first)
    assert ("/submissions/12/" in first.content.decode(), "/submissions/13/" in first.content.decode()) == (True, False)
    last = MovedJob.objects.get(submission_id=12).pk
    assert "/submissions/13/" in staff.get(f"{page}?after={last}").content.decode()
    assert staff.get("/dashboard/activity/9999/").status_code == 404


def test_an_observer_is_told_what_happened_and_not_who_did_it(observer: Client) -> None:
    job = failed("x")
    operators.RETRY.run(job, operators.RETRY.by(Actor("ada.lovelace", Door.DASHBOARD), "for eve"))
    operators.RETRY.by(TESTER).note([Touched("hidden", 9)])
    Act(TESTER, "password", subject="bob").note([Touched()])
    other = OperatorMove.objects.get(queue_name="hidden").pk
    for page in (
        "/dashboard/activity/",
        "/dashboard/activity/?person=ada.lovelace",
        page_of("q"),
        f"/dashboard/submissions/{job}/",
    ):
        said = text(observer.get(page))
        assert [word for word in ("ada.lovelace", "for eve", "tester", "hidden", "bob") if word in said] == [], page
    assert "an operator retried 1 job in q" in text(observer.get("/dashboard/activity/"))
    assert "Retried by an operator" in text(observer.get(f"/dashboard/submissions/{job}/"))
    assert observer.get(f"/dashboard/activity/{other}/").status_code == 404


def test_hostile_names_are_escaped(staff: Client) -> None:
    User.objects.create(username="<b>")
    Act(Actor("<script>alert(1)</script>", Door.ADMIN), "settings", "<i>", "<u>").note([Touched("<em>")])
    body = staff.get("/dashboard/activity/").content.decode()
    assert [tag for tag in ("<script>alert", "<i>", "<u>", "<em>") if tag in body] == []


def test_an_observer_is_not_told_when_a_move_in_another_queue_began(
    observer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    operators.RETRY.by(TESTER).note([Touched("hidden", 9)])
    hidden = OperatorMove.objects.get().pk
    operators.RETRY.by(TESTER).note([Touched("q", 9)])
    # Ids are in the order of writing; by its time, the hidden one would be before this one.
    OperatorMove.objects.filter(pk=hidden).update(at=now() + timedelta(hours=1))
    shown = text(observer.get(f"/dashboard/activity/?before={hidden}"))
    assert "retried 1 job" not in shown


def test_a_submission_with_several_deliveries_is_named_once(staff: Client) -> None:
    operators.SEND_AGAIN.by(TESTER).note(Touched("q", 7, number) for number in (1, 2))
    page = staff.get(f"/dashboard/activity/{OperatorMove.objects.get().pk}/").content.decode()
    assert page.count('href="/dashboard/submissions/7/"') == 1
