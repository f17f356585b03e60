"""Which jobs of the list: filters, and how addresses and commands write them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from submissions import sql
from submissions.models import ClaimOutcome
from submissions.statistics.jobs_list.states import FAILED, STATES
from submissions.text import row_id, storable

GIVEN_UP, DUE, OVERDUE, DELIVERED = "given_up", "due", "overdue", "delivered"
DELIVERIES = cast(
    "dict[str, str]",
    {
        GIVEN_UP: _("not delivered"),
        DUE: _("delivery due"),
        OVERDUE: _("delivery overdue"),
        DELIVERED: _("delivered in the last hour"),
    },
)

CLAIMS = cast(
    "dict[str, str]",
    {
        ClaimOutcome.FAILED.value: _("failed"),
        ClaimOutcome.LOST.value: _("lease expired"),
        ClaimOutcome.RELEASED.value: _("returned"),
        ClaimOutcome.LATE.value: _("result came late"),
    },
)
"""How a claim ended that brought no score, and in words."""

PERIODS = cast(
    "dict[str, tuple[str, timedelta]]",
    {
        "10min": (_("last 10 minutes"), timedelta(minutes=10)),
        "1h": (_("last hour"), timedelta(hours=1)),
        "1d": (_("last 24 hours"), timedelta(days=1)),
        "7d": (_("last 7 days"), timedelta(days=7)),
        "30d": (_("last 30 days"), timedelta(days=30)),
    },
)
Time = datetime | timedelta
"""A time, or so long ago by the database's clock."""


class BadFilter(ValueError):
    """A filter cannot mean anything; `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Filters:
    """Which jobs; all of it holds together, and what is empty is not asked."""

    state: str = ""
    """One of STATES."""
    queue: str = ""
    learner: str = ""
    """An id as the platform gives it, or a pseudonym as observers see it."""
    course: str = ""
    item: str = ""
    grader: str = ""
    cause: str = ""
    """The key of a cause of failure (`submissions.statistics.causes`)."""
    reference: str = ""
    """The platform's own name for the attempt."""
    file: str = ""
    """The grader's file."""
    submission: int | None = None
    delivery: str = ""
    """One of DELIVERIES: jobs with such a delivery, also of one `host` alone."""
    host: str = ""
    claim: str = ""
    """One of CLAIMS: jobs with a claim that ended so, by this `grader`, in this time."""
    since: Time | None = None
    """Of the latest change."""
    until: Time | None = None

    @property
    def is_empty(self) -> bool:
        return self == Filters()

    @property
    def is_indirect(self) -> bool:
        """Whether the list goes by deliveries or claims, and not by the jobs themselves."""
        return bool(self.delivery or self.claim)


NAMES = tuple(field.name for field in fields(Filters))
_ONE_OF: dict[str, Collection[str]] = {"state": STATES, "delivery": DELIVERIES, "claim": CLAIMS}


def read(given: Any) -> Filters:
    """From texts by the names of the filters (`NAMES`), as addresses and commands have them. Raises BadFilter."""
    found: dict[str, Any] = {}
    for name in NAMES:
        text = str(given.get(name) or "").strip()
        if text:
            found[name] = _value(name, text)
    if found.get("cause"):
        found.setdefault("state", FAILED)
    if found.get("host") and not found.get("delivery"):
        # Left out in silence, it would make a list of all jobs, and what is done to the list would be done to them.
        words = gettext("A host goes with a delivery: %(known)s.")
        raise BadFilter("host", words % {"known": ", ".join(DELIVERIES)})
    if found.get("delivery") and found.get("claim"):
        raise BadFilter("claim", gettext("A list goes by deliveries or by claims: leave one of the two out."))
    return Filters(**found)


def _value(name: str, text: str) -> object:
    if name in ("since", "until"):
        return _time(name, text)
    if name == "submission":
        if (number := row_id(text.removeprefix("#"))) is None:
            raise BadFilter(name, gettext("%(text)r is not the id of a submission.") % {"text": text[:40]})
        return number
    if name in _ONE_OF and text not in _ONE_OF[name]:
        words = gettext("There is no %(filter)s %(text)r; there are %(known)s.")
        raise BadFilter(name, words % {"filter": name, "text": text[:40], "known": ", ".join(_ONE_OF[name])})
    if len(text) > 255 or not storable(text):
        words = gettext(
            "No %(filter)s can have this name: it is longer than 255 characters, or holds characters that no name has."
        )
        raise BadFilter(name, words % {"filter": name})
    return text


def _time(name: str, text: str) -> Time:
    if text in PERIODS:
        return PERIODS[text][1]
    try:
        day = parse_date(text)
        found = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else parse_datetime(text.replace(" ", "T"))
        if found is not None:
            return sql.as_read(found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        pass
    periods = ", ".join(PERIODS)
    words = gettext("%(text)r is no time, such as 2027-01-31T14:00, and none of %(periods)s.")
    raise BadFilter(name, words % {"text": text[:40], "periods": periods})


def values(filters: Filters) -> dict[str, Any]:
    """What is asked, by the names of the filters."""
    return {name: value for name in NAMES if (value := getattr(filters, name)) not in ("", None)}


def written(filters: Filters) -> dict[str, str]:
    """The texts that `read` reads, without what is not asked."""
    return {name: _text(value) for name, value in values(filters).items()}


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return next((word for word, (_words, period) in PERIODS.items() if period == value), "30d")
    return value.isoformat() if isinstance(value, datetime) else str(value)


def without(filters: Filters, *names: str) -> Filters:
    """`filters` without some of them."""
    empty = Filters()
    return replace(filters, **{name: getattr(empty, name) for name in names})
