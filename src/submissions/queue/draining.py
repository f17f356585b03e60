"""Graders that are to get no further job, before their machines are stopped or changed."""

from __future__ import annotations

from django.db import connections, router

from submissions import sql
from submissions.models import DrainedGrader
from submissions.queue.settings import forget
from submissions.queue.transactions import in_transaction


@in_transaction
def drain(grader: str, by: str = "") -> None:
    """Hand out no job to the account `grader`, until `undrain`; it keeps what it holds, and may finish it."""
    now = sql.now(connections[router.db_for_write(DrainedGrader)])
    row = DrainedGrader(grader=grader, since=now, by=by)
    DrainedGrader.objects.bulk_create([row], ignore_conflicts=True)
    forget()


@in_transaction
def undrain(grader: str) -> None:
    """Hand out jobs to it again."""
    DrainedGrader.objects.filter(grader=grader).delete()
    forget()
