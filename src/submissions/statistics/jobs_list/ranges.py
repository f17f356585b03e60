"""The ranges of the index by queue, state and time, merged: where an index says what matches."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q

from submissions.models import Status
from submissions.statistics import depths
from submissions.statistics.jobs_list import bounds
from submissions.statistics.jobs_list.filters import Filters
from submissions.statistics.jobs_list.jobs import Job, Jobs, between
from submissions.statistics.jobs_list.keys import Key, Match, behind
from submissions.statistics.jobs_list.scope import Scope, queue_names
from submissions.statistics.jobs_list.states import RANGES, TOLD_BY_JOB


@dataclass(frozen=True)
class Range:
    """A range of the index by queue, status and time; of the one by time alone where neither is given."""

    queue: str | None
    status: Status | None
    more: Q
    filters: Filters

    def rows(self) -> Jobs:
        rows = Job.objects.filter(self.more)
        if self.queue is not None and self.status is not None:
            # The status as a range of one value: told that it equals something, PostgreSQL drops it from the order, and
            # walks the index of the time alone (ADR 0061).
            rows = rows.filter(queue_name=self.queue, status__gte=self.status, status__lte=self.status)
        return between(rows, self.filters)

    def walk(self, after: Key | None, size: int) -> Iterator[Match]:
        order = ("-status_time", "-id") if self.queue is None else ("-status", "-status_time", "-id")
        while True:
            rows = behind(self.rows(), "status_time", after).order_by(*order)
            part = list(rows.values_list("status_time", "pk")[:size])
            yield from (Match((at, pk), pk) for at, pk in part)
            if len(part) < size:
                return
            after, size = part[-1], min(2 * size, bounds.WINDOW)


def of_ranges(filters: Filters, scope: Scope, after: Key | None, size: int) -> Iterator[Match]:
    ranges = ranges_of(filters, scope)
    # Of many ranges a page needs few rows each.
    each = max(size // max(len(ranges), 1), 10) if len(ranges) > 1 else size
    return heapq.merge(*(one.walk(after, each) for one in ranges), reverse=True)


def ranges_of(filters: Filters, scope: Scope) -> list[Range]:
    told_by_job = filters.state in ("", *TOLD_BY_JOB)
    if told_by_job and not filters.queue and scope.queues is None:
        # Most jobs have ended: those of all queues together are one range.
        return [Range(None, None, Q(), filters)]
    names = queue_names(filters, scope)
    if told_by_job:
        pairs = RANGES[filters.state] if filters.state else tuple((status, Q()) for status in Status)
        return [Range(name, status, more, filters) for name in names for status, more in pairs]
    counts = depths.counts(names)
    return [
        Range(name, status, more, filters)
        for name in names
        for status, more in RANGES[filters.state]
        if getattr(counts[name], status)
    ]
