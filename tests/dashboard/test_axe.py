"""Every page of the dashboard, and of ours in the admin, looked at by axe: wide and on phones, light and dark.

Whoever adds a page adds it here: the addresses are held against those that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from playwright.sync_api import Page

from gradequeue.dashboard import urls
from tests.dashboard.browser import WATCH, all_faults, fits
from tests.dashboard.daily import Daily
from tests.dashboard.hand import Mode

pytestmark = [pytest.mark.walk, pytest.mark.once]

FORMS = (Mode("wide-light", 1280, 800, "light"), Mode("narrow-dark", 390, 844, "dark"))
# By the names of their addresses; those in capitals are filled in.
PAGES = {
    "overview": "/dashboard/",
    "activity": "/dashboard/activity/",
    "move": "/dashboard/activity/1/",
    "deliveries": "/dashboard/deliveries/",
    "notifications": "/dashboard/notifications/",
    "find": "/dashboard/find/?q=nothing",
    "jobs": "/dashboard/jobs/?state=failed",
    "graders": "/dashboard/graders/",
    "grader": "/dashboard/graders/GRADER/",
    "queue": "/dashboard/queues/QUEUE/",
    "submission": "/dashboard/submissions/SUBMISSION/",
}
MORE = (
    "/dashboard/find/",
    "/dashboard/find/?q=cause",
    "/dashboard/jobs/",
    "/dashboard/jobs/?queue=nothing",
    "/dashboard/jobs/?state=nothing",
    "/dashboard/submissions/WAITING/",
    "/dashboard/submissions/0/",
    "/dashboard/nothing/",
    "/nothing",
)
# Pressed, not looked at; files; and two that are looked at elsewhere: the page of the login, and a frame.
NO_PAGES = {
    *("resend-all", "move-host", "remove-notification", "test-notification", "move-many", "change-grader"),
    *("retry-cause", "resend-host", "pause", "resend", "move-job", "logout", "export", "file", "login", "reply"),
    "language",
}


def test_no_page_is_forgotten() -> None:
    assert {one.name for one in urls.urlpatterns} == {*PAGES, *NO_PAGES}


@pytest.fixture(params=FORMS, ids=lambda form: form.name)
def page(request: pytest.FixtureRequest, daily: Daily) -> Iterator[Page]:
    session = daily.contexts["wide"].storage_state()
    with daily.browser.new_context(base_url=daily.site.url, storage_state=session, **request.param.options) as context:
        opened = context.new_page()
        opened.set_default_timeout(20_000)
        opened.add_init_script(WATCH)
        yield opened


def test_pages_of_the_dashboard(page: Page, daily: Daily) -> None:
    found = []
    for address in filled(page, daily):
        page.goto(address)
        found += looked_at(page)
    assert not found, "\n".join(found)


def filled(page: Page, daily: Daily) -> Iterator[str]:
    page.goto("/dashboard/graders/")
    grader = number(page, "drain-wide")
    page.goto("/dashboard/")
    known = {"GRADER": grader, "QUEUE": number(page, "log-wide"), "WAITING": daily.ids["s17-wide"]}
    known["SUBMISSION"] = daily.ids["log-wide"]
    for address in (*PAGES.values(), *MORE):
        yield re.sub(r"[A-Z]{5,}", lambda word: str(known[word[0]]), address)


def number(page: Page, name: str) -> str:
    href = page.get_by_role("link", name=name, exact=True).first.get_attribute("href")
    return str(href).strip("/").rpartition("/")[2]


def test_pages_of_ours_in_the_admin(page: Page) -> None:
    found = []
    for model in apps.get_app_config("submissions").get_models():
        if not admin.site.is_registered(model):
            continue
        listed = f"/admin/submissions/{model._meta.model_name}/"
        page.goto(listed)
        found += looked_at(page)
        link = page.locator("#result_list th a, #result_list td a").first
        if link.count():
            page.goto(str(link.get_attribute("href")))
            found += looked_at(page)
    page.goto("/admin/submissions/graderqueue/add/")
    found += looked_at(page)
    page.goto("/admin/submissions/externalgraderdetail/")
    page.locator("#result_list input[name=_selected_action]").first.check()
    page.locator("select[name=action]").first.select_option("retire_jobs")
    page.locator("button[name=index]").first.click()
    found += looked_at(page)
    assert not found, "\n".join(found)


def looked_at(page: Page) -> list[str]:
    page.wait_for_load_state("networkidle")
    return [*all_faults(page), *([] if fits(page) else [f"{page.url} is wider than its window"])]
