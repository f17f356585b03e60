"""Results that come after their lease: counted for whoever wonders why a queue's jobs are graded again and again.

Such a result is accepted where nobody took the job meanwhile, and refused where somebody did. Where no result comes at
all, the grader died, or the answer to its poll was lost.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import DatabaseError, router, transaction

from submissions.models import ClaimEnd, ClaimOutcome
from submissions.queue import claim_log, moves
from submissions.queue.records import GradedJob, LockedJob

logger = logging.getLogger("submissions.queue")


def note_accepted(job: GradedJob) -> None:
    """After the result was stored: that it was late must not undo it."""
    if job.late_seconds is None or job.returned_at is None:
        return
    try:
        with transaction.atomic(using=router.db_for_write(ClaimEnd)):
            _note(job.queue_name, job.grader, job.submission_id, job.returned_at, job.late_seconds)
    except DatabaseError:
        logger.exception("a late result could not be counted")


def note_refused(locked: LockedJob, key: str) -> None:
    """Where `key` is that of an earlier claim whose lease ran out: its result did come. Counted once."""
    job = locked.row
    found = claim_log.mark_late(job, key, locked.now)
    if found is None:
        return
    late, pulls = found
    moves.move(locked, job.status, pulls=pulls)
    seconds = (locked.now - (late.since or locked.now)).total_seconds()
    _note(job.queue_name, late.grader, job.submission_id, locked.now, seconds)


def _note(queue_name: str, grader: str, submission_id: int, at: datetime, seconds: float) -> None:
    told = {"queue_name": queue_name, "grader": grader, "submission_id": submission_id}
    ClaimEnd.objects.create(outcome=ClaimOutcome.LATE, at=at, seconds=seconds, **told)
