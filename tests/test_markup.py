"""HTML of graders: sanitised, and never at the cost of the others."""

from __future__ import annotations

import pytest

from submissions.markup import sanitised

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("html", "told"),
    [
        ("<p>ok</p><script>alert(1)</script>", "<p>ok</p>"),
        ("<p>one" * 1000, "<p>one</p>" * 1000),
        ("<br>" * 1000, "<br>" * 1000),
        ("<div>x</div>" * 1000, "<div>x</div>" * 1000),
        ("<ul>" + "<li>x" * 1000, "<ul>" + "<li>x</li>" * 1000 + "</ul>"),
        ("<dl>" + "<dt>x<dd>y" * 600, "<dl>" + "<dt>x</dt><dd>y</dd>" * 600 + "</dl>"),
        ("<div>" * 400, "<div>" * 400 + "</div>" * 400),
    ],
)
def test_what_people_write_is_shown(html: str, told: str) -> None:
    assert sanitised(html) == told


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 30_000,
        "<ul><li>" * 20_000,
        "<DIV >" * 20_000 + "</x>" * 15_000,
        "<b><i>" * 600,
        "<li><p><dd>" * 18_000,
        "<DT><li>" * 600,
    ],
)
def test_what_is_nested_beyond_reason_is_shown_as_text(html: str) -> None:
    """The library's time grows with the square of the depth."""
    assert sanitised(html).startswith("<pre>&lt;")
