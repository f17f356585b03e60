"""People are told once of what is wrong and once that it is well: by a real mail server and a real HTTP receiver."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils.timezone import now

from gradequeue import env
from gradequeue.notifications import sender
from gradequeue.notifications.channels import News, NotTold
from submissions import operators
from submissions.models import (
    ClaimEnd,
    ClaimOutcome,
    Delivery,
    GraderQueue,
    Notice,
    NoticeTurn,
    Subscription,
    Told,
)
from submissions.statistics import lights
from tests.activity import TESTER
from tests.dashboard.conftest import account, browser_of
from tests.dashboard.test_pages import graded, text
from tests.make import make

pytestmark = pytest.mark.django_db

PAGE = "/dashboard/notifications/"


class Inbox(Message):
    """A mail server that keeps what it is sent, or refuses it."""

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Any] = []
        self.refuses = False

    def handle_message(self, message: Any) -> None:
        self.mails.append(email.message_from_bytes(message.as_bytes(), policy=email.policy.default))

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def texts(self) -> list[tuple[str, str]]:
        return [(str(one["Subject"]), one.get_content().strip()) for one in self.mails]


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    handler = Inbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    settings.SMTP = {"host": "127.0.0.1", "port": port}
    settings.MAIL_FROM = "gradequeue@example.org"
    yield handler
    controller.stop()


class Receiver:
    """A webhook that keeps what it is sent."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    running = Receiver()
    yield running
    running.server.shutdown()
    running.server.server_close()


def person(name: str = "ada", **fields: Any) -> User:
    found = account(name, "view_externalgraderdetail", is_staff=True)
    User.objects.filter(pk=found.pk).update(email=f"{name}@example.org")
    found.refresh_from_db()
    return found


def subscribe(user: User, **fields: Any) -> Subscription:
    return Subscription.objects.create(account=user, **{"channel": "mail", **fields})


def red(name: str = "q") -> None:
    """Nobody ever polled."""
    make(name)


def well(name: str = "q") -> None:
    for job in GraderQueue.objects.filter(name=name):
        operators.PAUSE.run(job.pk, operators.PAUSE.by(TESTER))


def pass_minutes(minutes: int = 2) -> None:
    """For what was noticed; looked at twice, as it takes a look to notice."""
    sender.once()
    for notice in Notice.objects.all():
        notice.since -= timedelta(minutes=minutes)
        notice.well_at = notice.well_at and notice.well_at - timedelta(minutes=minutes)
        notice.save()
    sender.once()


# Once, and once again. ------------------------------------------------------------------------------------------------


def test_a_red_queue_is_told_once_and_told_when_it_is_well(inbox: Inbox, settings: Any) -> None:
    settings.SUBMISSIONS_BASE_URL = "https://queue.example.org"
    subscribe(person())
    red()
    assert sender.once() == 0  # it may be over in a moment
    pass_minutes()
    page = f"https://queue.example.org/dashboard/queues/{GraderQueue.objects.get().pk}/"
    wrong = ("gradequeue: q: A queue is red", f"q: 1 job waiting; no grader has ever polled.\n\n{page}")
    assert inbox.texts() == [wrong]
    assert (inbox.mails[0]["To"], inbox.mails[0]["From"]) == ("ada@example.org", "gradequeue@example.org")
    for _ in range(3):
        pass_minutes()
    assert len(inbox.mails) == 1
    well()
    pass_minutes()
    told = ("gradequeue: q is well again", f"Well again: q (1 job waiting; no grader has ever polled).\n\n{page}")
    assert inbox.texts() == [wrong, told]
    assert Notice.objects.count() == 0


def test_what_comes_and_goes_within_a_minute_is_told_to_nobody(inbox: Inbox) -> None:
    subscribe(person())
    red()
    sender.once()
    well()
    pass_minutes()
    assert (inbox.mails, Notice.objects.count()) == ([], 0)


def test_well_for_a_moment_is_not_well(inbox: Inbox) -> None:
    subscribe(person())
    red()
    pass_minutes()
    well()
    sender.once()
    operators.RESUME.run(GraderQueue.objects.get().pk, operators.RESUME.by(TESTER))
    pass_minutes()
    assert len(inbox.mails) == 1


def test_given_up_deliveries_and_late_results_are_told(inbox: Inbox) -> None:
    subscribe(person(), on_red=False)
    Delivery.objects.create(
        job=graded(),
        transport="callback",
        host="lms.example.org",
        state="given_up",
        last_error="TLS",
        result=Told.SCORE,
    )
    ClaimEnd.objects.create(
        queue_name="q", grader="ada", outcome=ClaimOutcome.LATE, submission_id=1, at=now(), seconds=400
    )
    pass_minutes()
    ((subject, body),) = inbox.texts()
    assert subject == "gradequeue: 2 problems"
    assert body.splitlines() == [
        "q: 1 result could not be delivered to lms.example.org: TLS.",
        "q: 1 result came after its lease; the lease is 300 s, results take 400 s.",
    ]


def test_each_person_is_told_of_the_own_queues_and_kinds(inbox: Inbox) -> None:
    everything, one, none, observer = person(), person("bob"), person("eve"), account("obs")
    User.objects.filter(username="obs").update(email="obs@example.org")
    red("q")
    red("r")
    GraderQueue.objects.get(name="r").observers.add(observer)
    subscribe(everything)
    subscribe(one, queue=GraderQueue.objects.get(name="q"))
    subscribe(none, on_red=False)
    subscribe(User.objects.get(username="obs"))
    pass_minutes()
    told = {str(mail["To"]): str(mail["Subject"]) for mail in inbox.mails}
    assert told == {
        "ada@example.org": "gradequeue: 2 problems",
        "bob@example.org": "gradequeue: q: A queue is red",
        "obs@example.org": "gradequeue: r: A queue is red",
    }
    # Who may no longer look is told no more.
    User.objects.update(is_active=False)
    red("s")
    pass_minutes()
    assert len(inbox.mails) == 3


def test_in_quiet_hours_nothing_is_sent_and_afterwards_what_is_still_wrong(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(person(), quiet_from=time(22), quiet_until=time(6), zone="Europe/Berlin")
    quiet = [True]
    monkeypatch.setattr(sender, "is_quiet", lambda *_: quiet[0])
    red()
    pass_minutes()
    assert inbox.mails == []
    quiet[0] = False
    pass_minutes()
    assert len(inbox.mails) == 1


@pytest.mark.parametrize(
    ("begin", "end", "zone", "hour", "quiet"),
    [
        (time(22), time(6), "UTC", 23, True),
        (time(22), time(6), "UTC", 5, True),
        (time(22), time(6), "UTC", 6, False),
        (time(22), time(6), "Asia/Tokyo", 14, True),
        (time(9), time(17), "UTC", 12, True),
        (time(9), time(17), "UTC", 17, False),
        (None, None, "UTC", 12, False),
        (time(9), time(9), "UTC", 9, False),
    ],
)
def test_quiet_hours(begin: time | None, end: time | None, zone: str, hour: int, quiet: bool) -> None:
    one = Subscription(quiet_from=begin, quiet_until=end, zone=zone)
    assert sender.is_quiet(one, datetime(2026, 7, 1, hour, tzinfo=UTC)) == quiet


# Channels. ------------------------------------------------------------------------------------------------------------


def test_a_webhook_is_told_in_words_and_in_members(receiver: Receiver) -> None:
    subscribe(person(), channel="webhook", address=receiver.url)
    red()
    pass_minutes()
    (told,) = receiver.told
    assert told["text"] == "gradequeue: q: A queue is red\nq: 1 job waiting; no grader has ever polled."
    assert [(one["queue_name"], one["kind"]) for one in told["problems"]] == [("q", "red")]
    assert told["well_again"] == []


def test_whoever_no_longer_sees_every_queue_has_no_webhook(receiver: Receiver) -> None:
    user = person()
    hook = subscribe(user, channel="webhook", address=receiver.url)
    red()
    GraderQueue.objects.get(name="q").observers.add(user)
    User.objects.update(is_staff=False)
    pass_minutes()
    answer = browser_of(user).post(f"/dashboard/notifications/{hook.pk}/test/", follow=True)
    assert "Webhooks are for accounts that see every queue." in text(answer)
    assert receiver.told == []
    User.objects.update(is_staff=True)
    pass_minutes()
    assert [told["text"][:31] for told in receiver.told] == ["gradequeue: q: A queue is red\nq"]


def test_what_could_not_be_sent_is_kept_and_sent_later(inbox: Inbox, receiver: Receiver) -> None:
    mail, hook = subscribe(person()), subscribe(person("bob"), channel="webhook", address=receiver.url)
    inbox.refuses, receiver.status = True, 500
    red()
    pass_minutes()
    mail.refresh_from_db()
    hook.refresh_from_db()
    assert mail.last_error.startswith("The mail server did not take it: ")
    assert "no such mailbox" in mail.last_error
    assert hook.last_error == "The webhook answered with status 500."
    inbox.refuses, receiver.status = False, 204
    sender.once()
    mail.refresh_from_db()
    assert (mail.last_error, len(inbox.mails), Notice.objects.filter(told_at=None).count()) == ("", 1, 0)


def test_a_webhook_cannot_reach_into_the_network(settings: Any) -> None:
    settings.SUBMISSIONS_OUTBOUND_NETWORKS = []
    one = subscribe(person(), channel="webhook", address="http://127.0.0.1:9/")
    red()
    pass_minutes()
    one.refresh_from_db()
    assert "not a public address" in one.last_error


def test_one_process_tells_at_a_time(inbox: Inbox) -> None:
    subscribe(person())
    red()
    pass_minutes()
    inbox.mails.clear()
    red("r")
    sender.once()
    Notice.objects.update(since=now() - timedelta(minutes=5))
    NoticeTurn.objects.update(until=now() + timedelta(minutes=1))
    assert (sender.once(), inbox.mails) == (0, [])
    # The process that had it died.
    NoticeTurn.objects.update(until=now() - timedelta(seconds=1))
    assert (sender.once(), len(inbox.mails)) == (1, 1)


def test_webhooks_that_do_not_answer_keep_the_news_from_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    told: list[int] = []

    def send(subscription: Subscription, news: News) -> None:
        if subscription.channel == "webhook":
            clock[0] += 20
            raise NotTold("It took too long.")
        told.append(subscription.pk)

    monkeypatch.setattr(sender, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(sender, "send", send)
    ada = person()
    for number in range(8):
        subscribe(ada, channel="webhook", address=f"https://hook{number}.example.org/")
    mine = subscribe(ada)
    red()
    pass_minutes()
    sender.once()
    assert told == [mine.pk]
    assert Subscription.objects.exclude(last_error="").count() == 8  # each of the others had its turn, too


def test_who_took_too_long_does_not_end_the_turn_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe(person())
    others = now() + timedelta(minutes=4)
    monkeypatch.setattr(sender, "_look", lambda: NoticeTurn.objects.update(until=others))
    sender.once()
    assert NoticeTurn.objects.get().until == others


def test_a_clock_that_is_set_back_silences_nobody(inbox: Inbox) -> None:
    subscribe(person())
    red()
    ahead = now() + timedelta(hours=2)
    sender.once()
    Notice.objects.update(since=ahead)
    NoticeTurn.objects.update(until=ahead)
    pass_minutes()
    assert len(inbox.mails) == 1
    well()
    sender.once()
    Notice.objects.update(well_at=ahead)
    NoticeTurn.objects.update(until=ahead)
    pass_minutes()
    assert (len(inbox.mails), Notice.objects.count()) == (2, 0)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("", None),
        ("smtp://mail.example.org", ("mail.example.org", 25, "", "", False, False)),
        ("smtp+tls://a%40b:p%2Fw@mail.example.org", ("mail.example.org", 587, "a@b", "p/w", True, False)),
        ("smtp+ssl://mail.example.org:4650", ("mail.example.org", 4650, "", "", False, True)),
    ],
)
def test_the_mail_server_is_named_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, given: str, found: tuple[object, ...] | None
) -> None:
    monkeypatch.setenv("EMAIL_URL", given)
    read = env.smtp()
    assert found == (None if read is None else tuple(read.values()))


@pytest.mark.parametrize(
    "given", ["mail.example.org", "http://a", "smtp://", "smtp://a:port", "smtp://a/box", "smtp://[a"]
)
def test_a_wrong_address_of_a_mail_server_stops_the_start(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("EMAIL_URL", given)
    with pytest.raises(ImproperlyConfigured, match=r"^EMAIL_URL must be smtp://"):
        env.smtp()


# The page. ------------------------------------------------------------------------------------------------------------


def form(**changes: object) -> dict[str, object]:
    return {"queue": "", "channel": "mail", "on_red": "on", "zone": "UTC", **changes}


def test_each_person_adds_tries_and_removes_the_own_ones(inbox: Inbox) -> None:
    browser = browser_of(person())
    other = subscribe(person("bob"))
    answer = browser.post(PAGE, form(quiet_from="22:00", quiet_until="06:00"), follow=True)
    assert "E-mail to ada@example.org" in text(answer)
    assert "All queues that you see: red; quiet from 22:00 to 06:00 (UTC)." in text(answer)
    mine = Subscription.objects.get(account__username="ada")
    assert "A test was sent." in text(browser.post(f"{PAGE}{mine.pk}/test/", follow=True))
    assert inbox.texts() == [("gradequeue: a test", "Messages of gradequeue arrive here.")]
    for verb in ("test", "remove"):
        assert browser.post(f"{PAGE}{other.pk}/{verb}/").status_code == 404
    browser.post(f"{PAGE}{mine.pk}/remove/")
    assert list(Subscription.objects.all()) == [other]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"zone": "Mars/Base"}, "There is no such time zone; one is Europe/Berlin."),
        ({"on_red": ""}, "Choose at least one thing to be told of."),
        ({"quiet_from": "22:00"}, "Quiet hours need a beginning and an end."),
        (
            {"channel": "webhook", "address": "ftp://a"},
            "The address must begin with https:// or http://",
        ),
        ({"channel": "webhook", "address": "https://a:b@c"}, "The address must not hold a name or a password."),
        ({"channel": "fax"}, "Select a valid choice."),
        ({"queue": "999"}, "Select a valid choice."),
    ],
)
def test_what_makes_no_sense_is_refused(inbox: Inbox, changes: dict[str, object], sentence: str) -> None:
    answer = browser_of(person()).post(PAGE, form(**changes))
    assert sentence in text(answer)
    assert Subscription.objects.count() == 0


def test_an_observer_gets_mail_of_the_own_queues_alone(inbox: Inbox, observer: Client) -> None:
    other = GraderQueue.objects.create(name="hidden")
    assert "Your account has no e-mail address" in text(observer.post(PAGE, form()))
    User.objects.filter(username="observer").update(email="o@example.org")
    assert "hidden" not in text(observer.get(PAGE))
    hook = form(channel="webhook", address="https://example.org/")
    assert "Webhooks are for accounts that see every queue." in text(observer.post(PAGE, hook))
    assert "Select a valid choice." in text(observer.post(PAGE, form(queue=other.pk)))
    observer.post(PAGE, form(queue=GraderQueue.objects.get(name="q").pk))
    assert Subscription.objects.count() == 1


def test_without_a_mail_server_the_page_says_so(settings: Any) -> None:
    settings.SMTP = None
    browser = browser_of(person())
    assert "No mail server is configured ( EMAIL_URL )." in text(browser.get(PAGE))
    assert "By: No mail server is configured (EMAIL_URL)." in text(browser.post(PAGE, form()))


def test_the_rule_of_late_results_is_that_of_the_light() -> None:
    assert lights.came_late(lights.Facts(after_lease=1, graded_lately=20)) == ""


def test_a_form_that_is_refused_keeps_what_was_chosen(db: None) -> None:
    boss = browser_of(User.objects.create_superuser("boss"))
    given = {"channel": "webhook", "address": "https://chat.example.org/", "on_late": "on", "zone": "Mars/Olympus"}
    page = boss.post(PAGE, given).content.decode()
    assert "There is no such time zone" in page
    boxes = {name: f'name="{name}" checked>' in page for name in ("on_red", "on_given_up", "on_late")}
    assert boxes == {"on_red": False, "on_given_up": False, "on_late": True}
    page = boss.get(PAGE).content.decode()
    assert all(f'name="{name}" checked>' in page for name in boxes)
