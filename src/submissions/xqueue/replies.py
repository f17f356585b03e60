"""A grader's reply, made fit for a person's screen. A grader runs what learners write: nothing in it is trusted."""

from __future__ import annotations

import json

from submissions.markup import sanitised, shortened
from submissions.text import made_storable


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
