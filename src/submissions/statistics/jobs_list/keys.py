"""Where a list stands: the keys from which it goes on, and how addresses write them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext

from submissions import sql
from submissions.statistics.jobs_list.filters import GIVEN_UP, BadFilter, Filters
from submissions.text import row_id

Key = tuple[datetime | None, int]
"""Where a list stands: the time of a row's latest change and its id; of a delivery, when it is due."""


@dataclass(frozen=True, order=True)
class Match:
    key: Key
    pk: int
    """Of the job."""


def write_key(key: Key | None) -> str:
    """For an address; "" for none."""
    if key is None:
        return ""
    at, pk = key
    return f"{at.astimezone(UTC).strftime('%Y%m%dT%H%M%S.%f') if at else ''}-{pk}"


def read_key(text: str) -> Key | None:
    """None for "". Raises BadFilter."""
    if not text:
        return None
    at, _dash, number = text.partition("-")
    try:
        when = sql.as_read(datetime.strptime(at, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)) if at else None
    except ValueError:
        when, number = None, ""
    if (pk := row_id(number)) is None:
        raise BadFilter("after", gettext("This page of the list does not exist."))
    return when, pk


def require_key(filters: Filters, key: Key | None) -> None:
    """Raises BadFilter for a key of another list."""
    if key is not None and (key[0] is None) != (filters.delivery == GIVEN_UP):
        raise BadFilter("after", gettext("This page of the list does not exist."))


def behind(rows: Any, column: str, after: Key | None) -> Any:
    """Those of `rows` that come later in a list by this column of times, the latest first."""
    if after is None:
        return rows
    at, pk = after
    if at is None:
        return rows.filter(pk__lt=pk)
    # The first condition is what an index is entered by.
    return rows.filter(**{f"{column}__lte": at}).filter(Q(**{f"{column}__lt": at}) | Q(pk__lt=pk))
