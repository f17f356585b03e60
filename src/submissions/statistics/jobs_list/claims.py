"""The jobs whose claims ended without a score: a walk of the claims' ends by time."""

from __future__ import annotations

from collections.abc import Iterator

from submissions.models import ClaimEnd
from submissions.statistics.jobs_list import bounds
from submissions.statistics.jobs_list.filters import Filters, without
from submissions.statistics.jobs_list.jobs import Job, between
from submissions.statistics.jobs_list.keys import Key, Match, behind
from submissions.statistics.jobs_list.scope import Scope, queue_names

NO_JOB = 0
"""Where a claim leads that is not asked for: no index knows outcomes and graders, so that each end is looked at."""


def of_claims(filters: Filters, scope: Scope, after: Key | None) -> Iterator[Match]:
    rows = between(ClaimEnd.objects.order_by(), filters, "at")
    if filters.queue:
        rows = rows.filter(queue_name__in=queue_names(filters, scope))
    while True:
        part = list(behind(rows, "at", after).order_by("-at", "-id")[: bounds.WINDOW])
        asked = {end.pk: end.submission_id for end in part if _is_asked(end, filters)}
        jobs = dict(Job.objects.filter(submission_id__in=asked.values()).values_list("submission_id", "pk"))
        yield from (Match((end.at, end.pk), jobs.get(asked.get(end.pk, 0), NO_JOB)) for end in part)
        if len(part) < bounds.WINDOW:
            return
        after = part[-1].at, part[-1].pk


def _is_asked(end: ClaimEnd, filters: Filters) -> bool:
    return end.outcome == filters.claim and filters.grader in ("", end.grader)


def of_job_alone(filters: Filters) -> Filters:
    """What is left to ask of the job: grader and time are the claim's."""
    return without(filters, "grader", "since", "until") if filters.claim else filters
