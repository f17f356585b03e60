"""Pages in the language of who reads them: every word of them, and nothing that a program reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import time, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import django
import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import translation
from django.utils.timezone import now

from gradequeue.dashboard.views import bulk
from submissions import queue
from submissions.accounts import tokens
from submissions.activity import Actor, note
from submissions.conf import conf
from submissions.models import (
    Delivery,
    DeliveryHost,
    DeliveryState,
    Door,
    ExternalGraderDetail,
    GraderQueue,
    Scope,
    StudentItem,
    Subscription,
    Told,
)
from tests.dashboard.conftest import account, browser_of
from tests.make import make
from tests.queue.jobs import claim_one, key_of, later, limit
from tests.words.catalogue import PACKAGES, Entry, of_code, read, write

pytestmark = pytest.mark.django_db

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
# In pseudo every Latin letter of a translation is one of these, so that what is left of the others was not translated.
WIDE = {ord(letter): ord(letter) + 0xFEE0 for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}
KEPT = re.compile(r"(%\(\w+\)[a-z]|%[a-z%]|\{\w+\}|<[^>]+>|&\w+;)")
HEAD = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"

# The same in every language: our name, the time zone's, those of tokens and learners; addresses, times of a filter.
NAMES = re.compile(
    r"\b(gradequeue|UTC|gq_\w{8}|student-[0-9a-f]{8}|\d{4}-\d\d-\d\dT[\d:+]+)|https://\S+"
    # What is stored is English (docs/decisions/0155-pages-are-translated-and-nothing-else.md).
    r"|(Ended|Given up) by an operator\.|took the job and let the lease run out\."
)
# Foreign content, which is shown as it is.
FOREIGN = {"script", "style", "code", "pre", "kbd"}
READ_ALOUD = ("aria-label", "title", "placeholder", "alt")


def pseudo(text: str) -> str:
    parts = [part if KEPT.fullmatch(part) else part.translate(WIDE) for part in KEPT.split(text)]
    return f"⟦{''.join(parts)}⟧"


@pytest.fixture
def in_pseudo(settings: Any, tmp_path: Path) -> None:
    """A language that has a translation of each message of our packages, and of Django's own."""
    folders = [Path(django.__file__).parent / part for part in ("conf", "contrib/auth", "contrib/admin")]
    known = {key for package in PACKAGES for key in of_code(package)}
    known |= {one.key for path in folders for one in read(path / "locale/en/LC_MESSAGES/django.po") if one.one}
    # Sorted: of two with the same text, the one with a plural counts, as in a catalogue.
    made = {
        (context, one): Entry(context, one, many, [pseudo(text) for text in (one, many) if text])
        for context, one, many in sorted(known)
    }
    write(tmp_path / "qq/LC_MESSAGES/django.mo", HEAD, made.values())
    settings.LANGUAGES = [("en", "Ⓔ"), ("qq", "Ⓠ")]
    settings.LOCALE_PATHS = [tmp_path]


class Words(HTMLParser):
    """What a page shows or has read aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in FOREIGN:
            self.foreign.append(tag)
        for name, value in attributes:
            if value and (name in READ_ALOUD or (name.startswith("data-") and name not in NOT_WORDS)):
                self.found.append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag in FOREIGN:
            self.foreign.pop()

    def handle_data(self, data: str) -> None:
        if not self.foreign:
            self.found.append(data)


# Names for scripts and style sheets, addresses of pictures.
NOT_WORDS = {"data-form", "data-icon", "data-hold", "data-still", "data-go-on", "data-theme"}


def untranslated(page: str) -> list[str]:
    words = Words()
    words.feed(page)
    words.close()
    return sorted({text.strip() for text in words.found if re.search(r"[A-Za-z]", NAMES.sub("", text))})


def lines(left: dict[str, list[str]]) -> list[str]:
    """Each text once, with the first page that has it."""
    first = {text: address for address, texts in reversed(left.items()) for text in texts}
    return sorted(f"{text!r} of {address}" for text, address in first.items())


def test_what_is_not_translated_is_found(in_pseudo: None) -> None:
    with translation.override("qq"):
        told = translation.gettext("Waiting")
    assert untranslated(f'<p title="{told}">{told} <b>12</b><code>x</code><bdi>очередь</bdi> UTC</p>') == []
    page = '<p title="Waiting">⟦Щ⟧ <b>failed</b></p><button aria-label="Ⓠ" data-words="Later">+</button>'
    assert untranslated(page) == ["Later", "Waiting", "failed"]


# Every page. ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def boss() -> Client:
    return browser_of(User.objects.create_superuser("хозяйка", email="1@2.3"))


def busy() -> dict[str, int]:
    """Queues, jobs and graders in each state; their names and texts have no Latin letter."""
    made = {"graded": graded(), "failed": failed("диск полон 17"), "lost": lost()}
    job_in("очередь")
    made["waiting"] = job_in("очередь").submission_id
    job_in("пауза")
    limit("пауза", paused=True)
    limit("закрыта", restricted=True)
    made["grader"] = grader()
    for state in (DeliveryState.DUE, DeliveryState.GIVEN_UP, DeliveryState.DELIVERED):
        deliver(made["graded"], state)
    DeliveryHost.objects.create(host="10.0.0.7", failures=9, held_until=now() + timedelta(minutes=4))
    StudentItem.objects.update(course_id="курс")
    return made


def job_in(queue_name: str, **fields: Any) -> ExternalGraderDetail:
    return make(queue_name, student="ученик", item="задача", **fields)


def graded() -> int:
    job_in("очередь", points_possible=4)
    job = claim_one("очередь", "оценщик")
    reply = json.dumps({"correct": True, "score": 0.5, "msg": "<p>хорошо</p>"}, ensure_ascii=False)
    queue.complete(job.submission_id, key_of(job), score=0.5, reply=reply)
    test = {"name": "один", "status": "failed", "points": 1, "max_points": 2, "visibility": "after_due_date"}
    result = {"tests": [test | {"message": "нет", "expected": "1"}], "stdout": {"text": "вывод"}}
    ExternalGraderDetail.objects.filter(pk=job.pk).update(result=json.dumps(result))
    return job.submission_id


def failed(reason: str) -> int:
    limit("очередь", max_failures=1)
    job_in("очередь")
    job = claim_one("очередь", "оценщик")
    queue.fail(job.submission_id, key_of(job), reason=reason)
    return job.submission_id


def lost() -> int:
    """Held, after its lease was lost several times."""
    limit("потери", max_failures=99, backoff_seconds=0)
    job = job_in("потери")
    for _ in range(4):
        claim_one("потери", "оценщик")
        later(301, queue_name="потери")
    claim_one("потери", "оценщик")
    return job.submission_id


def grader() -> int:
    user = account("оценщик")
    user.groups.add(Group.objects.get_or_create(name=conf.GRADER_GROUP)[0])
    GraderQueue.objects.get(name="очередь").graders.add(user)
    tokens.make_token(user, scopes=[Scope.CLAIM], queues=["*"], name="знак")
    job_in("очередь")
    (job,) = queue.claim("очередь", grader="оценщик", terms=queue.Terms(named=True))
    said = {"name": "машина", "version": "1.2", "labels": ["4"]}
    queue.note_claims([job], seconds=None, worker=json.dumps(said))
    queue.drain("оценщик", by="хозяйка")
    return user.pk


def deliver(submission_id: int, state: str) -> None:
    job = ExternalGraderDetail.objects.get(submission_id=submission_id)
    Delivery.objects.create(
        job=job, transport="callback", destination="https://10.0.0.7/", host="10.0.0.7", state=state, result=Told.SCORE,
        due_at=now() + timedelta(hours=1), ready_at=now(), last_error="нет",
        delivered_at=now() if state == DeliveryState.DELIVERED else None,
    )  # fmt: skip


def addresses(made: dict[str, int]) -> Iterator[str]:
    yield from (
        "",
        "?show=trouble",
        "?window=hour",
        "activity/",
        "activity/?move=retry",
        "deliveries/",
        "notifications/",
    )
    yield from (
        "jobs/",
        "jobs/?queue=очередь&state=failed",
        "jobs/?queue=нет",
        "jobs/?submission=нет",
        "jobs/?since=2027-01-31T14:00",
    )
    yield from (
        "find/",
        "find/?q=нет",
        "find/?q=очередь+нет",
        "find/?q=че",
        "find/?q=ученик+9",
        "graders/",
        "graders/?queue=нет",
    )
    yield from (f"queues/{pk}/" for pk in GraderQueue.objects.values_list("pk", flat=True))
    yield from (f"submissions/{made[name]}/" for name in ("graded", "failed", "lost", "waiting"))
    yield from (f"graders/{made['grader']}/", f"graders/{made['grader']}/?machine=машина", "queues/99999/", "login/")


def forms(made: dict[str, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is pressed, in an order in which each can be done."""
    job, host, who = f"submissions/{made['failed']}/", {"host": "10.0.0.7"}, f"graders/{made['grader']}/"
    pk = GraderQueue.objects.get(name="очередь").pk
    yield f"queues/{pk}/retry/", {"cause": ""}
    yield from ((f"{job}{name}/", {"reason": "потом"}) for name in ("retry", "retire", "retire"))
    yield f"submissions/{made['lost']}/release/", {}
    yield f"submissions/{made['graded']}/resend/", {}
    yield from ((f"queues/{pk}/{name}/", {}) for name in ("pause", "pause", "resume", "resend"))
    yield from ((f"deliveries/{name}/", host) for name in ("try-now", "give-up", "give-up", "resend"))
    yield from ((f"{who}{name}/", {}) for name in ("undrain", "drain", "disable", "enable", "password"))
    yield "jobs/move/", {"move": "retry"}
    for move in ("retry", "release", "resend", "retire"):
        yield "jobs/move/", {"move": move, "which": "all"}
        yield "jobs/move/", {"move": move, "which": "all", "sure": "yes"}
    yield "jobs/move/", {"move": "retire", "which": "selected", "job": made["waiting"]}
    yield "notifications/", {"queue": 99, "channel": "webhook", "quiet_from": "10:00", "zone": "7"}
    yield "notifications/", {"queue": pk, "channel": "mail", "on_red": "on", "zone": "UTC"}


def test_every_word_of_every_page_is_translated(
    boss: Client, in_pseudo: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss.cookies[settings.LANGUAGE_COOKIE_NAME] = "qq"
    left = {"/dashboard/": untranslated(boss.get("/dashboard/").content.decode())}
    made = busy()
    user = User.objects.get(username="хозяйка")
    row = Subscription.objects.create(
        account=user, channel="mail", quiet_from=time(22), quiet_until=time(6), last_error="нет", zone="UTC"
    )
    Subscription.objects.create(
        account=user, channel="webhook", address="https://10.0.0.7/", queue=GraderQueue.objects.first()
    )
    for name in ("settings", "grant", "drain", "token"):
        note(Actor("хозяйка", Door.ADMIN), name, subject="предмет", queue_names=["очередь"])
    for address in addresses(made):
        left[address] = untranslated(boss.get(f"/dashboard/{address}").content.decode())
    for address, given in [
        *forms(made),
        (f"notifications/{row.pk}/test/", {}),
        (f"notifications/{row.pk}/remove/", {}),
    ]:
        answer = boss.post(f"/dashboard/{address}", given, follow=True)
        left[f"POST {address}"] = untranslated(answer.content.decode())
    for address in [*addresses(made), *(f"activity/{pk}/" for pk in range(1, 5))]:
        left[f"again {address}"] = untranslated(boss.get(f"/dashboard/{address}").content.decode())
    monkeypatch.setattr(bulk, "PATIENCE", -1.0)
    answer = boss.post("/dashboard/jobs/move/", {"move": "retire", "which": "all", "sure": "yes", "total": "1200"})
    left["work"] = untranslated(answer.content.decode())
    assert not lines(left), "\n".join(lines(left))


def test_the_pages_of_an_observer_and_of_a_stranger(in_pseudo: None, settings: Any) -> None:
    observer, stranger = account("зритель"), account("чужой")
    made = busy()
    left = {}
    for user, seen in ((observer, False), (observer, True), (stranger, False)):
        if seen:
            GraderQueue.objects.get(name="очередь").observers.add(observer)
        client = browser_of(user)
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = "qq"
        for address in addresses(made):
            answer = client.get(f"/dashboard/{address}")
            left[f"{user.username} {address}"] = untranslated(answer.content.decode())
    assert not lines(left), "\n".join(lines(left))


def test_the_pages_of_errors_and_of_the_login(in_pseudo: None, settings: Any) -> None:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "qq"
    wrong = {"username": "никто", "password": "ничто"}
    answers = [
        client.get("/nowhere/", headers=BROWSER),
        client.post("/dashboard/logout/", headers=BROWSER),
        client.get("/admin/auth/user/?id__exact=\0", headers=BROWSER),
        client.get("/dashboard/login/"),
        Client().post("/dashboard/login/", wrong, headers={"Cookie": "django_language=qq"}),
    ]
    assert [answer.status_code for answer in answers] == [404, 403, 302, 200, 200]
    assert [untranslated(answer.content.decode()) for answer in answers] == [[], [], [], [], []]


def test_a_login_that_is_throttled(in_pseudo: None, settings: Any) -> None:
    settings.SUBMISSIONS_LOGIN_FREE_FAILURES = 1
    given = {"username": "никто", "password": "ничто"}
    for number in range(3):
        given["password"] += str(number)
        answer = Client().post("/dashboard/login/", given, headers={"Cookie": "django_language=qq"})
    assert "Too many failed logins".translate(WIDE) in answer.content.decode()
    assert untranslated(answer.content.decode()) == []


# Who gets which language. ---------------------------------------------------------------------------------------------


def test_a_person_chooses(staff: Client) -> None:
    assert '<html lang="en">' in staff.get("/dashboard/jobs/").content.decode()
    answer = staff.post("/dashboard/language/", {"language": "ar", "next": "/dashboard/jobs/"})
    assert (answer.status_code, answer["Location"]) == (302, "/dashboard/jobs/")
    cookie = answer.cookies["django_language"]
    assert (cookie.value, cookie["path"], cookie["httponly"], cookie["samesite"]) == ("ar", "/", True, "Lax")
    answer = staff.get("/dashboard/jobs/")
    assert '<html lang="ar" dir="rtl">' in answer.content.decode()
    assert '<option value="ar" lang="ar" selected>العربية (غير مراجعة)</option>' in answer.content.decode()
    assert '<html lang="ar" dir="rtl">' in staff.get("/nowhere/", headers=BROWSER).content.decode()
    assert translation.get_language() == "en"


def test_a_choice_leads_nowhere_else(staff: Client) -> None:
    answer = staff.post("/dashboard/language/", {"language": "ar", "next": "https://elsewhere.example.org/"})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    staff.post("/dashboard/language/", {"language": "de"})
    assert '<html lang="en">' in staff.get("/dashboard/jobs/").content.decode()
    assert "django_language" not in staff.post("/dashboard/language/", {"language": "../x"}).cookies


def test_a_foreign_site_chooses_nothing() -> None:
    http = Client(enforce_csrf_checks=True)
    assert http.post("/dashboard/language/", {"language": "ar"}).status_code == 403
    assert "django_language" not in http.get("/dashboard/language/?language=ar").cookies


@pytest.mark.parametrize(("asked", "got"), [("fr-CA,fr;q=0.9,en;q=0.8", "fr"), ("es", "es"), ("de", "en"), ("", "en")])
def test_a_browser_asks_for_its_language(asked: str, got: str) -> None:
    answer = Client().get("/dashboard/login/", headers={"Accept-Language": asked})
    assert (f'<html lang="{got}">' in answer.content.decode(), answer["Content-Language"]) == (True, got)
    assert {"Accept-Language", "Cookie"} <= {one.strip() for one in answer["Vary"].split(",")}


@pytest.mark.parametrize(
    "address",
    [
        "/xqueue/status/",
        "/xqueue/get_queuelen/?queue_name=q",
        "/xqueue/nowhere/",
        "/api/nowhere/",
        "/api/external_grading/v1/submissions/",
        "/static/dashboard/dashboard.css",
    ],
)
def test_what_programs_read_is_english(address: str) -> None:
    client = Client()
    client.cookies["django_language"] = "ar"
    answer, plain = client.get(address, headers={"Accept-Language": "ar"}), Client().get(address)
    assert "Content-Language" not in answer
    assert "Accept-Language" not in answer.get("Vary", "")
    assert b"".join(answer) == b"".join(plain)


def test_time_runs_from_left_to_right_in_plots(staff: Client) -> None:
    graded()
    staff.cookies["django_language"] = "ar"
    page = staff.get("/dashboard/").content.decode()
    assert re.search('<div class="plots" dir="ltr" ', page)
    assert re.search('<div class="marks" dir="ltr" ', page)
