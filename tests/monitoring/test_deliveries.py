"""Each attempt to tell a result is counted, by the loop and by whoever sends by hand."""

from __future__ import annotations

import threading

import pytest
from pytest_django import Settings

from submissions.deliveries import Worker, deliver_due
from submissions.models import Tally
from tests.deliveries.owed import graded, owed

# Nobody listens there.
DEAD = "http://127.0.0.1:9/callback"


@pytest.fixture(autouse=True)
def _allowed(settings: Settings) -> None:
    settings.SUBMISSIONS_CALLBACK_HOSTS = ["127.0.0.1"]
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = ["127.0.0.0/8"]


@pytest.mark.django_db
def test_what_is_sent_by_hand_is_counted() -> None:
    graded(owed(DEAD))
    deliver_due()
    graded(owed("http://never.example.org/callback"))
    deliver_due()
    assert dict(Tally.objects.beginning_with("deliveries:")) == {"callback:unreachable": 1, "callback:given_up": 1}


@pytest.mark.django_db(transaction=True)
def test_what_the_loop_sends_is_counted() -> None:
    graded(owed("http://never.example.org/callback"))
    graded(owed("http://never.example.org/callback"))
    Worker(2).run(threading.Event(), until_idle=True)
    assert dict(Tally.objects.beginning_with("deliveries:")) == {"callback:given_up": 2}
