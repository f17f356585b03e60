"""One queue: plots, held jobs, graders, results."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads import history
from gradequeue.dashboard.reads.failures import Failures, failures
from gradequeue.dashboard.reads.graders import Work, since_of
from gradequeue.dashboard.reads.newest import newest
from submissions.models import DatabaseNow, ExternalGraderDetail, Score, Status
from submissions.queue import first_ids
from submissions.statistics import standing
from submissions.statistics.history import Bucket, losses, together
from submissions.statistics.standing import Standing

# Rows of a list; results for the distribution of scores and the rates of graders.
MOST_LEASES, MOST_NEXT, MOST_RESULTS = 50, 10, 1000
# The scores' distribution has so many bars.
BARS = 10
RECENT = timedelta(hours=1)


@dataclass(frozen=True)
class GraderRow(Work):
    """One grader of this queue, in the period of the page."""

    name: str = ""
    seen_at: datetime | None = None


@dataclass(frozen=True)
class Result:
    submission_id: int
    grader: str
    at: datetime
    earned: float | None
    possible: float | None
    """None where only the platform knows it."""


@dataclass(frozen=True)
class QueuePage:
    standing: Standing
    window: history.Window
    steps: list[Bucket]
    leases: list[ExternalGraderDetail]
    next: list[ExternalGraderDetail]
    failures: Failures
    results: list[Result]
    scores: list[int]
    """How many of `results` lie in each tenth of the points possible, lowest first."""
    graders: list[GraderRow]
    graders_over: timedelta
    """The period of their numbers: an hour, or less where there are more results than the page reads."""

    @property
    def now(self) -> datetime:
        return self.standing.now

    @property
    def graders_since(self) -> str:
        return since_of(self.now, self.graders_over)


def queue_page(viewer: Viewer, pk: int, window: history.Window) -> QueuePage | None:
    """None where this user sees no such queue."""
    found = standing.of(list(viewer.queues().filter(pk=pk)))
    if not found:
        return None
    one, name = found[0], found[0].name
    results = _results(name)
    since = _since(one.now, results)
    return QueuePage(
        standing=one,
        window=window,
        steps=history.history([name], window)[name],
        leases=_leases(name),
        next=_next(one),
        failures=failures(name),
        results=results,
        scores=_distribution(results),
        graders=_graders(one, results, since),
        graders_over=one.now - since,
    )


def _leases(name: str) -> list[ExternalGraderDetail]:
    """Those that still hold: a job whose lease has expired waits, and is counted there."""
    held = _live(name).filter(status=Status.PULLED, available_at__gt=DatabaseNow())
    return list(held.order_by("available_at")[:MOST_LEASES])


def _next(one: Standing) -> list[ExternalGraderDetail]:
    """The jobs that a claim would find first, then those whose pause or delay is not over."""
    ids = first_ids(one.name, MOST_NEXT + MOST_LEASES)
    found = _live(one.name).filter(pk__in=ids).order_by("available_at", "id")
    waiting = [
        job for job in found if job.status != Status.PULLED or (job.available_at and job.available_at <= one.now)
    ]
    return waiting[:MOST_NEXT]


def _live(name: str) -> QuerySet[ExternalGraderDetail]:
    """Without answers and replies, which may be megabytes."""
    jobs = ExternalGraderDetail.objects.filter(queue_name=name)
    return jobs.only("submission_id", "grader", "available_at", "pulled_at", "created_at", "num_failures", "status")


def _results(name: str) -> list[Result]:
    ended = newest(name, Status.RETIRED).values_list(
        "submission_id", "grader", "status_time", "points_possible", "points_known"
    )
    rows = list(ended[:MOST_RESULTS])
    scores = Score.objects.filter(submission_id__in=[row[0] for row in rows], reset=False).order_by("pk")
    earned = dict(scores.values_list("submission_id", "points_earned"))
    return [
        Result(one, grader, at, earned.get(one), possible if known else None)
        for one, grader, at, possible, known in rows
    ]


def _distribution(results: list[Result]) -> list[int]:
    bars = [0] * BARS
    for result in results:
        if result.earned is not None and result.possible:
            bars[min(int(BARS * result.earned / result.possible), BARS - 1)] += 1
    return bars


def _since(now: datetime, results: list[Result]) -> datetime:
    oldest = results[-1].at if len(results) == MOST_RESULTS else now - RECENT
    return max(oldest, now - RECENT)


def _graders(one: Standing, results: list[Result], since: datetime) -> list[GraderRow]:
    graded = Counter(result.grader for result in results if result.at >= since and result.earned is not None)
    lost = {grader: outcomes for (name, grader), outcomes in losses(since).items() if name == one.name}
    seen = dict(one.seen)
    names = {*seen, *graded, *lost} - {""}
    rows = [GraderRow(graded[name], lost.get(name, {}), name=name, seen_at=seen.get(name)) for name in names]
    return sorted(rows, key=lambda row: (-row.claims, row.name))


def waits_of(steps: list[Bucket]) -> list[tuple[float | None, int]]:
    """The distribution of waiting times: each upper bound (seconds; None: longer) with its number of jobs."""
    before, found = 0, []
    for bound, until in together(steps).waits.cumulative() if steps else ():
        found.append((bound, until - before))
        before = until
    return found
