"""A real browser in front of a real server, and what an operator and the tests do with it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.server import Server

# Of Debian's two the shell without windows is the faster one.
CHROMIUM = (
    os.environ.get("TEST_CHROMIUM")
    or shutil.which("chromium-headless-shell")
    or shutil.which("chromium")
    or shutil.which("google-chrome")
)
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
# What a test provokes: refused, not found, a server that is away.
EXPECTED = r"status of 40[034]|net::ERR_FAILED|htmx:(afterRequest|sendError|responseError)"
PHONE = {"width": 360, "height": 740}
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    assert CHROMIUM, "The tests of the pages need Chromium: Debian's chromium-headless-shell, or one at TEST_CHROMIUM."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, server: Server, name: str, password: str, **options: Any) -> Iterator[Page]:
    """The overview, logged in. No page may break its own rules while this lasts."""
    context = browser.new_context(base_url=server.url, timezone_id="UTC", locale="en-GB", **options)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.add_init_script(WATCH)
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    log_in(page, name, password)
    yield page
    unexpected = [one for one in said if not re.search(EXPECTED, one)]
    assert not unexpected, unexpected
    context.close()


def log_in(page: Page, name: str, password: str) -> None:
    page.goto("/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Queues").wait_for()


def faults(page: Page) -> list[str]:
    """What axe finds that is serious or worse, and what the page tried to load against its own policy."""
    return _faults(page, ("serious", "critical"))


def all_faults(page: Page) -> list[str]:
    """The same with what is moderate or minor."""
    return _faults(page, ("minor", "moderate", "serious", "critical"))


def _faults(page: Page, impacts: tuple[str, ...]) -> list[str]:
    # Before axe, which breaks the policy of some pages itself.
    violations = list(page.evaluate("window.violations"))
    # As a developer's tool would: outside the page's own policy.
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{page.url}: {one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:3]}"
        for one in found["violations"]
        if one["impact"] in impacts
    ] + violations


def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
