"""Makes the pictures of the pages anew, in Chromium, from the seeded demonstration: ``make screenshots``.

Beside each stands what it shows: the templates and styles as they were. A test compares that with the code, not the
pixels, which differ from one Chromium to the next.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page

from tests.dashboard.browser import chromium, opened
from tests.server import Server
from tests.walkthrough import ROOT

IMAGES = ROOT / "docs" / "images"
KEPT = IMAGES / "made-from.json"
DASHBOARD = "src/gradequeue/dashboard"
ADMIN = "src/submissions"
SHOWN = (".html", ".css", ".js", ".svg")

WIDE: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}, "color_scheme": "light"}
DARK: dict[str, Any] = {"viewport": {"width": 1280, "height": 760}, "color_scheme": "dark"}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"}
# The queue of the demonstration that has jobs that failed.
BROKEN = "algo-cpp"

# Of the moving picture: its width, how long each frame stays (milliseconds), how many colours it has.
WIDTH, STAYS, COLOURS = 900, (1800, 1600, 1600, 2200, 1600, 2600), 128
RING = (214, 69, 65)


def sources(folder: str) -> str:
    """A digest of the templates, styles and scripts below `folder`."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix in SHOWN and "vendor" not in path.parts:
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def folder_of(image: str) -> str:
    """Where the page that the picture shows is made."""
    return ADMIN if image.startswith("admin") else DASHBOARD


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(f"sqlite:///{folder}/main.sqlite3", Path(folder)).start("--delivery-threads", "0")
        try:
            rows = server.rows("demo", "--seed-history", "--days", "8")
            _take_all(server, {row["name"]: row["password"] for row in rows}["demo-staff"])
        finally:
            server.stop()
    made = {path.name: sources(folder_of(path.name)) for path in sorted(IMAGES.glob("*.png"))}
    KEPT.write_text(json.dumps(made, indent=1) + "\n")


def _take_all(server: Server, password: str) -> None:
    with chromium() as browser:
        for form, options in (("wide", WIDE), ("dark", DARK), ("phone", PHONE)):
            with opened(browser, server, "demo-staff", password, **options) as page:
                {"wide": _wide, "dark": _dark, "phone": _phone}[form](page)
        # Last: it moves jobs.
        with opened(browser, server, "demo-staff", password, **WIDE) as page:
            _tour(page)


def _wide(page: Page) -> None:
    queue = _queue(page)
    _take(page, "dashboard-overview-wide", "/dashboard/")
    page.goto(queue)
    _take(page, "dashboard-submission-wide", _href(page.locator(".failures .who a").first))
    _take(page, "admin-queues", "/admin/submissions/graderqueue/")
    _take(page, "admin-failed", "/admin/submissions/externalgraderdetail/?status__exact=failed")


def _dark(page: Page) -> None:
    _take(page, "dashboard-queue-dark", _queue(page))


def _phone(page: Page) -> None:
    queue = _queue(page)
    _take(page, "dashboard-overview-phone", "/dashboard/")
    _take(page, "dashboard-queue-phone", queue)
    _take(page, "admin-queues-phone", "/admin/submissions/graderqueue/")
    page.goto("/admin/submissions/externalgraderdetail/?status__exact=failed")
    _take(page, "admin-job-phone", _href(page.locator("#result_list th a").first))


def _queue(page: Page) -> str:
    return _href(page.get_by_role("link", name=BROKEN, exact=True))


def _href(link: Locator) -> str:
    address = link.get_attribute("href")
    assert address is not None
    return address


def _take(page: Page, name: str, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(256).save(IMAGES / f"{name}.png", optimize=True)


# The moving picture. --------------------------------------------------------------------------------------------------


def _tour(page: Page) -> None:
    """A red queue, why it is red, and its failed jobs on their way again; what is clicked next has a ring."""
    link = page.get_by_role("link", name=BROKEN, exact=True)
    frames = [_frame(page), _frame(page, link)]
    link.click()
    button = page.locator(".failures button.do").first
    frames.append(_frame(page, button))
    button.click()
    page.locator(".messages").wait_for()
    frames.append(_frame(page))
    job = page.locator(".failures .who a").first
    frames.append(_frame(page, job))
    job.click()
    frames.append(_frame(page))
    _save(frames)


def _frame(page: Page, clicked: Locator | None = None) -> Image.Image:
    page.wait_for_load_state("networkidle")
    if clicked is not None:
        clicked.scroll_into_view_if_needed()
        page.mouse.wheel(0, 200)  # not at the very edge
        page.wait_for_timeout(300)
    frame = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    if clicked is not None and (box := clicked.bounding_box()) is not None:
        corners = (box["x"] - 8, box["y"] - 8, box["x"] + box["width"] + 8, box["y"] + box["height"] + 8)
        ImageDraw.Draw(frame).rounded_rectangle(corners, radius=10, outline=RING, width=4)
    return frame


def _save(frames: Iterable[Image.Image]) -> None:
    first, *others = (
        frame.resize((WIDTH, round(WIDTH * frame.height / frame.width)), Image.Resampling.LANCZOS).quantize(COLOURS)
        for frame in frames
    )
    first.save(IMAGES / "demo.png", save_all=True, append_images=others, duration=list(STAYS), loop=0, optimize=True)


if __name__ == "__main__":
    main()
