"""How the admin's pages show things: badges, times with their age, links, code."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_noop

from submissions import markup
from submissions.models import ExternalGraderDetail, Score
from submissions.text import made_storable
from submissions.words import duration
from submissions.xqueue import replies

EMPTY = "-"

OUTCOMES = (
    # Of claims (`submissions.queue.claim_log`).
    *(gettext_noop("completed"), gettext_noop("failed"), gettext_noop("released"), gettext_noop("lost")),
    *(gettext_noop("interrupted"), gettext_noop("ungradable"), gettext_noop("retried"), gettext_noop("retired")),
    # Of deliveries (`submissions.deliveries.history`).
    *(gettext_noop("delivered"), gettext_noop("refused"), gettext_noop("given_up")),
)
"""The words of the logs that rows carry, as they are stored."""


def badge(kind: str, text: object) -> SafeString:
    """A word in a coloured box; the stylesheet has the colour of each `kind`."""
    return format_html('<span class="gq-badge gq-{}">{}</span>', kind, text)


def badge_of(job: ExternalGraderDetail) -> SafeString:
    """Where a job stands."""
    return badge(job.look, capfirst(job.state_in_words))


def outcome(word: str) -> str:
    """How a claim or a delivery ended, as its log has it."""
    return gettext(word) if word in OUTCOMES else word


def link(url: str, text: object) -> SafeString:
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, text)


def subject(title: object, student: str, course: str, item: str) -> SafeString:
    """Student, course and item in one column, whole: what is shown can be searched for."""
    rows = format_html_join(
        "", '<span title="{}"><bdi>{}</bdi></span>', ((student, student), (course, course), (item, item))
    )
    return format_html('{}<span class="gq-subject gq-note">{}</span>', title, rows)


def lines(parts: Iterable[object]) -> str:
    return format_html_join(mark_safe("<br>"), "<bdi>{}</bdi>", ((part,) for part in parts)) or EMPTY


def code(text: str | None) -> str:
    """Text of a grader or a learner, escaped, otherwise unchanged."""
    return format_html('<pre class="gq-code" tabindex="0" dir="auto">{}</pre>', text) if text else EMPTY


def value(given: object) -> str:
    """A learner's answer: a text as it is, everything else as JSON."""
    text = given if isinstance(given, str) else replies.indented(given)
    return code(markup.shortened(made_storable(text)))


def points(score: Score) -> str:
    """ "3/4 points", "0/0 points (reset)"."""
    return (gettext("%(score)s points (reset)") if score.reset else gettext("%(score)s points")) % {"score": score}


def sandbox(html: str) -> str:
    """Sanitised HTML in a frame of its own: no scripts, no access to the page around it."""
    if not html:
        return EMPTY
    # No stylesheet: to the frame, which has no origin, our own address is a stranger's, and it would not get it.
    frame = '<iframe class="gq-reply" sandbox="" referrerpolicy="no-referrer" title="{}" srcdoc="{}"></iframe>'
    return format_html(frame, gettext("The grader's message"), f'<!doctype html><meta charset="utf-8"><body>{html}')


def moment(when: datetime | None) -> str:
    """In the server's zone, with its age; a script rewrites it in the reader's zone."""
    if when is None:
        return EMPTY
    local = timezone.localtime(_with_zone(when))
    return format_html(
        '<time class="gq-time" datetime="{}">{}</time> <span class="gq-age">{}</span>',
        local.isoformat(timespec="milliseconds"),
        local.strftime("%Y-%m-%d %H:%M:%S %Z"),
        age(when),
    )


def moment_short(when: datetime | None) -> str:
    """For a column of a list: the age, and below it the minute."""
    if when is None:
        return EMPTY
    local = timezone.localtime(_with_zone(when))
    return format_html(
        '{}<br><time class="gq-time gq-short gq-note" datetime="{}">{}</time>',
        age(when),
        local.isoformat(timespec="milliseconds"),
        local.strftime("%Y-%m-%d %H:%M %Z"),
    )


def age(when: datetime) -> str:
    """``12 min ago``, ``in 4 min``."""
    seconds = (datetime.now(UTC) - _with_zone(when)).total_seconds()
    text = duration(abs(seconds))
    words = gettext("%(time)s ago") if seconds >= 0 else gettext("in %(time)s")
    return words % {"time": text}


def _with_zone(when: datetime) -> datetime:
    """Where USE_TZ is False, a row's time is a local one and does not say so."""
    return when if when.tzinfo else timezone.make_aware(when, timezone.get_default_timezone())


def table(name: str, heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """`name`: what a screen reader calls it."""
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", "<td><bdi>{}</bdi></td>", ((cell,) for cell in row)),) for row in rows),
    )
    if not body:
        return EMPTY
    head = format_html_join("", '<th scope="col">{}</th>', ((text,) for text in heads))
    # What can be scrolled can have the focus.
    inner = '<table class="gq-table"><tr>{}</tr>{}</table>'
    wide = f'<div class="gq-wide" tabindex="0" role="region" aria-label="{{}}">{inner}</div>'
    return format_html(wide, name, head, body)
