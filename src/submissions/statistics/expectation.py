"""When a job may have its result, and why it has none yet: one sentence for every door, and an honest interval.

Looked at is a bounded part: the beginning of the line before the job, and the last hour of its queue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils.translation import gettext, ngettext

from submissions.conf import conf
from submissions.models import DatabaseNow, ExternalGraderDetail, GraderQueue, Status
from submissions.queue import settings_of
from submissions.statistics.history import by_queue
from submissions.statistics.standing import HOUR, STEP
from submissions.words import duration
from submissions.words import number as shown

Job = ExternalGraderDetail

# How many before it are counted at the most.
MOST_AHEAD = 10_000


@dataclass(frozen=True)
class Expectation:
    """Of one job, as it stands now."""

    ahead: int
    """How many a grader gets before it; 0 where it does not wait."""
    is_exact: bool
    """False: at least so many."""
    seconds: tuple[int, int] | None
    """Between how many and how many seconds its result may take; None: nobody can say."""
    note: str
    """Why it has no result yet, or that it has."""


def expect(job: Job) -> Expectation:
    """For a job of any state."""
    if not waits(job):
        return Expectation(0, True, None, _note_of_ended(job))
    ahead = _ahead(job)
    known = settings_of(job.queue_name)
    graded = sum(step.completed for step in by_queue([job.queue_name], span=HOUR, step=STEP)[job.queue_name])
    blocked = _blocked(known)
    seconds = None if blocked else _interval(ahead + 1, graded)
    return Expectation(min(ahead, MOST_AHEAD), ahead <= MOST_AHEAD, seconds, _note(job, ahead, blocked, seconds))


def waits(job: Job) -> bool:
    """Whether a grader can get it, now or later: also where the lease of the last one is over (docs/glossary.md)."""
    if job.status == Status.PULLED:
        return Job.objects.filter(pk=job.pk, status=Status.PULLED, available_at__lte=DatabaseNow()).exists()
    return job.status in Status.waiting()


def _ahead(job: Job) -> int:
    due = job.available_at
    if due is None:
        return 0
    before = Job.objects.filter(Q(available_at__lt=due) | Q(available_at=due, pk__lt=job.pk))
    # Held ones are not before it, unless their lease is over.
    held = Q(status=Status.PULLED, available_at__gt=DatabaseNow())
    line = before.filter(queue_name=job.queue_name, available_at__isnull=False).exclude(held).order_by("available_at")
    return int(line.values("pk")[: MOST_AHEAD + 1].count())


def _interval(number: int, graded: int) -> tuple[int, int] | None:
    """How long so many take, at the rate of the last hour and what that may be off by."""
    if not graded:
        return None
    spread = 2 * math.sqrt(graded)
    hour = HOUR.total_seconds()
    low, high = number * hour / (graded + spread), number * hour / max(graded - spread, graded / 4)
    return math.floor(low), math.ceil(high)


def _blocked(known: GraderQueue) -> str:
    """Why nothing moves in the queue; "" where something does."""
    if known.paused:
        return gettext("the queue is paused")
    if known.push_url:
        return ""
    silent = _since(known)
    if silent is None:
        return gettext("no grader has ever polled this queue")
    if silent > timedelta(seconds=int(conf.SILENCE_SECONDS)):
        return gettext("no grader has polled this queue for %(time)s") % {"time": duration(silent)}
    return ""


def _since(known: GraderQueue) -> timedelta | None:
    """How long ago a grader polled; None: never. Asked each time: what is remembered of a queue may be older."""
    row = GraderQueue.objects.filter(pk=known.pk).values_list("last_polled_at", DatabaseNow()).first()
    return None if row is None or row[0] is None else max(row[1] - row[0], timedelta())


def _note(job: Job, ahead: int, blocked: str, seconds: tuple[int, int] | None) -> str:
    """Two clauses, each whole: the place in line, and what comes of it."""
    place = _place(ahead)
    if blocked:
        return gettext("%(place)s; %(obstacle)s.") % {"place": place, "obstacle": blocked}
    if job.status == Status.RETRY and job.num_failures:
        words = ngettext("%(place)s, after %(count)s failure", "%(place)s, after %(count)s failures", job.num_failures)
        place = words % {"place": place, "count": shown(job.num_failures)}
    if seconds is None:
        return gettext("%(place)s; nothing was graded in the last hour.") % {"place": place}
    words = gettext("%(place)s; about %(low)s to %(high)s at the rate of the last hour.")
    return words % {"place": place, "low": duration(seconds[0]), "high": duration(seconds[1])}


def _place(ahead: int) -> str:
    if not ahead:
        return gettext("Next in line")
    if ahead > MOST_AHEAD:
        return gettext("More than %(count)s jobs ahead") % {"count": shown(MOST_AHEAD)}
    return ngettext("%(count)s job ahead", "%(count)s jobs ahead", ahead) % {"count": shown(ahead)}


def _note_of_ended(job: Job) -> str:
    if job.status == Status.PULLED:
        return gettext("It is being graded.")
    if job.status == Status.FAILED:
        return gettext("Grading failed; an operator decides about it.")
    return gettext("It is graded.") if job.is_graded else gettext("It ended without a score.")
