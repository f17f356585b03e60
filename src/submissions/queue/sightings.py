"""When a grader last polled a queue: is there somebody else to offer a job to, and whom does an operator miss?"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, router, transaction
from django.db.models import Q

from submissions.conf import conf
from submissions.models import GraderQueue, GraderSighting
from submissions.queue.records import GradedJob, QueueView
from submissions.queue.settings import forget, settings_of
from submissions.queue.transactions import in_transaction

logger = logging.getLogger("submissions.queue")

# What goes wrong with each reply of a queue is written down so often (a queue's row is read by each poll).
NOTED_AGAIN = timedelta(seconds=30)


def note_poll(queue: QueueView, grader: str) -> None:
    """Now and then, not with every poll: a busy queue's rows must not be written thousands of times."""
    if queue.now is None:
        return  # the queue has no row
    lately = timedelta(seconds=conf.POLL_NOTE_SECONDS)
    # What is still to come was written before a clock was set back.
    if queue.seen_at is None or abs(queue.now - queue.seen_at) > lately:
        queue.seen_at = queue.now
        _write_poll(queue.row, grader, queue.now, lately)


def note_points(queue_name: str, now: datetime) -> None:
    """A grader's score was refused that is no share, but would be points."""
    _note(queue_name, "points_seen_at", now)


def note_incomplete(job: GradedJob) -> None:
    """A reply lacked what platforms insist on; its result is stored, and nothing here may undo that."""
    if job.returned_at is None:
        return
    try:
        noted = settings_of(job.queue_name).incomplete_at
        if noted is None or noted < job.returned_at - NOTED_AGAIN:
            with transaction.atomic(using=router.db_for_write(GraderQueue)):
                _note(job.queue_name, "incomplete_at", job.returned_at)
    except DatabaseError:
        logger.exception("an incomplete reply could not be written down")


def _note(queue_name: str, column: str, now: datetime) -> None:
    stale = Q(**{column: None}) | Q(**{f"{column}__lt": now - NOTED_AGAIN})
    if GraderQueue.objects.filter(stale, name=queue_name).update(**{column: now}):
        forget()


@in_transaction
def _write_poll(queue: GraderQueue, grader: str, now: datetime, lately: timedelta) -> None:
    mine = GraderSighting.objects.filter(queue=queue, grader=grader)
    if not mine.update(seen_at=now):
        first = GraderSighting(queue_id=queue.pk, grader=grader, seen_at=now)
        GraderSighting.objects.bulk_create([first], ignore_conflicts=True)
    # The queue's own row only where nobody else has just done it.
    still = Q(last_polled_at=None) | Q(last_polled_at__lt=now - lately) | Q(last_polled_at__gt=now + lately)
    GraderQueue.objects.filter(still, pk=queue.pk).update(last_polled_at=now, last_polled_by=grader)
