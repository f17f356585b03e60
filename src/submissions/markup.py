"""HTML of graders, made fit for a person's screen. A grader runs what learners write: nothing in it is trusted."""

from __future__ import annotations

import re
from collections import Counter
from html import escape

import nh3

LONGEST = 200_000
"""More than anybody reads on a page (characters); what is longer is cut, and says so."""

# No links and no pictures: opening a job must not tell anybody outside that somebody looks at it.
TAGS = nh3.ALLOWED_TAGS - {"a", "area", "img", "map"}


# Deeper is no page that anybody wrote. The library's time grows with the square of it: seconds, for 200,000 characters.
DEEPEST = 500
TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
# They may leave out their end tag, and one of them ends another of its own line; those of the other line nest in it.
ITEMS = {"li": "li", "dd": "dd", "dt": "dd"}
# They have no end tag, or may leave it out; none of them nests but by another one.
WITHOUT_END = {"area", "br", "col", "dd", "dt", "hr", "img", "input", "li", "p", "td", "th", "tr", "wbr"}


def sanitised(html: str) -> str:
    """The HTML without whatever could run, load or lead anywhere; as text where it is nested beyond all reason."""
    # Half a pair of surrogates is no text to the library.
    text = shortened(html).encode("utf-8", "replace").decode()
    if _is_too_deep(text):
        return f"<pre>{escape(text)}</pre>"
    return nh3.clean(text, tags=TAGS, clean_content_tags={"script", "style", "title", "textarea"})


def _is_too_deep(html: str) -> bool:
    if html.count("<") <= DEEPEST:
        return False
    depth, unclosed, last = 0, Counter[str](), ""
    for closes, word in TAG.findall(html):
        name = word.lower()
        before, last = last, ITEMS.get(name, last)
        if not closes and (name not in WITHOUT_END or (name in ITEMS and before not in ("", last))):
            depth += 1
            unclosed[name] += 1
        elif closes and unclosed[name]:
            depth -= 1
            unclosed[name] -= 1
        if depth > DEEPEST:
            return True
    return False


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n... {len(text) - LONGEST:,} more characters"
