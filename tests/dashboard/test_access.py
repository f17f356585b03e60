"""Who may see what."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.timezone import now

from gradequeue.notifications.problems import find_problems
from submissions import queue
from submissions.deliveries import history
from submissions.models import Delivery, GraderQueue
from submissions.models import ExternalGraderDetail as Job
from tests.dashboard.conftest import account, browser_of, page_of
from tests.make import make
from tests.queue.jobs import claim_one, key_of

pytestmark = pytest.mark.django_db

PAGES = ["/dashboard/", "/dashboard/queues/{queue}/", "/dashboard/submissions/{id}/", "/dashboard/find/?q={id}"]


@pytest.fixture
def pages() -> list[str]:
    job = make("q", student="anna")
    number = GraderQueue.objects.get(name="q").pk
    return [page.format(queue=number, id=job.submission_id) for page in PAGES]


def test_who_is_not_logged_in_is_sent_to_the_login_and_back(pages: list[str]) -> None:
    for page in pages:
        answer = Client().get(page)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/dashboard/login/?next=/dashboard/")


def test_a_page_that_refreshes_itself_is_reloaded_rather_than_given_the_login(pages: list[str]) -> None:
    answer = Client().get(pages[0], headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"], answer.content) == (403, "true", b"")


@pytest.mark.parametrize("who", ["nobody", "grader", "staff without the permission", "permission without staff"])
def test_everybody_else_is_refused(pages: list[str], who: str) -> None:
    user = {
        "nobody": lambda: account("x"),
        "grader": lambda: account("x"),
        "staff without the permission": lambda: account("x", is_staff=True),
        "permission without staff": lambda: account("x", "view_externalgraderdetail"),
    }[who]()
    client = browser_of(user)
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 403
        assert b"has no access to the dashboard" in answer.content
        assert b"anna" not in answer.content


def test_staff_see_students(staff: Client, pages: list[str]) -> None:
    assert [staff.get(page).status_code for page in pages] == [200, 200, 200, 302]
    assert b"anna" in staff.get(pages[2]).content


def test_an_observer_sees_pseudonyms_and_no_buttons(observer: Client, pages: list[str]) -> None:
    assert [observer.get(page).status_code for page in pages] == [200, 200, 200, 302]
    body = observer.get(pages[2]).content.decode()
    assert "anna" not in body
    assert "student-" in body
    assert "print(1)" in body
    for page in pages[:3]:
        assert b'method="post" action="/dashboard/submissions' not in observer.get(page).content
        assert b'method="post" action="/dashboard/queues' not in observer.get(page).content
        assert b"/admin/" not in observer.get(page).content


def test_an_observer_is_not_told_what_a_receiver_raised(observer: Client, staff: Client, pages: list[str]) -> None:
    """Who raises may quote a learner's id. Nor do lights tell it, which notifications send on."""
    said = "KeyError: 'anna'"
    Delivery.objects.create(
        job=Job.objects.get(),
        transport="signal",
        host="signal",
        state="given_up",
        attempts=1,
        last_error=said,
        history=history.add("", now(), history.FAILED, said),
    )
    for page in pages[:3]:
        body = observer.get(page).content.decode()
        assert "KeyError" in body
        assert "anna" not in body
    assert staff.get(pages[2]).content.decode().count("KeyError: &#x27;anna") == 2
    assert [one.sentence for one in find_problems() if one.kind == "given_up"] == [
        "1 result could not be delivered to this platform: KeyError"
    ]


def test_a_pseudonym_is_the_same_for_one_student_and_another_for_another(observer: Client) -> None:
    first, again, other = (make("q", student=name, item=item) for name, item in (("a", "1"), ("a", "2"), ("b", "1")))
    shown = [
        observer.get(f"/dashboard/submissions/{job.submission_id}/").content.decode().split("student-")[1][:8]
        for job in (first, again, other)
    ]
    assert shown[0] == shown[1] != shown[2]


def test_an_observer_sees_nothing_of_other_queues(observer: Client) -> None:
    hidden = make("hidden-queue", student="anna")
    make("q")
    assert b"hidden-queue" not in observer.get("/dashboard/").content
    for page in (
        page_of("hidden-queue"),
        f"/dashboard/submissions/{hidden.submission_id}/",
        f"/dashboard/submissions/{hidden.submission_id}/reply/",
        f"/dashboard/find/?q={hidden.submission_id}",
        f"/dashboard/find/?q={hidden.submission.uuid}",
        "/dashboard/find/?q=hidden-queue",
    ):
        answer = observer.get(page)
        assert answer.status_code == 404, page
        assert b"anna" not in answer.content


def test_an_attempt_in_another_queue_is_not_listed_for_an_observer(observer: Client, staff: Client) -> None:
    seen, hidden = make("q", student="a"), make("hidden", student="a")
    page = f"/dashboard/submissions/{seen.submission_id}/"
    link = f"/dashboard/submissions/{hidden.submission_id}/".encode()
    assert link in staff.get(page).content
    assert link not in observer.get(page).content


@pytest.mark.parametrize("verb", ["retry", "retire", "release", "resend"])
def test_an_observer_cannot_do_anything(observer: Client, verb: str) -> None:
    job = make("q")
    assert observer.post(f"/dashboard/submissions/{job.submission_id}/{verb}/").status_code == 403
    for verb_of_queue in ("pause", "resume", "retry", "resend"):
        assert observer.post(f"{page_of('q')}{verb_of_queue}/").status_code == 403
    job.refresh_from_db()
    assert job.status == "pending"
    assert not GraderQueue.objects.get(name="q").paused


@pytest.mark.parametrize("verb", ["retry", "retire", "release", "resend"])
def test_staff_without_the_permission_of_a_verb_see_no_button_and_are_refused(onlooker: Client, verb: str) -> None:
    job = make("q")
    page = f"/dashboard/submissions/{job.submission_id}/"
    assert f'{verb}/"'.encode() not in onlooker.get(page).content
    answer = onlooker.post(f"{page}{verb}/")
    assert answer.status_code == 403
    assert b"has no permission for this action" in answer.content
    job.refresh_from_db()
    assert job.status == "pending"


def test_a_foreign_site_cannot_press_a_button() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(account("boss", is_staff=True, is_superuser=True))
    job = make("q")
    assert client.post(f"/dashboard/submissions/{job.submission_id}/retire/").status_code == 403
    job.refresh_from_db()
    assert job.status == "pending"


def test_a_link_changes_nothing(staff: Client) -> None:
    job = make("q")
    assert staff.get(f"/dashboard/submissions/{job.submission_id}/retire/").status_code == 405
    assert staff.get(f"{page_of('q')}pause/").status_code == 405


def test_observers_log_in_at_the_dashboard_though_they_are_no_staff(observer: Client) -> None:
    client = Client()
    answer = client.post("/dashboard/login/", {"username": "observer", "password": "secret"})
    assert (answer.status_code, answer["Location"]) == (302, "/dashboard/")
    assert client.get("/dashboard/").status_code == 200
    assert client.get("/dashboard/logout/")["Location"] == "/dashboard/"
    assert client.get("/dashboard/").status_code == 200  # a link logs nobody out
    assert client.post("/dashboard/logout/")["Location"] == "/dashboard/login/"
    assert client.get("/dashboard/").status_code == 302


def test_a_wrong_password_is_told(observer: Client) -> None:
    answer = Client().post("/dashboard/login/", {"username": "observer", "password": "wrong"})
    assert answer.status_code == 200
    assert "enter a correct username and password" in answer.content.decode()
    assert "staff account" not in answer.content.decode()


def test_logins_are_throttled(observer: Client, settings: object) -> None:
    settings.SUBMISSIONS_LOGIN_FREE_FAILURES = 2  # type: ignore[attr-defined]
    for _ in range(3):
        Client().post("/dashboard/login/", {"username": "observer", "password": f"wrong{_}"})
    answer = Client().post("/dashboard/login/", {"username": "observer", "password": "secret"})
    assert answer.status_code == 200
    assert "Too many" in answer.content.decode()


def test_a_login_leads_to_no_other_site(observer: Client) -> None:
    given = {"username": "observer", "password": "secret", "next": "https://evil.example/"}
    assert Client().post("/dashboard/login/", given)["Location"] == "/dashboard/"


def test_an_observer_who_is_disabled_is_out(observer: Client) -> None:
    User.objects.filter(username="observer").update(is_active=False)
    assert observer.get("/dashboard/").status_code == 302


def test_the_start_page_leads_to_the_dashboard() -> None:
    assert Client().get("/")["Location"] == "/dashboard/"


def test_no_page_shows_a_key(staff: Client) -> None:
    make("q")
    job = claim_one("q")
    for page in ("/dashboard/", page_of("q"), f"/dashboard/submissions/{job.submission_id}/"):
        assert key_of(job).encode() not in staff.get(page).content
    queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert key_of(job).encode() not in staff.get(f"/dashboard/submissions/{job.submission_id}/").content


def test_the_admin_links_to_the_dashboard() -> None:
    client = browser_of(account("boss", is_staff=True, is_superuser=True))
    assert '<a href="/dashboard/">Dashboard</a>' in client.get("/admin/").content.decode()
