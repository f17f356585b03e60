"""Results that did not get through are sent again from the list or the page."""

from __future__ import annotations

import pytest
from django.test import Client

from submissions.models import Delivery, DeliveryState, MovedJob
from tests.activity import recorded
from tests.admin.conftest import Login, address, text, told
from tests.make import make

pytestmark = pytest.mark.django_db

DELIVERIES = "/admin/submissions/delivery/"


def delivery(state: str = "given_up", **fields: object) -> Delivery:
    values = {"transport": "callback", "destination": "https://lms.example.org/cb", "host": "lms.example.org"}
    job = make("q")
    return Delivery.objects.create(
        job=job, state=state, result="score", attempts=9, last_error="lms.example.org refuses TLS", **values, **fields
    )


def resend(client: Client, *rows: Delivery, **data: str) -> object:
    posted = {"action": "resend", "index": "0", "select_across": "0", "_selected_action": [row.pk for row in rows]}
    return client.post(DELIVERIES, {**posted, **data}, follow=True)


def test_the_list_says_where_it_goes_and_why_it_does_not(root: Client) -> None:
    delivery()
    assert "Given up 9 - lms.example.org refuses TLS" in text(root.get(DELIVERIES))


def test_deliveries_are_sent_again(root: Client) -> None:
    rows = [delivery(), delivery("waiting")]
    response = resend(root, *rows)
    assert told(response) == ["1 delivery will be sent again.", "1 delivery skipped: nothing to send."]
    assert [row.state for row in Delivery.objects.order_by("pk")] == [DeliveryState.DUE, DeliveryState.WAITING]
    assert recorded() == ["root: resend 1 in q"]
    assert list(MovedJob.objects.values_list("delivery_id", flat=True)) == [rows[0].pk]


def test_sending_again_has_a_permission_of_its_own(login: Login) -> None:
    row = delivery()
    resend(login("view_delivery"), row)
    assert Delivery.objects.get().state == "given_up"
    resend(login("view_delivery", "can_resend", name="b"), row)
    assert Delivery.objects.get().state == "due"


def test_the_button_of_the_page(root: Client) -> None:
    row = delivery()
    url = address("delivery", "change", row.pk)
    shown = text(root.get(url))
    assert "Send again" in shown
    assert "https://lms.example.org/cb" in shown
    response = resend(root, row, page=str(row.pk))
    assert "1 delivery will be sent again." in text(response)
    assert "retried" in text(response)
