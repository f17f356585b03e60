"""Finding, the list of jobs and graders in a real browser: wide, on a phone, by keyboard, without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cli.talk import log_in
from tests.dashboard.browser import PHONE, chromium, faults, fits, opened
from tests.server import Server

pytestmark = [pytest.mark.walk, pytest.mark.once]

WIDE = {"width": 1280, "height": 800}
ITEM = "block-v1:ExampleX+CS201+2027+type@problem+block@stack"

PEOPLE = """
from django.contrib.auth.models import User
from submissions.models import GraderQueue
User.objects.create_superuser("demo-staff", password="secret")
GraderQueue.objects.get(name="algo-cpp").observers.add(User.objects.create_user("demo-observer", password="secret"))
"""
MANY = """
from django.utils.timezone import now
from submissions.models import ExternalGraderDetail as Job, GraderQueue, StudentItem, Submission
GraderQueue.objects.get_or_create(name="many")
item = StudentItem.objects.create(student_id="m", course_id="many", item_id="many", item_type="problem")
made = [Submission(student_item=item, attempt_number=n + 1, answer="x") for n in range({number})]
ids = [row.pk for row in Submission.objects.bulk_create(made)]
Job.objects.bulk_create(
    [Job(submission_id=pk, queue_name="many", status="failed", available_at=None, last_error="x") for pk in ids]
)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("lists")
    server = Server(f"sqlite:///{folder / 'main.sqlite3'}", folder).start("--delivery-threads", "0")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def accounts(site: Server) -> dict[str, str]:
    job = {"queue_name": "algo-cpp", "student_id": "s17", "item_id": ITEM}
    site.enqueue(job, {**job, "student_id": "s18"}, {"queue_name": "cs201-java"}, {"queue_name": "cs201-python"})
    site.run("shell", "-c", PEOPLE)
    failed_jobs(site, "algo-cpp", 3)
    return {"demo-staff": "secret", "demo-observer": "secret", "cpp-01": site.grader("cpp-01", "algo-cpp")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@contextmanager
def staff(browser: Browser, site: Server, accounts: dict[str, str], **options: Any) -> Iterator[Page]:
    with opened(browser, site, "demo-staff", accounts["demo-staff"], **options) as page:
        yield page


def failed_jobs(site: Server, queue: str, number: int) -> None:
    site.run("shell", "-c", MANY.replace("{number}", str(number)).replace('"many"', repr(queue)))


def rows(page: Page) -> Any:
    return page.locator("table.jobs tbody tr")


def test_the_question_of_every_day_is_answered_by_keyboard(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    """Why has s17 no score? One key, four characters, Enter; then the submission."""
    with staff(browser, site, accounts, viewport=WIDE) as page:
        page.keyboard.press("/")
        field = page.get_by_role("searchbox")
        expect(field).to_be_focused()
        expect(field).to_have_value("")
        page.keyboard.type("S17")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Jobs 1")
        link = rows(page).get_by_role("link")
        link.focus()
        page.keyboard.press("Enter")
        facts = page.locator(".facts")
        expect(facts).to_contain_text(re.compile(r"Place in line \d+ of \d+|Place in line\s*\d+ of \d+"))
        expect(facts).to_contain_text("Why not yet")
        expect(facts).to_contain_text("Waiting for")
        # A slash in a field is a slash.
        page.keyboard.press("/")
        page.keyboard.type("a/b")
        expect(field).to_have_value("a/b")


ADDRESSES = (
    "/dashboard/jobs/",
    "/dashboard/jobs/?state=failed&queue=algo-cpp",
    "/dashboard/jobs/?learner=s17&state=waiting&course=course",
    "/dashboard/jobs/?state=nothing",
    "/dashboard/jobs/?queue=nothing",
    "/dashboard/find/?q=cs",
    "/dashboard/find/?q=s17+nonsense",
    "/dashboard/find/",
    "/dashboard/graders/",
)


@pytest.mark.parametrize(("viewport", "scheme"), [(WIDE, "light"), (PHONE, "dark")], ids=["wide", "phone"])
def test_the_pages_are_in_nobodys_way(
    browser: Browser, site: Server, accounts: dict[str, str], viewport: dict[str, int], scheme: str
) -> None:
    with staff(browser, site, accounts, viewport=viewport, color_scheme=scheme) as page:
        found: list[str] = []

        def look() -> None:
            page.wait_for_load_state("networkidle")
            found.extend(faults(page))
            assert fits(page), page.url

        for address in ADDRESSES:
            page.goto(address)
            look()
        page.goto("/dashboard/graders/")
        page.get_by_role("link", name="cpp-01", exact=True).click()
        look()
        page.goto("/dashboard/jobs/?state=failed")
        page.get_by_label(re.compile(r"all \d+ jobs of this list")).check()
        page.get_by_role("button", name="End without score…").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("of this list without a score?")
        look()
        assert found == []


def test_what_is_selected_is_retried(browser: Browser, site: Server, accounts: dict[str, str]) -> None:
    failed_jobs(site, "picked", 3)
    with staff(browser, site, accounts, viewport=WIDE) as page:
        page.goto("/dashboard/jobs/?state=failed&queue=picked")
        expect(page.locator("#how-many")).to_have_text("(0)")
        rows(page).nth(1).get_by_role("checkbox").check()
        expect(page.locator("#how-many")).to_have_text("(1)")
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_role("status").first).to_contain_text("1 job will be graded again.")
        expect(rows(page)).to_have_count(2)
        page.get_by_label("Select all jobs of this page").check()
        expect(page.locator("#how-many")).to_have_text("(2)")
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_text("No job matches these filters.")).to_be_visible()


def test_very_many_are_retried_with_one_press_and_a_yes(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    failed_jobs(site, "many", 2000)
    with staff(browser, site, accounts, viewport=WIDE) as page:
        page.goto("/dashboard/jobs/?state=failed&queue=many")
        page.get_by_label("all 2,000 jobs of this list").check()
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Retry all 2,000 jobs of this list?")
        page.get_by_role("button", name="Retry").click()
        # It goes on by itself, from page to page.
        expect(page.locator(".messages")).to_contain_text("2,000 jobs will be graded again.", timeout=200_000)
        page.goto("/dashboard/jobs/?state=waiting&queue=many")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Jobs 2,000")


def test_all_of_it_works_without_scripts(browser: Browser, site: Server, accounts: dict[str, str]) -> None:
    failed_jobs(site, "plain", 2)
    with staff(browser, site, accounts, viewport=PHONE, java_script_enabled=False) as page:
        page.get_by_role("searchbox").fill("plain failed")
        page.get_by_role("button", name="Find").click()
        expect(rows(page)).to_have_count(2)
        expect(page.get_by_label("Select all jobs of this page")).to_be_hidden()
        rows(page).first.get_by_role("checkbox").check()
        page.get_by_role("button", name="Retry").click()
        expect(page.locator(".messages")).to_contain_text("1 job will be graded again.")
        page.get_by_label("all 1 job of this list").check()
        page.get_by_role("button", name="End without score…").click()
        page.get_by_label("Reason").fill("The course is over")
        page.get_by_role("button", name="End without score").click()
        expect(page.locator(".messages")).to_contain_text("1 job ended without score.")
        page.get_by_role("link", name="Remove the filter State: failed").click()
        expect(rows(page)).to_have_count(2)
        page.get_by_text("Narrow the list").click()
        page.get_by_label("State").select_option("ended")
        page.get_by_role("button", name="Show").click()
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text("The course is over")


def test_a_list_is_loaded_down_as_a_file(browser: Browser, site: Server, accounts: dict[str, str]) -> None:
    with staff(browser, site, accounts, viewport=WIDE, accept_downloads=True) as page:
        page.goto("/dashboard/jobs/?learner=s17")
        with page.expect_download() as loading:
            page.get_by_role("link", name="CSV").click()
        assert loading.value.suggested_filename == "jobs.csv"
        lines = loading.value.path().read_text().splitlines()
        assert lines[0].startswith("submission,uuid,state,status,queue,learner,course,item")
        assert len(lines) == 2
        assert f",waiting,pending,algo-cpp,s17,course,{ITEM}," in lines[1]


def test_a_graders_password_is_changed_with_one_press_and_shown_once(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    name = "rotated"
    old = site.grader(name, "algo-cpp")
    with staff(browser, site, accounts, viewport=PHONE) as page:
        page.goto(f"/dashboard/find/?q={name}")
        page.goto("/dashboard/graders/")
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("button", name="Drain").click()
        expect(page.locator(".messages")).to_contain_text(f"Grader {name} gets no further jobs")
        page.get_by_role("button", name="Give jobs again").click()
        page.get_by_role("button", name="New password").click()
        secret = page.locator("#secret").inner_text()
        assert faults(page) == []
        assert fits(page)
        page.get_by_role("link", name="Done").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"Grader {name}")
        assert secret not in page.content()
    answers = [site_login(site, name, password) for password in (old, secret)]
    assert answers == [False, True]


def site_login(site: Server, name: str, password: str) -> bool:
    http, _, answer = log_in(site, name, password)
    http.close()
    return bool(answer["return_code"] == 0)


def test_an_observer_finds_a_learner_of_the_own_queues(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    with opened(browser, site, "demo-observer", accounts["demo-observer"], viewport=WIDE) as page:
        page.get_by_role("searchbox").fill("s17")
        page.get_by_role("button", name="Find").click()
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text(re.compile("student-[0-9a-f]{8}"))
        expect(page.get_by_role("checkbox")).to_have_count(0)
        expect(page.get_by_role("link", name="Graders")).to_have_count(0)
        assert faults(page) == []
