"""A grader's reply, made fit for a person's screen. A grader runs what learners write: nothing in it is trusted."""

from __future__ import annotations

import json

import nh3

from submissions.text import made_storable

LONGEST = 200_000
"""More than anybody reads on a page (characters); what is longer is cut, and says so."""

# No links and no pictures: opening a job must not tell anybody outside that somebody looks at it.
TAGS = nh3.ALLOWED_TAGS - {"a", "area", "img", "map"}


def pretty(reply: str | None) -> str:
    """The reply as text: JSON with indents, everything else as it came; to be escaped by whoever shows it."""
    value = parsed(reply)
    return shortened(reply or "" if value is None else indented(value))


def html_of(reply: str | None) -> str:
    """The HTML of the reply's ``msg``, without whatever could run, load or lead anywhere; "" where there is none.

    To be shown in a sandbox all the same.
    """
    value = parsed(reply)
    message = value.get("msg") if isinstance(value, dict) else None
    return sanitised(message) if isinstance(message, str) else ""


def sanitised(html: str) -> str:
    # Half a pair of surrogates is no text to the library.
    text = shortened(html).encode("utf-8", "replace").decode()
    return nh3.clean(text, tags=TAGS, clean_content_tags={"script", "style", "title", "textarea"})


def parsed(text: str | None) -> object:
    """The JSON that `text` holds; None where it holds none."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None


def indented(value: object) -> str:
    """`value` as JSON for a reader: indented, every letter as itself."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except RecursionError:
        return "(nested too deeply to be shown)"
    # No page can be sent with half a pair of surrogates.
    return made_storable(text)


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n... {len(text) - LONGEST:,} more characters"
