"""What operators did: of one job, of one queue, of all. A page looks at a bounded part (ADR 0072)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils.translation import pgettext_lazy

from gradequeue.dashboard.access import Viewer
from submissions.models import DatabaseNow, GraderQueue, MovedJob, OperatorMove
from submissions.operators import words_of
from submissions.words import Words

PAGE, MOST_JOBS, MOST_OF_JOB, MOST_NAMES = 50, 200, 50, 200
# How many moves a page looks at, where each must be looked at.
MOST_LOOKED = 10_000
SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=28)}
# An observer is told that somebody did something, not who.
SOMEBODY = pgettext_lazy("in place of a name", "an operator")


@dataclass(frozen=True)
class Shown:
    """One line of the log, as this viewer may see it."""

    row: OperatorMove
    who: Words
    what: str
    reason: str
    queue_id: int | None

    @property
    def has_jobs(self) -> bool:
        return self.row.number > 0


@dataclass(frozen=True)
class Filters:
    person: str = ""
    queue: str = ""
    move: str = ""
    time: str = ""

    def asked(self) -> dict[str, str]:
        """Those that are set, as they stand in the address."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class Log:
    rows: list[Shown]
    before: int | None
    """The next page begins before this row; None: there is none."""
    is_cut: bool
    """Whether it ends because MOST_LOOKED moves were looked at, and not because it is full."""
    people: list[str]
    """The names of those who did something lately, for the filter."""


def log(viewer: Viewer, filters: Filters, before: int | None) -> Log:
    rows = _behind(_matching(viewer, filters), visible(viewer), before).order_by("-at", "-pk")
    is_cut = False
    if filters.move:
        # No index has the moves' names: a rare one may be the oldest of a million.
        looked = list(rows.values_list("pk", "move")[: MOST_LOOKED + 1])
        ids = [pk for pk, move in looked[:MOST_LOOKED] if move == filters.move][: PAGE + 1]
        found = list(OperatorMove.objects.filter(pk__in=ids).order_by("-at", "-pk"))
        is_cut = len(ids) <= PAGE and len(looked) > MOST_LOOKED
    else:
        found = list(rows[: PAGE + 1])
    more = looked[MOST_LOOKED - 1][0] if is_cut else found[PAGE - 1].pk if len(found) > PAGE else None
    return Log(shown(viewer, found[:PAGE]), more, is_cut, _people() if viewer.everything else [])


def _behind(rows: QuerySet[OperatorMove], seen: QuerySet[OperatorMove], before: int | None) -> QuerySet[OperatorMove]:
    """Those that began earlier than this one; of a time, those that were written earlier. When a move began that is not
    among `seen` is not told."""
    at = seen.filter(pk=before).values_list("at", flat=True).first() if before is not None else None
    if at is None:
        return rows if before is None else rows.filter(pk__lt=before)
    # The first condition is what an index is entered by.
    return rows.filter(at__lte=at).filter(Q(at__lt=at) | Q(pk__lt=before))


def _matching(viewer: Viewer, filters: Filters) -> QuerySet[OperatorMove]:
    """By all that an index has: not by the move."""
    rows = visible(viewer)
    if filters.person and viewer.everything:
        rows = rows.filter(actor=filters.person)
    if filters.queue:
        rows = rows.filter(queue_name=filters.queue)
    if span := SPANS.get(filters.time):
        rows = rows.filter(at__gte=DatabaseNow() - span)
    return rows


def visible(viewer: Viewer) -> QuerySet[OperatorMove]:
    """What happened to queues that this user sees; for staff also what concerned no queue."""
    rows = OperatorMove.objects.order_by()
    return rows if viewer.everything else rows.filter(queue_name__in=viewer.queues().order_by().values("name"))


def _people() -> list[str]:
    newest = OperatorMove.objects.order_by("-pk").values_list("actor", flat=True)[:MOST_NAMES]
    return sorted(set(newest))


def of_queue(viewer: Viewer, name: str, most: int = 5) -> list[Shown]:
    """The newest in this queue."""
    return shown(viewer, list(visible(viewer).filter(queue_name=name).order_by("-at", "-pk")[:most]))


def between(viewer: Viewer, since: datetime, *, queue_name: str = "", most: int = 200) -> list[Shown]:
    """The newest since a time, newest first: of one queue, or of all."""
    rows = visible(viewer).filter(at__gte=since)
    rows = rows.filter(queue_name=queue_name) if queue_name else rows
    return shown(viewer, list(rows.order_by("-at", "-pk")[:most]))


def one(viewer: Viewer, pk: int, after: int) -> tuple[Shown, list[MovedJob], int | None]:
    """One line with the jobs that it moved, from one of them on, and where the next page begins. Raises Http404."""
    row = visible(viewer).filter(pk=pk).first()
    if row is None:
        raise Http404
    jobs = list(row.jobs.filter(pk__gt=after).order_by("pk")[: MOST_JOBS + 1])
    more = jobs[MOST_JOBS - 1].pk if len(jobs) > MOST_JOBS else None
    return shown(viewer, [row])[0], jobs[:MOST_JOBS], more


def of_job(submission_id: int) -> list[MovedJob]:
    """Each with its `move`; the newest of them, oldest first."""
    rows = MovedJob.objects.filter(submission_id=submission_id).select_related("move")
    return list(rows.order_by("-pk")[:MOST_OF_JOB])[::-1]


def shown(viewer: Viewer, rows: Sequence[OperatorMove]) -> list[Shown]:
    names = {row.queue_name for row in rows}
    ids = dict(GraderQueue.objects.filter(name__in=names).values_list("name", "pk")) if names - {""} else {}
    return [
        Shown(
            row,
            row.actor if viewer.everything else SOMEBODY,
            words_of(row, with_subject=viewer.everything),
            row.reason if viewer.everything else "",
            ids.get(row.queue_name),
        )
        for row in rows
    ]
