"""How the admin's pages show things: badges, times with their age, links, code."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from submissions.text import duration, made_storable
from submissions.xqueue import replies

EMPTY = "-"


def badge(kind: str, text: object) -> SafeString:
    """A word in a coloured box; the stylesheet has the colour of each `kind`."""
    return format_html('<span class="gq-badge gq-{}">{}</span>', kind, text)


def link(url: str, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)


def subject(title: object, student: str, course: str, item: str) -> SafeString:
    """Student, course and item in one column: long names are cut, the title has them whole."""
    block = item.rpartition("@")[2] or item  # of an Open edX usage key the part that tells one problem from another
    rows = format_html_join("", '<span title="{}">{}</span>', ((student, student), (course, course), (item, block)))
    return format_html('{}<span class="gq-subject gq-note">{}</span>', title, rows)


def lines(parts: Iterable[object]) -> str:
    return format_html_join(mark_safe("<br>"), "{}", ((part,) for part in parts)) or EMPTY


def code(text: str | None) -> str:
    """Text of a grader or a learner, escaped, otherwise unchanged."""
    return format_html('<pre class="gq-code" tabindex="0">{}</pre>', text) if text else EMPTY


def value(given: object) -> str:
    """A learner's answer: a text as it is, everything else as JSON."""
    text = given if isinstance(given, str) else replies.indented(given)
    return code(replies.shortened(made_storable(text)))


def sandbox(html: str) -> str:
    """Sanitised HTML in a frame of its own: no scripts, no access to the page around it."""
    if not html:
        return EMPTY
    # No stylesheet: to the frame, which has no origin, our own address is a stranger's, and it would not get it.
    frame = '<iframe class="gq-reply" sandbox="" referrerpolicy="no-referrer" title="{}" srcdoc="{}"></iframe>'
    return format_html(frame, "The grader's message", f'<!doctype html><meta charset="utf-8"><body>{html}')


def moment(when: datetime | None) -> str:
    """In the server's zone, with its age; a script rewrites it in the reader's zone."""
    if when is None:
        return EMPTY
    local = timezone.localtime(when)
    return format_html(
        '<time class="gq-time" datetime="{}">{}</time> <span class="gq-age">{}</span>',
        local.isoformat(timespec="milliseconds"),
        local.strftime("%Y-%m-%d %H:%M:%S %Z"),
        age(when),
    )


def moment_short(when: datetime | None) -> str:
    """For a column of a list: the age, and below it day and minute."""
    if when is None:
        return EMPTY
    local = timezone.localtime(when)
    return format_html(
        '{}<br><time class="gq-time gq-short gq-note" datetime="{}">{}</time>',
        age(when),
        local.isoformat(timespec="milliseconds"),
        local.strftime("%m-%d %H:%M %Z"),
    )


def age(when: datetime) -> str:
    """``12 min ago``, ``in 4 min``."""
    seconds = (timezone.now() - when).total_seconds()
    text = duration(abs(seconds))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    body = format_html_join(
        "", "<tr>{}</tr>", ((format_html_join("", "<td>{}</td>", ((cell,) for cell in row)),) for row in rows)
    )
    if not body:
        return EMPTY
    head = format_html_join("", '<th scope="col">{}</th>', ((text,) for text in heads))
    return format_html('<div class="gq-wide"><table class="gq-table"><tr>{}</tr>{}</table></div>', head, body)
