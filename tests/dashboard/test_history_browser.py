"""Plots, the log of moves and deliveries in a real browser: pointed at, by keyboard, on a phone, without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.browser import PHONE, chromium, faults, fits, opened
from tests.server import Server

pytestmark = [pytest.mark.walk, pytest.mark.once]

WIDE = {"width": 1280, "height": 900}
PAGES = (
    "/dashboard/?window=day",
    "/dashboard/activity/",
    "/dashboard/activity/1/",
    "/dashboard/deliveries/",
    "/dashboard/notifications/",
)
# Hosts in each state, and a move with a reason.
FILL = """
from datetime import timedelta
from django.utils.timezone import now
from submissions import operators
from submissions.activity import Actor
from submissions.models import Delivery, Door, ExternalGraderDetail
rows = list(Delivery.objects.filter(state="delivered")[:6])
for row, state in zip(rows, ("due", "due", "given_up", "due", "due", "given_up")):
    due = now() - timedelta(minutes=20) if state == "due" else None
    fields = {"state": state, "due_at": due, "delivered_at": None, "last_error": "Connection refused", "attempts": 3}
    fields |= {"host": "dead.example.org", "destination": "https://dead.example.org/"}
    Delivery.objects.filter(pk=row.pk).update(**fields)
act = operators.RETRY.by(Actor("ada", Door.DASHBOARD), "the disk was full")
for job in ExternalGraderDetail.objects.filter(status="failed", queue_name="algo-cpp")[:3]:
    operators.RETRY.run(job.submission_id, act)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("history")
    server = Server(f"sqlite:///{folder / 'main.sqlite3'}", folder).start("--delivery-threads", "0")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def password(site: Server) -> str:
    rows = site.rows("demo", "--seed-history", "--days", "1", "--queues", "4")
    site.run("shell", "-c", FILL)
    return str({row["name"]: row["password"] for row in rows}["demo-staff"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")], ids=["wide", "phone"])
def test_the_new_pages_are_in_nobodys_way(
    browser: Browser, site: Server, password: str, size: dict[str, int], scheme: str
) -> None:
    with opened(browser, site, "demo-staff", password, viewport=size, color_scheme=scheme) as page:
        for address in PAGES:
            page.goto(address)
            page.wait_for_load_state("networkidle")
            assert faults(page) == []
            assert fits(page), address
            # With all values open, too.
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            assert fits(page), address
        assert faults(page) == []


def test_values_are_shown_where_the_reader_points_and_by_arrow_keys(
    browser: Browser, site: Server, password: str
) -> None:
    with opened(browser, site, "demo-staff", password, viewport=WIDE) as page:
        page.clock.install()
        page.goto("/dashboard/?window=day")
        figure = page.locator("#chart-overall")
        plot = figure.get_by_role("slider", name="All queues: values")
        readout = figure.locator(".readout")
        expect(readout).to_be_hidden()
        plot.hover(position={"x": 10, "y": 30})
        form = r"^\d+ \w+,? \d\d:\d\d: Arrived [\d,]+, Graded [\d,]+, Waiting [\d,]+, Failed [\d,]+"
        expect(readout).to_have_text(re.compile(form))
        pointed = readout.inner_text()
        plot.focus()
        page.keyboard.press("End")
        expect(readout).to_contain_text("ada retried 3 jobs in algo-cpp")
        last = readout.inner_text()
        page.keyboard.press("ArrowLeft")
        expect(readout).not_to_have_text(last)
        before = readout.inner_text()
        assert plot.get_attribute("aria-valuetext") == before != pointed
        # A refresh takes neither the focus nor the place.
        with page.expect_response(re.compile("window=day")):
            page.clock.fast_forward(6_000)
        expect(readout).to_be_visible()
        assert page.evaluate("document.activeElement.getAttribute('role')") == "slider"
        page.keyboard.press("Escape")
        expect(readout).to_be_hidden()


def test_without_scripts_the_values_are_a_table_and_the_range_is_a_link(
    browser: Browser, site: Server, password: str
) -> None:
    with opened(browser, site, "demo-staff", password, java_script_enabled=False) as page:
        page.goto("/dashboard/")
        page.get_by_role("link", name="last hour", exact=True).click()
        assert "window=hour" in page.url
        figure = page.locator("#chart-overall")
        figure.get_by_text("Values").click()
        expect(figure.get_by_role("row")).to_have_count(61)
        # One click to the hosts, two more to give up what is due there.
        page.get_by_role("link", name="Deliveries", exact=True).click()
        host = page.get_by_role("region", name="dead.example.org")
        expect(host).to_contain_text("4 results are overdue for delivery to dead.example.org: Connection refused")
        host.get_by_text("Give up…").click()
        host.get_by_role("button", name="Give up all that is due").click()
        expect(page.get_by_role("status").first).to_contain_text("4 deliveries to dead.example.org given up.")
        page.get_by_role("link", name="Activity", exact=True).click()
        expect(page.locator(".acts li").first).to_contain_text("demo-staff gave up 4 deliveries to dead.example.org")


def test_the_log_is_filtered_and_leads_to_the_job(browser: Browser, site: Server, password: str) -> None:
    with opened(browser, site, "demo-staff", password, viewport=PHONE) as page:
        page.get_by_role("link", name="Activity", exact=True).click()
        page.get_by_label("Person").fill("ada")
        page.locator("select[name=move]").select_option("retry")
        page.get_by_role("button", name="Show").click()
        assert "person=ada" in page.url
        line = page.locator(".acts li")
        expect(line).to_have_count(1)
        expect(line).to_contain_text("Reason: the disk was full")
        line.get_by_role("link", name="retried 3 jobs").click()
        page.locator(".ids a").first.click()
        expect(page.locator(".timeline").last).to_contain_text("Retried by ada")
        assert fits(page)
