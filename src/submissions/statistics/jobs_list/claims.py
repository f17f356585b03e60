"""The jobs whose claims ended without a score: a walk of the claims' ends by time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from django.db.models import QuerySet

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
    if not filters.queue and scope.queues is None:
        return _walk(rows, filters, after, bounds.WINDOW)
    # Queue by queue, along an index. An observer is not even told how many claims of other queues were looked at.
    names = queue_names(filters, scope)
    size = max(bounds.WINDOW // max(len(names), 1), 10)
    walks = [_walk(rows.filter(queue_name=name), filters, after, size) for name in names]
    return walks[0] if len(walks) == 1 else heapq.merge(*walks, reverse=True)


def _walk(rows: QuerySet[ClaimEnd], filters: Filters, after: Key | None, size: int) -> Iterator[Match]:
    while True:
        part = list(behind(rows, "at", after).order_by("-at", "-id")[:size])
        asked = {end.pk: end.submission_id for end in part if _is_asked(end, filters)}
        jobs = dict(Job.objects.filter(submission_id__in=asked.values()).values_list("submission_id", "pk"))
        yield from (Match((end.at, end.pk), jobs.get(asked.get(end.pk, 0), NO_JOB)) for end in part)
        if len(part) < size:
            return
        after = part[-1].at, part[-1].pk


def _is_asked(end: ClaimEnd, filters: Filters) -> bool:
    return end.outcome == filters.claim and filters.grader in ("", end.grader)


def of_job_alone(filters: Filters) -> Filters:
    """What is left to ask of the job: grader and time are the claim's."""
    return without(filters, "grader", "since", "until") if filters.claim else filters
