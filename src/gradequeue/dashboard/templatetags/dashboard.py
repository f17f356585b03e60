"""Times, numbers and plots, as the pages show them. Everything is escaped by the templates, nothing is marked safe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django import template

from gradequeue.dashboard import plots
from submissions import text
from submissions.statistics.history import Bucket, together
from submissions.statistics.standing import Standing
from submissions.text import duration

register = template.Library()

register.filter("duration", duration)


@register.filter
def number(value: int) -> str:
    return f"{value:,}"


@register.filter
def jobs(standing: Standing, which: str) -> str:
    """How many jobs of a queue are `which` (waiting, being_graded, failed)."""
    return standing.count.shown(getattr(standing, which))


@register.filter
def counted(value: int, noun: str) -> str:
    return text.counted(value, noun)


@register.filter
def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


@register.filter
def points(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


@register.inclusion_tag("dashboard/_moment.html")
def moment(at: datetime | None, now: datetime | None = None, form: str = "time") -> dict[str, object]:
    """A time in UTC, which the script rewrites in the reader's zone; with its age where `now` is given."""
    return {
        "at": at,
        "iso": at.astimezone(UTC).isoformat(timespec="milliseconds") if at else "",
        "form": form,
        "age": None if at is None or now is None else duration(now - at),
    }


@register.filter
def left(until: datetime | None, now: datetime) -> str:
    """How long a lease still holds."""
    if until is None:
        return "-"
    return duration(until - now) if until > now else f"expired {duration(now - until)} ago"


@register.filter
def since(at: datetime | None, now: datetime) -> str:
    return "-" if at is None else duration(max(now - at, timedelta()))


@register.inclusion_tag("dashboard/_spark.html")
def spark(steps: Sequence[Bucket], over: str) -> dict[str, object]:
    """The small plot of the overview."""
    total = together(steps)
    whole = (total.waits.quantile(0.5), total.waits.quantile(0.95))
    drawn = plots.spark([step.completed for step in steps], *_quantiles(steps), whole)
    return {"spark": drawn, "over": over, "half": whole[0], "most": whole[1]}


def _quantiles(steps: Sequence[Bucket]) -> tuple[list[float | None], list[float | None]]:
    return [step.waits.quantile(0.5) for step in steps], [step.waits.quantile(0.95) for step in steps]


@register.inclusion_tag("dashboard/_chart.html")
def chart(drawn: plots.Chart) -> dict[str, object]:
    return {"chart": drawn, "width": plots.WIDTH, "height": plots.HEIGHT}


@register.inclusion_tag("dashboard/_light.html")
def light(colour: str) -> dict[str, object]:
    return {"colour": colour}
