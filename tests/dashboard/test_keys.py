"""The keyboard's shortcuts: they work, can be switched off, and the list of them is what the docs have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browser import all_faults, fits
from tests.dashboard.daily import Daily

pytestmark = [pytest.mark.walk, pytest.mark.once]

DOCS = Path(__file__).resolve().parents[2] / "docs" / "dashboard.md"


def opened(daily: Daily, mode: str) -> Page:
    page = daily.contexts[mode].new_page()
    page.set_default_timeout(20_000)
    page.add_init_script("window.violations = []")
    page.goto("/dashboard/")
    return page


def test_the_list_opens_and_escape_closes_it(daily: Daily) -> None:
    for mode in ("wide", "narrow", "keys"):
        page = opened(daily, mode)
        page.keyboard.press("?")
        shown = page.get_by_role("dialog", name="Keyboard shortcuts")
        expect(shown).to_be_visible()
        expect(shown.get_by_role("button", name="Close")).to_be_focused()
        assert fits(page)
        assert all_faults(page) == []
        # What stands behind it is out of reach.
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).not_to_be_focused()
        page.keyboard.press("Escape")
        expect(shown).to_be_hidden()
        page.close()


def test_it_opens_by_a_button_too_and_single_keys_can_be_switched_off(daily: Daily) -> None:
    page = opened(daily, "wide")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Use the keys / and ? in this browser").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.keyboard.press("?")
    page.keyboard.press("/")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Use the keys / and ? in this browser").check()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    # In a field they are characters.
    page.keyboard.type("?/")
    expect(page.get_by_role("searchbox")).to_have_value("?/")
    page.close()


def test_escape_closes_a_menu_and_leaves_the_focus_at_it(daily: Daily) -> None:
    page = opened(daily, "wide")
    page.goto(f"/dashboard/submissions/{daily.ids['s17-wide']}/")
    page.get_by_text("End without score…").click()
    expect(page.get_by_label("Reason")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Reason")).to_be_hidden()
    expect(page.locator("#retire summary")).to_be_focused()
    page.close()


def test_without_scripts_nothing_offers_them(daily: Daily) -> None:
    page = opened(daily, "plain")
    expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_hidden()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.close()


def test_the_docs_have_the_same_keys(daily: Daily) -> None:
    page = opened(daily, "wide")
    shown = page.locator("#keys dt kbd").all_text_contents()
    page.close()
    table = DOCS.read_text().partition("| key |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert [key for row in rows for key in re.findall(r"`(.*?)`", row)] == shown
