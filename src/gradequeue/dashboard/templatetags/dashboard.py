"""Times, numbers and plots, as the pages show them, in the page's language. Everything of others is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Sized
from datetime import UTC, datetime, timedelta

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext

from gradequeue.dashboard import figures, plots
from submissions import words
from submissions.models import ExternalGraderDetail, Status
from submissions.statistics import depths, jobs_list, lights
from submissions.statistics.history import Bucket, together
from submissions.statistics.hosts import Host
from submissions.statistics.standing import Standing
from submissions.words import duration

register = template.Library()

# "2 h 36 min" stays on one line.
_SPAN = re.compile(r"(?<=\d) (?=(?:d|j|h|min|s|%)\b| *%)|(?<=\d [djh]) (?=\d)")

# Without scripts; the script writes times in the reader's zone.
FORMS = {"time": "H:i:s", "mark": "j M H:i", "full": "j M Y H:i:s"}


@register.filter(name="duration")
def unbroken_duration(seconds: float | timedelta | None) -> str:
    return duration(seconds).replace(" ", "\u00a0")


@register.filter
def unbroken(sentence: str) -> str:
    """A cause of a light, with its times in one piece."""
    return _SPAN.sub("\u00a0", sentence)


@register.filter
def is_hour(seconds: timedelta) -> bool:
    """Whether "the last hour" says it."""
    return seconds == timedelta(hours=1)


@register.filter
def span(seconds: timedelta) -> str:
    """Behind "in the last": "hour", "43 min"."""
    return pgettext("in the last", "hour") if is_hour(seconds) else unbroken_duration(seconds)


@register.filter
def number(value: int) -> str:
    return words.number(value)


@register.filter
def at_least(value: int, more: bool) -> str:
    """ "1,000+" where there may be more."""
    return depths.at_least(value) if more else words.number(value)


@register.filter
def jobs(standing: Standing, which: str) -> str:
    """How many jobs of a queue are `which` (waiting, being_graded, failed)."""
    return standing.count.shown(getattr(standing, which))


@register.filter
def deliveries(host: Host, which: str) -> str:
    """How many deliveries to a host are `which` (delivered, due, overdue, given_up)."""
    return host.shown(getattr(host, which))


@register.filter
def host_words(host: str) -> str:
    return lights.host_in_words(host)


@register.filter
def host_title(host: str) -> str:
    """The same as a heading: two ways within this process have two of them."""
    words = lights.host_in_words(host)
    return words if host in ("", words) else f"{words} ({host})"


@register.filter
def length_beyond(values: Sized, most: int) -> int:
    """How many there are besides the first `most`."""
    return max(len(values) - most, 0)


@register.filter
def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@register.filter
def points(value: float | None) -> str:
    return figures.points(value)


@register.simple_tag
def moment(at: datetime | None, now: datetime | None = None, form: str = "time") -> SafeString:
    """A time in UTC, which the script rewrites in the reader's zone; with its age where `now` is given."""
    if at is None:
        return format_html('<span class="age">{}</span>', "-")
    utc = at.astimezone(UTC)
    shown = date_format(utc, FORMS[form]) + ("" if form == "mark" else " UTC")
    iso, plain = utc.isoformat(timespec="milliseconds"), utc.strftime("%Y-%m-%d %H:%M:%S UTC")
    tag = '<time datetime="{}" data-form="{}" title="{}">{}</time>'
    time = format_html(tag, iso, form, plain, shown)
    return time if now is None else format_html('{} <span class="age">· {}</span>', time, ago(at, now))


@register.filter
def left(until: datetime | None, now: datetime) -> str:
    """How long a lease still holds."""
    if until is None:
        return "-"
    if until > now:
        return unbroken_duration(until - now)
    return gettext("expired %(time)s ago") % {"time": unbroken_duration(now - until)}


@register.filter
def since(at: datetime | None, now: datetime) -> str:
    return "-" if at is None else unbroken_duration(max(now - at, timedelta()))


@register.filter
def ago(at: datetime, now: datetime) -> str:
    return gettext("%(time)s ago") % {"time": since(at, now)}


@register.simple_tag
def linked(text: str, address: str = "") -> SafeString:
    """A foreign text by itself, as part of a sentence; with an address, a link."""
    return (
        format_html('<a href="{}"><bdi>{}</bdi></a>', address, text) if address else format_html("<bdi>{}</bdi>", text)
    )


@register.simple_tag
def isolated(names: Iterable[str]) -> SafeString:
    """Foreign names in a row, each by itself, as part of a sentence."""
    return format_html_join(", ", "<bdi>{}</bdi>", ((name,) for name in names))


@register.simple_tag
def jobs_address(**filters: str) -> str:
    """The list of these jobs."""
    return f"{reverse('dashboard:jobs')}?{urlencode(filters)}"


@register.filter
def claim_end(outcome: str) -> str:
    """How a claim ended, in words."""
    return jobs_list.CLAIMS.get(outcome, outcome)


@register.simple_tag
def languages() -> Sequence[tuple[str, str]]:
    """Each with its own name, which no catalogue translates."""
    return list(settings.LANGUAGES)


@register.inclusion_tag("dashboard/_spark.html")
def spark(steps: Sequence[Bucket], over: str, queue: str, since: str) -> dict[str, object]:
    """The small plot of the overview; its number leads to the list of these jobs: of `queue`, changed `since`."""
    total = together(steps)
    whole = (total.waits.quantile(0.5), total.waits.quantile(0.95))
    drawn = plots.spark([step.completed for step in steps], *_quantiles(steps), whole)
    return {"spark": drawn, "over": over, "half": whole[0], "most": whole[1], "queue": queue, "since": since}


def _quantiles(steps: Sequence[Bucket]) -> tuple[list[float | None], list[float | None]]:
    return [step.waits.quantile(0.5) for step in steps], [step.waits.quantile(0.95) for step in steps]


@register.inclusion_tag("dashboard/_chart.html")
def chart(drawn: plots.Chart) -> dict[str, object]:
    return {"chart": drawn, "width": plots.WIDTH, "height": plots.HEIGHT}


@register.inclusion_tag("dashboard/_state.html")
def state(job: ExternalGraderDetail, now: datetime) -> dict[str, object]:
    """Where a job stands, in the words of the list of jobs; a finished one is green with a score, and grey without."""
    # Of others the error may not have been read.
    error = job.last_error if job.status == Status.RETIRED else None
    found = jobs_list.state_of(job.status, available_at=job.available_at, now=now, error=error)
    return {"look": found, "words": jobs_list.STATES[found]}


@register.simple_tag
def icon(colour: str = "") -> str:
    """The address of the icon with this light."""
    return static(f"dashboard/icon-{colour}.svg" if colour in (lights.RED, lights.AMBER) else "dashboard/icon.svg")


@register.inclusion_tag("dashboard/_light.html")
def light(colour: str) -> dict[str, object]:
    return {"colour": colour}
