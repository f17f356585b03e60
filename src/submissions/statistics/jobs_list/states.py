"""The states of jobs in the words of lists, and which rows of the table are in each."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from submissions.models import DatabaseNow, Status

WAITING, GRADING, FAILED, GRADED, ENDED = "waiting", "grading", "failed", "graded", "ended"
# They are texts to whoever shows them: translated then.
STATES = cast(
    "dict[str, str]",
    {
        WAITING: _("waiting"),
        GRADING: _("being graded"),
        FAILED: _("failed"),
        GRADED: _("graded"),
        ENDED: _("ended without score"),
    },
)
"""In addresses and commands, and in words (docs/glossary.md)."""
_WITHOUT_REASON = Q(last_error=None) | Q(last_error="")
_LAPSED = Q(available_at__lte=DatabaseNow())
# Of each state the ranges of the index, and what only the job itself can tell.
RANGES: dict[str, tuple[tuple[Status, Q], ...]] = {
    WAITING: ((Status.PENDING, Q()), (Status.RETRY, Q()), (Status.PULLED, _LAPSED)),
    GRADING: ((Status.PULLED, Q(available_at__gt=DatabaseNow())),),
    FAILED: ((Status.FAILED, Q()),),
    GRADED: ((Status.RETIRED, Q()),),
    ENDED: ((Status.RETIRED, Q()),),
}
TOLD_BY_JOB = {GRADED: _WITHOUT_REASON, ENDED: ~_WITHOUT_REASON}


def state_of(status: str, *, available_at: datetime | None, now: datetime, error: str | None) -> str:
    """The state of a job in the words of the list."""
    if status == Status.RETIRED:
        return ENDED if error else GRADED
    if status == Status.FAILED:
        return FAILED
    if status == Status.PULLED and available_at is not None and available_at > now:
        return GRADING
    return WAITING
