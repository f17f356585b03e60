"""What a page of another site can make a browser do, and a stranger a server believe: nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from submissions.models import GraderQueue
from tests.make import enqueue
from tests.xqueue.talk import GOOD, PASSWORD, Http, job, pull, put, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(db: None) -> Client:
    User.objects.create_superuser("root", password=PASSWORD)
    http = Http()
    http.force_login(User.objects.get(username="root"))
    return http


def test_another_sites_form_changes_nothing_in_the_admin(operator: Client) -> None:
    """CSRF: the cookie comes along, the token does not."""
    row = GraderQueue.objects.create(name="q")
    change = f"/admin/submissions/graderqueue/{row.pk}/change/"
    fields = {"score_meaning": "ratio", "initial_delay_seconds": "0", "wait_milliseconds": "0", "paused": "on"}
    assert operator.post(change, fields).status_code == 403
    assert operator.post(change, {**fields, "csrfmiddlewaretoken": "a" * 32}).status_code == 403
    row.refresh_from_db()
    assert row.paused is False


def test_another_sites_form_logs_nobody_in_or_out_of_the_admin(operator: Client) -> None:
    assert operator.post("/admin/logout/").status_code == 403
    assert operator.get("/admin/logout/").status_code == 405
    assert operator.get("/admin/").status_code == 200


@pytest.mark.parametrize("endpoint", ["get_submission", "get_queuelen", "logout"])
def test_another_sites_link_takes_no_job_and_ends_no_session(grader: Client, endpoint: str) -> None:
    submission = enqueue("q")
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = grader.get(f"/xqueue/{endpoint}/", {"queue_name": "q"}, headers=headers)
    assert said(answer) == (403, {"return_code": 1, "content": "Requests from other sites are refused"})
    assert job(submission).num_pulls == 0
    assert put(grader, pull(grader).header) == (200, {"return_code": 0, "content": ""})


def test_another_sites_form_sends_no_result(grader: Client) -> None:
    enqueue("q")
    work = pull(grader)
    result = {"xqueue_header": work.header, "xqueue_body": GOOD}
    answer = grader.post("/xqueue/put_result/", result, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert job(work.submission_id).status == "pulled"


def test_cookies_do_not_go_with_requests_of_other_sites(grader: Client) -> None:
    cookie = grader.cookies["sessionid"]
    assert (cookie["samesite"], cookie["httponly"]) == ("Lax", True)


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host"])
def test_no_address_is_made_of_a_strangers_host(grader: Client, header: str) -> None:
    enqueue("q", files={"a.py": "print(1)"})
    answer = grader.get("/xqueue/get_submission/", {"queue_name": "q"}, headers={header: "evil.example.org"})
    assert "evil.example.org" not in answer.content.decode()
    assert answer.status_code == {"Host": 400, "X-Forwarded-Host": 200}[header]


@pytest.mark.parametrize("target", ["https://evil.example.org/", "//evil.example.org", "javascript:alert(1)"])
def test_a_login_leads_to_no_other_site(db: None, target: str) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    account = {"username": "root", "password": PASSWORD, "next": target}
    answer: Any = Client().post(f"/admin/login/?next={target}", account)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../settings.py",
        "/static/..%2f..%2fsettings.py",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static//etc/passwd",
        "/static/admin/../../../../etc/passwd",
        "/static/..\\..\\settings.py",
        "/xqueue/files/1/..%2f..%2fetc%2fpasswd",
        "/autoscaling/../metrics",
        "/admin/../static/../../etc/passwd",
    ],
)
def test_no_path_leads_out_of_what_is_served(db: None, settings: Settings, path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code in (302, 403, 404)
    assert b"root:" not in answer.content
    assert b"SECRET" not in answer.content


def test_an_error_shows_nothing_of_its_inside(
    grader: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the secret inside")

    monkeypatch.setattr("submissions.queue.claim", broken)
    answer = grader.get("/xqueue/get_submission/", {"queue_name": "q"})
    assert said(answer) == (500, {"return_code": 1, "content": "Internal error; please try again"})
    assert settings.DEBUG is False
    monkeypatch.setattr("django.contrib.admin.sites.AdminSite.each_context", broken)
    http = Client(raise_request_exception=False)
    http.force_login(User.objects.create_superuser("root", password=PASSWORD))
    page = http.get("/admin/")
    assert (page.status_code, page.content) == (500, b"Internal error; please try again\n")
    assert mail.outbox == []
