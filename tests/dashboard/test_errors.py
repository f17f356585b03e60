"""What somebody reads who is at the wrong address, or whose form is refused."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.test.utils import override_settings

from gradequeue.http import errors

pytestmark = pytest.mark.django_db

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def title_of(answer: object) -> str:
    body = answer.content.decode()  # type: ignore[attr-defined]
    assert '<html lang="en">' in body
    assert '<a href="/">All queues</a>' in body
    return str(body.partition("<title>")[2].partition("</title>")[0])


def test_a_browser_gets_a_page_with_a_title_and_a_way_home() -> None:
    answer = Client().get("/nowhere/", headers=BROWSER)
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert title_of(answer) == "There is nothing at this address · gradequeue"
    assert answer["Vary"].split(", ")[0] == "Accept"


def test_others_get_what_they_read() -> None:
    plain = Client().get("/nowhere/")
    assert (plain.status_code, plain.content) == (404, b"There is nothing at this address\n")
    grader = Client().get("/xqueue/nowhere/", headers=BROWSER)
    assert grader.json() == {"return_code": 1, "content": "There is nothing at this address"}
    rest = Client().get("/api/nowhere/", headers=BROWSER)
    assert (rest.status_code, rest["Content-Type"]) == (404, "application/problem+json")


def test_a_form_without_its_token_is_told_what_helps() -> None:
    http = Client(enforce_csrf_checks=True)
    http.force_login(User.objects.create_superuser("root"))
    answer = http.post("/dashboard/logout/", headers=BROWSER)
    assert answer.status_code == 403
    assert title_of(answer) == "This form is no longer valid · gradequeue"
    assert "reload the page" in answer.content.decode()
    assert "DEBUG" not in answer.content.decode()


def test_the_address_of_a_button_is_no_blank_page(staff: Client) -> None:
    answer = staff.get("/dashboard/jobs/move/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert '<a href="/dashboard/">All queues</a>' in answer.content.decode()


def test_a_button_that_is_pressed_after_the_session_ended_leads_back_to_a_page() -> None:
    answer = Client().post("/dashboard/jobs/move/", {"move": "retry"})
    assert answer["Location"] == "/dashboard/login/?next=/dashboard/"
    assert Client().get("/dashboard/jobs/?state=failed")["Location"].endswith("?next=/dashboard/jobs/%3Fstate%3Dfailed")


@override_settings(ALLOWED_HOSTS=["here.example.org"])
def test_a_host_that_is_not_ours_is_a_bad_request() -> None:
    answer = Client().get("/dashboard/", headers={**BROWSER, "Host": "elsewhere.example.org"})
    assert (answer.status_code, title_of(answer)) == (400, "Bad request · gradequeue")


def test_an_error_and_a_refusal_have_pages_too(django_assert_num_queries: object) -> None:
    request = RequestFactory().get("/dashboard/", headers=BROWSER)
    with django_assert_num_queries(0):  # type: ignore[operator]
        failed, refused = errors.server_error(request), errors.forbidden(request)
    assert (failed.status_code, title_of(failed)) == (500, "Internal error; please try again · gradequeue")
    assert (refused.status_code, title_of(refused)) == (403, "Forbidden · gradequeue")
