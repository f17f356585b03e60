"""When a grader last polled a queue: is there somebody else to offer a job to, and whom does an operator miss?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from submissions.conf import conf
from submissions.models import GraderQueue, GraderSighting
from submissions.queue.records import QueueView
from submissions.queue.transactions import in_transaction


def note_poll(queue: QueueView, grader: str) -> None:
    """Now and then, not with every poll: a busy queue's rows must not be written thousands of times."""
    if queue.now is None:
        return  # the queue has no row
    stale = queue.now - timedelta(seconds=conf.POLL_NOTE_SECONDS)
    if queue.seen_at is None or queue.seen_at < stale:
        queue.seen_at = queue.now
        _write_poll(queue.row, grader, queue.now, stale)


@in_transaction
def _write_poll(queue: GraderQueue, grader: str, now: datetime, stale: datetime) -> None:
    mine = GraderSighting.objects.filter(queue=queue, grader=grader)
    if not mine.update(seen_at=now):
        first = GraderSighting(queue_id=queue.pk, grader=grader, seen_at=now)
        GraderSighting.objects.bulk_create([first], ignore_conflicts=True)
    # The queue's own row only where nobody else has just done it.
    still = Q(last_polled_at=None) | Q(last_polled_at__lt=stale)
    GraderQueue.objects.filter(still, pk=queue.pk).update(last_polled_at=now, last_polled_by=grader)
