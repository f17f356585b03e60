"""Somebody at the dashboard, with a mouse, a finger or a keyboard alone, who counts what is pressed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.dashboard.browser import fits

# So often at most until Tab has come to where it should.
TABS = 300


@dataclass(frozen=True)
class Mode:
    """How somebody reads and acts."""

    name: str
    width: int
    height: int
    scheme: str
    scripts: bool = True
    keyboard: bool = False

    @property
    def options(self) -> dict[str, Any]:
        size = {"width": self.width, "height": self.height}
        return {"viewport": size, "color_scheme": self.scheme, "java_script_enabled": self.scripts}


MODES = (
    Mode("wide", 1280, 800, "light"),
    Mode("narrow", 390, 844, "dark"),
    Mode("phone", 360, 740, "light"),
    Mode("plain", 360, 740, "dark", scripts=False),
    Mode("keys", 1280, 800, "dark", keyboard=True),
)


@dataclass
class Hand:
    page: Page
    mode: Mode
    presses: int = field(default=0, init=False)
    """Links, buttons, boxes and menus that were pressed; typing and Tab do not count, and Enter in a field does."""

    def of(self, thing: str) -> str:
        """The name of what was made for this mode alone, so that no two of them are in each other's way."""
        return f"{thing}-{self.mode.name}"

    def press(self, target: Locator, key: str = "Enter") -> None:
        self.presses += 1
        if self.mode.keyboard:
            self._tab_to(target)
            self.page.keyboard.press(key)
        else:
            target.click()

    def tick(self, target: Locator) -> None:
        self.press(target, "Space")

    def choose(self, target: Locator) -> None:
        """One of several, of which another one is chosen so far."""
        if not self.mode.keyboard:
            self.press(target)
            return
        name = target.get_attribute("name")
        self.press(self.page.locator(f"input[name={name}]:checked"), "ArrowDown")
        expect(target).to_be_checked()

    def write(self, target: Locator, text: str) -> None:
        if self.mode.keyboard:
            self._tab_to(target)
            self.page.keyboard.type(text)
        else:
            target.fill(text)

    def find(self, text: str) -> None:
        field_on_top = self.page.get_by_role("searchbox")
        if self.mode.keyboard:
            self.page.keyboard.press("/")
            expect(field_on_top).to_be_focused()
            self.page.keyboard.type(text)
            self.presses += 1
            self.page.keyboard.press("Enter")
        else:
            field_on_top.fill(text)
            self.press(self.page.get_by_role("button", name="Find"))

    def queue(self, name: str) -> None:
        """From the overview to the page of a queue; by keyboard the key / is shorter than sixty times Tab."""
        if self.mode.keyboard:
            self.find(name)
        else:
            self.press(self.page.get_by_role("link", name=name, exact=True))
        self.sees(self.page.get_by_role("heading", level=1, name=name))

    def sees(self, target: Locator, text: Any = None) -> None:
        """It is there, has this text, and nothing of its page must be scrolled sideways for."""
        expect(target).to_be_visible()
        if text is not None:
            expect(target).to_contain_text(text)
        assert fits(self.page), self.page.url

    def is_told(self, text: Any) -> None:
        self.sees(self.page.locator(".messages").first, text)

    def _tab_to(self, target: Locator) -> None:
        for _ in range(TABS):
            if target.evaluate("node => node === document.activeElement"):
                break
            self.page.keyboard.press("Tab")
        else:
            raise AssertionError(f"Tab does not lead to {target}.")
        outline = target.evaluate("node => getComputedStyle(node).outlineStyle")
        assert outline == "solid", f"Nobody sees that {target} has the focus."
