"""Deliveries by host: how they stand, and what an operator does to them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from gradequeue.dashboard.views import bulk
from submissions import deliveries, operators
from submissions.deliveries import claims
from submissions.models import Delivery, DeliveryHost, DeliveryState, GraderQueue, MovedJob, Told
from submissions.statistics import depths, hosts
from tests.activity import TESTER, recorded
from tests.dashboard.test_pages import text
from tests.make import make

pytestmark = pytest.mark.django_db

PAGE = "/dashboard/deliveries/"
A, B = "lms.example.org", "other.example.org"


def delivery(host: str = A, state: str = "due", **fields: Any) -> Delivery:
    """Due in an hour, if it is due."""
    if state == DeliveryState.DUE:
        fields = {"due_at": now() + timedelta(hours=1), "ready_at": now(), **fields}
    return Delivery.objects.create(
        job=make("q"), transport="callback", destination=f"https://{host}/", host=host, state=state, result=Told.SCORE,
        **fields,
    )  # fmt: skip


def test_each_host_says_how_it_stands(staff: Client) -> None:
    delivery(due_at=now() - timedelta(minutes=10), attempts=3, last_error="Connection refused")
    delivery(due_at=now() - timedelta(seconds=1))
    delivery(state="given_up", last_error="HTTP 500")
    delivery(state="delivered", delivered_at=now() - timedelta(hours=2))
    delivery(B, "delivered", delivered_at=now() - timedelta(seconds=70))
    delivery(B, "waiting")
    said = text(staff.get(PAGE))
    assert "1 result could not be delivered to lms.example.org: Connection refused" in said
    assert "1 result is overdue for delivery to lms.example.org: Connection refused" in said
    causes = re.findall(r'<li class="(red|amber|green)"><bdi>(.{10})', staff.get(PAGE).content.decode())
    assert causes[:2] == [("red", "1 result c"), ("amber", "1 result i")]
    assert "0 delivered in the last hour 2 due 1 overdue 1 given up" in said
    assert "Next try now Last error Connection refused" in said
    assert "Last result delivered 1 min 10 s ago to other.example.org" in said or (
        "Last result delivered 1 min ago to other.example.org" in said
    )
    assert "1 delivered in the last hour 0 due 0 overdue 0 given up" in said
    assert said.index("could not be delivered") < said.index("ago to other.example.org")
    assert "ago to other.example.org. Deliveries by host" in text(staff.get("/dashboard/"))


def test_a_result_that_its_platform_refuses_is_overdue_though_it_is_tried_again_later(staff: Client) -> None:
    """Else all is green for a week, and then the results are given up."""
    refused: dict[str, Any] = {"attempts": 9, "last_error": "It answered 403."}
    delivery(ready_at=now() - timedelta(minutes=10), **refused)
    delivery(ready_at=now() - timedelta(minutes=1), **refused)
    delivery(ready_at=now() - timedelta(minutes=10))  # a failure that is held back for an operator
    for page in (PAGE, "/dashboard/"):
        assert "1 result is overdue for delivery to lms.example.org: It answered 403." in text(staff.get(page))
    assert "3 due 1 overdue 0 given up" in text(staff.get(PAGE))
    assert staff.get("/dashboard/jobs/?delivery=overdue").content.count(b'href="/dashboard/submissions/') == 1


def test_nothing_was_ever_sent(staff: Client) -> None:
    assert "No result has been delivered yet." in text(staff.get(PAGE))
    delivery(state="waiting")
    assert "Nothing was delivered to lms.example.org yet" in text(staff.get(PAGE))


def test_a_host_that_is_left_alone_says_until_when(staff: Client) -> None:
    delivery(due_at=now() - timedelta(seconds=5))
    DeliveryHost.objects.create(
        host=A, failures=9, held_until=now() + timedelta(minutes=4), last_error="No route to host"
    )
    said = text(staff.get(PAGE))
    assert "lms.example.org does not answer: No route to host" in said
    assert "; left alone until then" in said


def test_try_now_makes_due_what_waits_and_asks_the_host_again(staff: Client) -> None:
    later, other = delivery(), delivery(B)
    on_its_way = delivery(due_at=now() + claims.lease() - timedelta(seconds=10), attempts=1)
    DeliveryHost.objects.create(host=A, failures=9, held_until=now() + timedelta(minutes=4))
    answer = staff.post(f"{PAGE}try-now/", {"host": A}, follow=True)
    assert "1 delivery to lms.example.org will be tried now." in text(answer)
    assert [due.row.pk for due in claims.take(5, lambda _: 5)] == [later.pk]
    for row in (on_its_way, other):
        before = row.due_at
        row.refresh_from_db()
        assert row.due_at == before
    assert recorded() == ["staff: try-now 1 in q: lms.example.org"]
    assert f"Delivery to {A} tried at once for staff" in text(
        staff.get(f"/dashboard/submissions/{later.job.submission_id}/")
    )
    again = staff.post(f"{PAGE}try-now/", {"host": "unknown.example.org"}, follow=True)
    assert "Nothing to bring forward: what is due there is tried within a minute." in text(again)


def test_giving_up_is_kept_with_its_reason_and_can_be_undone(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "HOST_BATCH", 2)
    rows = [delivery() for _ in range(5)]
    other = delivery(B)
    answer = staff.post(f"{PAGE}give-up/", {"host": A, "reason": "the course is over"}, follow=True)
    assert "5 deliveries to lms.example.org given up." in text(answer)
    for row in rows:
        row.refresh_from_db()
        assert (row.state, row.last_error, row.due_at) == ("given_up", "the course is over", None)
        assert [one.outcome for one in deliveries.attempts_of(row)] == ["given_up"]
    other.refresh_from_db()
    assert other.state == "due"
    assert recorded() == ["staff: give-up 5 in q: lms.example.org: the course is over"]
    assert MovedJob.objects.count() == 5
    answer = staff.post(f"{PAGE}resend/", {"host": A}, follow=True)
    assert "5 deliveries will be sent again." in text(answer)
    assert recorded()[1:] == ["staff: resend 5 in q"]


def hidden(answer: Any) -> dict[str, str]:
    """What the form of the page that goes on sends again."""
    form = answer.content.decode().partition("data-go-on")[2]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))


@pytest.mark.parametrize(
    ("name", "so_far", "told"),
    [
        ("give-up", "%s given up of 5.", "5 deliveries to lms.example.org given up."),
        ("try-now", "%s brought forward of 5.", "5 deliveries to lms.example.org will be tried now."),
    ],
)
def test_what_takes_long_goes_on_by_itself_and_is_one_act(
    staff: Client, monkeypatch: pytest.MonkeyPatch, name: str, so_far: str, told: str
) -> None:
    monkeypatch.setattr(bulk, "PATIENCE", -1)
    monkeypatch.setattr(operators, "HOST_BATCH", 2)
    rows = [delivery() for _ in range(5)]
    other = delivery(B)
    answer = staff.post(f"{PAGE}{name}/", {"host": A, "reason": "the course is over"})
    pages = []
    while answer.status_code == 200:
        pages.append(text(answer))
        # Without scripts, a button of the same form.
        assert f'action="{PAGE}{name}/" data-go-on' in answer.content.decode()
        assert "Continue" in pages[-1]
        answer = staff.post(f"{PAGE}{name}/", hidden(answer))
    assert answer["Location"] == PAGE
    for page, number in zip(pages, ("2 deliveries", "4 deliveries"), strict=True):
        assert "Queues / Deliveries" in page
        assert "Host: lms.example.org" in page
        assert so_far % number in page
    assert told in text(staff.get(PAGE))
    assert recorded() == [f"staff: {name} 5 in q: lms.example.org: the course is over"]
    due = Delivery.objects.filter(state="due", due_at__gt=now() + claims.lease())
    assert [row.pk for row in due] == [other.pk]
    reasons = {"the course is over"} if name == "give-up" else {None}
    assert {Delivery.objects.get(pk=row.pk).last_error for row in rows} == reasons


def test_a_host_that_is_left_alone_is_asked_once_and_not_with_each_batch(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PATIENCE", -1)
    monkeypatch.setattr(operators, "HOST_BATCH", 1)
    for _ in range(3):
        delivery()
    until = now() + timedelta(minutes=4)
    alone = DeliveryHost.objects.create(host=A, failures=9, held_until=until)
    answer = staff.post(f"{PAGE}try-now/", {"host": A})
    alone.refresh_from_db()
    assert alone.held_until is not None
    assert alone.held_until < until
    # A worker has asked, in vain.
    DeliveryHost.objects.filter(host=A).update(held_until=until)
    answer = staff.post(f"{PAGE}try-now/", hidden(answer))
    assert "2 deliveries brought forward of 3." in text(answer)
    alone.refresh_from_db()
    assert alone.held_until == until


@pytest.mark.parametrize(
    "given",
    [{"done": "x", "total": "x", "group": "x"}, {"job": "1", "which": "selected"}, {"origin": "7"}, {"reason": "\0"}],
)
def test_a_forged_form_gives_up_what_is_due_and_no_more(staff: Client, given: dict[str, str]) -> None:
    row, other = delivery(), delivery(B)
    assert staff.post(f"{PAGE}give-up/", {"host": A, **given})["Location"] == PAGE
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {row.pk: "given_up", other.pk: "due"}


def test_the_list_of_jobs_takes_no_move_of_a_host(staff: Client) -> None:
    row = delivery()
    given = {"move": "give-up", "which": "all", "sure": "yes", "host": A}
    assert staff.post("/dashboard/jobs/move/", given).status_code == 404
    row.refresh_from_db()
    assert row.state == "due"


def test_who_may_not_is_refused_and_sees_no_button(onlooker: Client, observer: Client) -> None:
    row = delivery()
    body = onlooker.get(PAGE).content.decode()
    assert (A in body, "Try now" in body, "Give up" in body) == (True, False, False)
    assert observer.get(PAGE).status_code == 403
    for name in ("try-now", "give-up", "resend"):
        for client in (onlooker, observer):
            assert client.post(f"{PAGE}{name}/", {"host": A}).status_code == 403
    row.refresh_from_db()
    assert row.state == "due"
    assert "Deliveries" not in text(observer.get("/dashboard/"))


def test_hostile_hosts(staff: Client) -> None:
    delivery("<script>x", "given_up", last_error="<b>\u202e")
    assert "<script>x" not in staff.get(PAGE).content.decode()
    assert staff.post(f"{PAGE}give-up/", {"host": "a\0" + "x" * 5000}).status_code == 302
    assert staff.post(f"{PAGE}give-up/").status_code == 302


def test_numbers_are_capped_and_the_worst_hosts_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depths, "MOST", 2)
    monkeypatch.setattr(hosts, "MOST", 2)
    monkeypatch.setattr(hosts, "MOST_SHOWN", 2)
    monkeypatch.setattr(depths, "TERMS", 3)
    monkeypatch.setattr(hosts, "AT_ONCE", 2)
    for _ in range(4):
        delivery("b")
    delivery("c", "given_up")
    delivery("a", "delivered", delivered_at=now() - timedelta(seconds=9))
    found, number = hosts.standing()
    assert [(one.name, one.shown(one.due)) for one in found] == [("c", "0"), ("b", "2+")]
    assert number == 3
    for _ in range(3):
        delivery("c", "given_up", last_error="HTTP 500")
    later = now() - timedelta(minutes=10)
    Delivery.objects.filter(host="b").update(due_at=later)
    assert [one.light.causes for one in hosts.standing()[0]] == [
        ("2+ results could not be delivered to c: HTTP 500",),
        ("2+ results are overdue for delivery to b: not tried yet",),
    ]
    latest = hosts.latest()
    assert latest is not None
    assert latest[0] == "a"


def test_a_batch_is_one_transaction_with_its_record() -> None:
    row = delivery()
    act = operators.GIVE_UP.by(TESTER)
    assert [operators.move_host("give-up", A, act) for _ in range(2)] == [1, 0]
    row.refresh_from_db()
    assert row.last_error == "Given up by an operator."


def test_what_stays_in_this_process_is_called_so(staff: Client) -> None:
    """Not by the name of the transport, which stands where others have their host."""
    job = make("q")
    Delivery.objects.create(
        job=job, transport="signal", host="signal", state="given_up", result=Told.SCORE, last_error="KeyError"
    )
    Delivery.objects.create(job=job, transport="event", host="event", state="delivered", delivered_at=now())
    said = text(staff.get(PAGE))
    assert "1 result could not be delivered to this platform: KeyError" in said
    assert re.search(r"Last result delivered [\d.]+ s ago to this platform", said)
    assert 'aria-label="this platform (signal)"' in staff.get(PAGE).content.decode()
    assert "1 result could not be delivered to this platform: KeyError" in text(staff.get("/dashboard/"))
    assert "1 to this platform KeyError" in text(staff.get(f"/dashboard/queues/{GraderQueue.objects.get().pk}/"))
