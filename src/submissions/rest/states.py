"""The states of a job, in the words of REST."""

from __future__ import annotations

from django.db.models import Q

from submissions.models import ExternalGraderDetail, Status

QUEUED, GRADING, GRADED, FAILED, CANCELLED = "queued", "grading", "graded", "failed", "cancelled"
WORDS = (QUEUED, GRADING, GRADED, FAILED, CANCELLED)

_ENDED = Q(status=Status.RETIRED)
_WITHOUT_REASON = Q(last_error=None) | Q(last_error="")


def word_of(job: ExternalGraderDetail) -> str:
    if job.status == Status.RETIRED:
        return GRADED if job.is_graded else CANCELLED
    if job.status == Status.FAILED:
        return FAILED
    return GRADING if job.status == Status.PULLED else QUEUED


def jobs_in(word: str) -> Q:
    """The same as a filter."""
    return {
        QUEUED: Q(status__in=Status.waiting()),
        GRADING: Q(status=Status.PULLED),
        GRADED: _ENDED & _WITHOUT_REASON,
        FAILED: Q(status=Status.FAILED),
        CANCELLED: _ENDED & ~_WITHOUT_REASON,
    }[word]
