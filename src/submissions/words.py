"""What people read on pages, in their language: numbers, durations, and the door behind which all is English.

Only for what is shown at once. What is stored, sent, logged or printed by a command is English, and uses
`submissions.text` (docs/decisions/0155-pages-are-translated-and-nothing-else.md).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from django.utils import formats
from django.utils.translation import get_language, gettext, override

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Words: TypeAlias = "str | StrPromise"
"""A text, or one that is translated when it is shown."""


def in_english() -> AbstractContextManager[None]:
    """For a door whose answers are no pages, and for commands: whatever language the host has chosen."""
    language = get_language()
    # A grader's request pays for no more than this look.
    return nullcontext() if language is None or language.split("-")[0] == "en" else override(None)


def number(value: float, decimals: int = 0) -> str:
    """ "12,000"; in Spanish "12.000"."""
    if get_language() is None:
        return f"{value:,.{decimals}f}"
    return formats.number_format(round(value, decimals), decimals, use_l10n=True, force_grouping=True)


def duration(seconds: float | timedelta | None) -> str:
    """ "42 s", "9 min", "2 h 36 min", "3 d 4 h"; "-" where there is none, "0 s" for less than nothing."""
    if seconds is None:
        return "-"
    total = max(seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds), 0.0)
    if total < 60:
        return gettext("%(seconds)s s") % {"seconds": number(total, 1) if 0 < total < 10 else number(int(total))}
    minutes = int(total) // 60
    if minutes < 60:
        return gettext("%(minutes)s min") % {"minutes": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        words = gettext("%(hours)s h %(minutes)s min") if minutes else gettext("%(hours)s h")
        return words % {"hours": hours, "minutes": minutes}
    days, hours = divmod(hours, 24)
    words = gettext("%(days)s d %(hours)s h") if hours else gettext("%(days)s d")
    return words % {"days": days, "hours": hours}
