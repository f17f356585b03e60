"""An operator with a browser: a real one, against the real server, with a grader that runs beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.cli.talk import log_in as grader_login
from tests.cli.talk import pull, put
from tests.dashboard.browser import PHONE, chromium, faults, fits, opened
from tests.server import Server

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "def double(n): return 2 * n"
PAYLOAD = {"tests": [{"call": "double(2)", "expect": "4"}]}


# How many numbers of a queue run into the next one: cells of a row beside each other, by where their texts end.
OVERLAPS = """
[...document.querySelectorAll(".queues tbody tr")].flatMap((row) => {
  const texts = [...row.cells].slice(1).map((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return range.getBoundingClientRect();
  });
  return texts.slice(1).filter((text, n) => text.top < texts[n].bottom && text.left < texts[n].right);
}).length
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a made-up history of one day, and beside it what the tests make."""
    folder = tmp_path_factory.mktemp("dashboard")
    server = Server(f"sqlite:///{folder / 'main.sqlite3'}", folder).start("--delivery-threads", "0")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def accounts(site: Server) -> dict[str, str]:
    rows = site.rows("demo", "--seed-history", "--days", "1", "--queues", "7")
    return {row["name"]: row["password"] for row in rows}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@contextmanager
def staff(browser: Browser, site: Server, accounts: dict[str, str], **options: object) -> Iterator[Page]:
    with opened(browser, site, "demo-staff", accounts["demo-staff"], **options) as page:
        yield page


@contextmanager
def example_grader(site: Server, name: str, password: str, queue: str) -> Iterator[None]:
    command = [sys.executable, str(ROOT / "examples" / "grader.py"), "--url", site.url, "--name", name]
    process = subprocess.Popen(
        [*command, "--queue", queue],
        env=os.environ | {"GRADER_PASSWORD": password},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def fail_all(site: Server, name: str, password: str, queue: str) -> None:
    """A grader that answers without a score, until nothing is left."""
    limit = f"GraderQueue.objects.filter(name={queue!r}).update(max_failures=1)"
    site.run("shell", "-c", f"from submissions.models import GraderQueue; {limit}")
    http, _, _ = grader_login(site, name, password)
    with http:
        while (got := pull(http, site, queue)).json()["return_code"] == 0:
            put(http, site, got, "{}")


def test_an_operator_finds_what_is_stuck_mends_it_and_sees_it_graded(
    browser: Browser, site: Server, accounts: dict[str, str], name: str
) -> None:
    password = site.grader(name, name)
    job = {"queue_name": name, "answer": PROGRAM, "grader_payload": PAYLOAD}
    ids = site.enqueue({**job, "student_id": "a"}, {**job, "student_id": "b"})
    fail_all(site, name, password, name)
    with staff(browser, site, accounts) as page:
        # What is stuck stands on top, with its cause.
        stuck = page.locator("tr.red", has_text="cs201-java")
        expect(stuck).to_contain_text(re.compile(r"\d+ jobs waiting; no grader has polled for 2\sh\s3\d\smin"))
        row = page.locator(".queues tr", has_text=name)
        expect(row).to_contain_text("2 failed jobs need an operator")
        # One click to the failed ones, one to put them back.
        row.get_by_role("link", name="2", exact=True).click()
        expect(page.locator("#failed")).to_contain_text("The reply has no score.")
        page.get_by_role("button", name="Retry 2 jobs").click()
        expect(page.get_by_role("status").first).to_contain_text("2 jobs will be graded again.")
        expect(page.locator("#failed")).to_have_count(0)
        with example_grader(site, name, password, name):
            # The page refreshes itself.
            results = page.locator("section", has_text="Latest results").get_by_role("table")
            expect(results.get_by_role("row")).to_have_count(3, timeout=30_000)
        page.get_by_role("link", name=str(ids[0])).first.click()
        life = page.locator(".timeline")
        expect(life).to_contain_text(f"Grading failed ({name})")
        expect(life).to_contain_text("Retried by demo-staff")
        expect(life).to_contain_text(f"Graded by {name}")
        expect(life).to_contain_text("Scored: 1 of 1 points")
        expect(page.frame_locator("#message").locator("body")).to_contain_text("1 of 1 tests passed.")


def addresses(page: Page) -> list[str]:
    """Of a page of each kind, with much on it."""
    page.goto("/dashboard/")
    queues = [page.get_by_role("link", name=name, exact=True).get_attribute("href") for name in ("algo-cpp", "db-sql")]
    page.goto(str(queues[0]))
    failed = page.locator(".failures .who a").first.get_attribute("href")
    scored = page.locator("section", has_text="Latest results").locator("tbody a").first.get_attribute("href")
    return ["/dashboard/", *map(str, queues), str(failed), str(scored), "/dashboard/find/?q=nothing"]


def test_nothing_serious_is_in_anybodys_way(browser: Browser, site: Server, accounts: dict[str, str]) -> None:
    with staff(browser, site, accounts, color_scheme="dark") as page:
        found = []
        for address in addresses(page):
            page.goto(address)
            page.wait_for_load_state("networkidle")
            found += faults(page)
        assert found == []


def test_the_login_page_is_in_nobodys_way(browser: Browser, site: Server) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(base_url=site.url, color_scheme=scheme, viewport=PHONE)  # type: ignore[arg-type]
        page = context.new_page()
        page.add_init_script("window.violations = []")
        page.goto("/dashboard/login/")
        assert faults(page) == []
        assert fits(page)
        context.close()


def test_a_phone_shows_everything_without_scrolling_sideways(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    with staff(browser, site, accounts, viewport=PHONE) as page:
        for address in addresses(page):
            page.goto(address)
            assert fits(page), address
            assert page.evaluate(OVERLAPS) == 0, address
            assert faults(page) == []
        # What is stuck is on the first screen.
        page.goto("/dashboard/")
        box = page.locator("tr.red .cause").first.bounding_box()
        assert box is not None
        assert box["y"] < PHONE["height"]


EARLY = """
document.addEventListener("DOMContentLoaded", () => setTimeout(() => {
  window.early = document.querySelector("[role=alert]")?.textContent.trim();
}));
"""


def test_what_is_wrong_comes_after_the_page_so_that_readers_speak_it(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    with staff(browser, site, accounts) as page:
        page.add_init_script(EARLY)
        page.goto("/dashboard/jobs/?state=lost")
        expect(page.get_by_role("alert")).to_contain_text("There is no state 'lost'")
        assert page.evaluate("window.early") == ""


def test_names_as_long_as_may_be_and_the_shares_of_graders_fit_a_phone(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    names = {"student_id": "s" * 255, "course_id": "c" * 255, "item_id": "i" * 255}
    site.enqueue({"queue_name": "q" * 128, "answer": "x" * 1000, **names})
    with staff(browser, site, accounts, viewport={"width": 390, "height": 844}) as page:
        page.goto("/dashboard/")
        page.get_by_role("link", name="q" * 128, exact=True).click()
        assert fits(page)
        page.locator("[aria-labelledby=next-title] a").first.click()
        expect(page.locator(".timeline")).to_contain_text("Queued in qqq")
        assert fits(page)
        page.get_by_role("link", name="Open in admin").click()
        expect(page.get_by_role("heading", level=2).first).to_contain_text("in qqq")
        assert fits(page)
        page.goto("/dashboard/")
        page.get_by_role("link", name="algo-cpp", exact=True).click()
        graders = page.locator(".scroll[aria-labelledby=graders-title]")
        expect(graders.get_by_role("columnheader", name="Failure share")).to_be_visible()
        assert graders.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_the_keyboard_is_enough(browser: Browser, site: Server, accounts: dict[str, str], name: str) -> None:
    password = site.grader(name, name)
    site.enqueue({"queue_name": name, "answer": PROGRAM, "grader_payload": PAYLOAD})
    fail_all(site, name, password, name)

    def tab_to(page: Page, words: str) -> None:
        for _ in range(150):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()") == words:
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid"
                return
        raise AssertionError(f"Tab does not lead to {words!r}.")

    with staff(browser, site, accounts) as page:
        page.goto("/dashboard/")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to content")
        tab_to(page, name)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text(name)
        tab_to(page, "Retry 1 job")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status").first).to_contain_text("1 job will be graded again.")


def test_a_refresh_keeps_what_the_reader_opened_and_where_he_is(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    with staff(browser, site, accounts, viewport=PHONE) as page:
        page.clock.install()
        page.goto("/dashboard/")
        page.get_by_role("link", name="algo-cpp", exact=True).click()
        page.get_by_role("link", name="last 7 days").click()
        summary = page.get_by_text("Full text of the latest error").first
        summary.click()
        page.evaluate("window.scrollTo(0, 700)")
        with page.expect_response(re.compile(r"window=week")) as answer:
            page.clock.fast_forward(6_000)
        assert answer.value.request.headers["hx-request"] == "true"
        page.wait_for_timeout(200)
        assert page.evaluate("window.scrollY") == 700
        expect(page.locator("details[open]")).to_have_count(1)
        expect(page.get_by_role("link", name="last 7 days")).to_have_attribute("aria-current", "page")


def test_refreshing_can_be_paused_and_stays_paused(browser: Browser, site: Server, accounts: dict[str, str]) -> None:
    with staff(browser, site, accounts) as page:
        page.clock.install()
        page.goto("/dashboard/")
        page.get_by_role("button", name="Pause refresh").click()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.fast_forward(30_000)
        page.wait_for_timeout(300)
        assert asked == []
        page.reload()
        expect(page.locator("#refreshed")).to_have_text("Refresh is paused.")
        with page.expect_response(re.compile(r"/dashboard/$")):
            page.get_by_role("button", name="Resume refresh").click()
            page.clock.fast_forward(6_000)


def test_what_is_being_confirmed_does_not_move_away(browser: Browser, site: Server, accounts: dict[str, str]) -> None:
    (job,) = site.enqueue({"queue_name": "held"})
    with staff(browser, site, accounts) as page:
        page.clock.install()
        page.goto(f"/dashboard/submissions/{job}/")
        page.get_by_text("End without score…").click()
        page.get_by_label("Reason").fill("a reason that I am still writ")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.fast_forward(30_000)
        page.wait_for_timeout(300)
        assert asked == []
        page.get_by_role("button", name="End without score").click()
        expect(page.get_by_role("status").first).to_contain_text(f"Submission {job} ended without score.")
        expect(page.locator(".timeline")).to_contain_text("a reason that I am still writ")


def test_what_is_typed_and_chosen_is_not_taken_back_by_a_refresh(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    with staff(browser, site, accounts) as page:
        page.clock.install()
        page.goto("/dashboard/activity/")
        person, move = page.locator("input[name=person]"), page.locator("select[name=move]")
        person.fill("somebo")
        page.clock.fast_forward(11_000)
        page.wait_for_timeout(500)
        expect(person).to_have_value("somebo")
        person.fill("")
        move.select_option("retry")
        page.clock.fast_forward(11_000)
        page.wait_for_timeout(500)
        expect(move).to_have_value("retry")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url(re.compile("move=retry"))
        with page.expect_response(re.compile(r"move=retry")):
            page.clock.fast_forward(6_000)


def test_a_server_that_is_away_is_said_and_a_lost_session_leads_to_the_login(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    with staff(browser, site, accounts) as page:
        page.clock.install()
        page.goto("/dashboard/")
        page.route("**/dashboard/", lambda route: route.abort())
        page.clock.fast_forward(6_000)
        expect(page.locator("#refreshed")).to_contain_text("The server did not answer; this page may be out of date.")
        page.unroute("**/dashboard/")
        page.clock.fast_forward(6_000)
        expect(page.locator("#refreshed")).to_have_text("Refreshes every 5 seconds.")
        page.context.clear_cookies()
        page.clock.fast_forward(6_000)
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_the_theme_is_kept(browser: Browser, site: Server, accounts: dict[str, str]) -> None:
    def background(page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    with staff(browser, site, accounts, color_scheme="light") as page:
        light = background(page)
        button = page.get_by_role("button", name="Theme")
        button.click()
        expect(button).to_have_text("Theme: light")
        button.click()
        expect(button).to_have_text("Theme: dark")
        dark = background(page)
        assert dark != light
        page.reload()
        assert background(page) == dark
        assert faults(page) == []


def test_an_observer_sees_the_granted_queues_and_pseudonyms(
    browser: Browser, site: Server, accounts: dict[str, str]
) -> None:
    with opened(browser, site, "demo-observer", accounts["demo-observer"]) as page:
        names = page.locator(".queues .what a")
        expect(names).to_have_count(2)
        assert sorted(names.all_inner_texts()) == ["algo-cpp", "cs101-python"]
        page.get_by_role("link", name="algo-cpp", exact=True).click()
        expect(page.get_by_role("button", name=re.compile("Retry|Pause the queue"))).to_have_count(0)
        page.locator(".failures .who a").first.click()
        expect(page.locator(".facts")).to_contain_text(re.compile(r"student-[0-9a-f]{8}"))
        assert faults(page) == []
