"""Makes the pictures of ``docs/images`` anew: ``python -m tests.dashboard.screenshots``. Takes a minute or two."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.dashboard.browser import chromium, opened
from tests.server import Server

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}, "color_scheme": "light"}
DARK: dict[str, Any] = {"viewport": {"width": 1280, "height": 760}, "color_scheme": "dark"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"}


def take(page: Page, name: str, address: str | None) -> None:
    if address is not None:
        page.goto(address)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / f"dashboard-{name}.png")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(f"sqlite:///{folder}/main.sqlite3", Path(folder)).start("--delivery-threads", "0")
        try:
            rows = server.rows("demo", "--seed-history", "--days", "8")
            _take_all(server, {row["name"]: row["password"] for row in rows})
        finally:
            server.stop()


def _take_all(server: Server, passwords: dict[str, str]) -> None:
    with chromium() as browser:
        for form, options in (("wide", WIDE), ("dark", DARK), ("phone", PHONE)):
            with opened(browser, server, "demo-staff", passwords["demo-staff"], **options) as page:
                queue = page.get_by_role("link", name="algo-cpp", exact=True).get_attribute("href")
                if form != "dark":
                    take(page, f"overview-{form}", "/dashboard/")
                take(page, f"queue-{form}", queue)
                job = page.locator(".failures .who a").first.get_attribute("href")
                if form != "dark":
                    take(page, f"submission-{form}", job)


if __name__ == "__main__":
    main()
