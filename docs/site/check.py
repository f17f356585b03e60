"""Whether the built site loads anything from elsewhere: ``python docs/site/check.py build/docs``.

Links may lead anywhere; scripts, styles, fonts, pictures and frames must be our own.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# What a browser fetches by itself, and the attribute that says from where.
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
    "use": "href",
}
# Relations of <link> that make a browser fetch nothing.
NAMED_ONLY = {"canonical", "next", "prev", "index", "search", "author", "license", "alternate"}
FOREIGN = re.compile(r"\s*(?:https?:)?//")
IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?\s*(?:https?:)?//[^\s)\"']*")


class Loads(HTMLParser):
    """The foreign addresses that a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        address = values.get(LOADED.get(tag, ""), "")
        if tag == "link" and not set(values.get("rel", "").split()) <= NAMED_ONLY:
            address = values.get("href", "")
        if FOREIGN.match(address):
            self.foreign.append(address)
        self.foreign += IN_STYLES.findall(values.get("style", ""))


def foreign(site: Path) -> list[str]:
    """``FILE: ADDRESS`` for each foreign address that a page or a style sheet loads."""
    found = []
    for path in sorted(site.rglob("*")):
        addresses: list[str] = []
        if path.suffix == ".html":
            page = Loads()
            page.feed(path.read_text())
            addresses = page.foreign + IN_STYLES.findall(path.read_text())
        elif path.suffix == ".css":
            addresses = IN_STYLES.findall(path.read_text())
        found += [f"{path.relative_to(site)}: {address}" for address in addresses]
    return found


if __name__ == "__main__":
    site = Path(sys.argv[1])
    found = foreign(site)
    print("\n".join(found) or f"{len(list(site.rglob('*.html')))} pages, and nothing in them is loaded from elsewhere.")
    raise SystemExit(bool(found))
