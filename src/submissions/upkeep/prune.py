"""Pruning: finished jobs of long ago go, their submissions and scores stay (ADR 0083).

In small transactions; what breaks off half-way is finished by the same command again: a file goes before the row that
names it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from submissions.api.caching import forget
from submissions.models import (
    ClaimEnd,
    DatabaseNow,
    Delivery,
    DeliveryState,
    ExternalGraderDetail,
    MovedJob,
    OperatorMove,
    QueueMinute,
    Status,
    StudentItem,
    Submission,
)
from submissions.queue.transactions import in_transaction
from submissions.statistics.rollup import roll_up
from submissions.upkeep.removal import BATCH, FileStays, Removed, remove_files

logger = logging.getLogger("submissions.upkeep")

Job = ExternalGraderDetail

# After so many jobs that stay the storage is away, and each further file would wait for it.
MOST_KEPT = 100


@dataclass
class Pruned(Removed):
    kept: int = 0
    """Jobs that stay, as a file of theirs could not be deleted."""


def prunable(
    days: int, *, states: tuple[Status, ...] = (Status.RETIRED,), queue_name: str | None = None
) -> QuerySet[Job]:
    """Jobs that ended at least `days` ago, in one of `states`, and that owe nobody a result."""
    owed = Delivery.objects.filter(job=OuterRef("pk"), state__in=[DeliveryState.WAITING, DeliveryState.DUE])
    # A job that was given up keeps its deliveries waiting: its result may still come.
    owed = owed.exclude(state=DeliveryState.WAITING, job__status=Status.FAILED)
    ended = Job.objects.filter(status__in=states, status_time__lte=DatabaseNow() - timedelta(days=days))
    ended = ended if queue_name is None else ended.filter(queue_name=queue_name)
    return ended.filter(~Exists(owed)).order_by("status_time", "pk")


def prune(jobs: QuerySet[Job], days: int, *, whole_items: bool = False) -> Iterator[Pruned]:
    """Remove these `prunable` jobs with their files and deliveries; what each batch removed.

    Submissions and scores stay. `whole_items`: those items go, too, that have neither a job left nor any attempt
    younger than `days`. The numbers of `submissions.statistics.history` are counted first. A file that cannot be
    deleted keeps its own job; raises FileStays after MOST_KEPT of them.
    """
    kept = 0
    while roll_up():
        pass
    after: tuple[datetime, int] | None = None
    while True:
        rest = (
            jobs
            if after is None
            else jobs.filter(Q(status_time__gt=after[0]) | Q(status_time=after[0], pk__gt=after[1]))
        )
        batch = list(rest.values_list("status_time", "pk")[:BATCH])
        if not batch:
            return
        after = batch[-1]
        for removed in _prune_all(jobs, [pk for _, pk in batch], days=days if whole_items else None):
            yield removed
            kept += removed.kept
            if kept == MOST_KEPT:
                raise FileStays(f"{MOST_KEPT} files could not be deleted")


def _prune_all(jobs: QuerySet[Job], pks: list[int], *, days: int | None) -> Iterator[Pruned]:
    try:
        yield _prune_batch(jobs, pks, days=days)
    except FileStays:
        for pk in pks:
            try:
                yield _prune_batch(jobs, [pk], days=days)
            except FileStays as stays:
                logger.error("%s", stays)
                yield Pruned(kept=1)


@in_transaction
def _prune_batch(jobs: QuerySet[Job], pks: list[int], *, days: int | None) -> Pruned:
    # An operator may have put one back meanwhile; whoever holds one has it for something else.
    locked = Job.objects.filter(pk__in=pks).order_by("pk").locked(skip_locked=True).values_list("pk", flat=True)
    ready = list(jobs.filter(pk__in=list(locked)).values_list("pk", "submission__student_item_id"))
    mine = [pk for pk, _ in ready]
    removed = Pruned(jobs=len(mine), files=remove_files(mine))
    deliveries = Delivery.objects.filter(job_id__in=mine)
    removed.deliveries = deliveries.count()
    Job.objects.filter(pk__in=mine).delete()
    if days is not None:
        removed.items = _remove_items({item for _, item in ready}, days)
    return removed


def _remove_items(items: set[int], days: int) -> int:
    # Whoever makes an attempt holds its item's lock: it is there before we look, or is made with a new item.
    list(StudentItem.objects.select_for_update().filter(pk__in=items).order_by("pk").values_list("pk"))
    attempts = Submission._objects.filter(student_item=OuterRef("pk"))
    busy = attempts.filter(
        Q(external_grader_detail__isnull=False) | Q(submitted_at__gt=DatabaseNow() - timedelta(days=days))
    )
    idle = StudentItem.objects.filter(pk__in=items).filter(~Exists(busy))
    mine = list(idle.values_list("pk", flat=True))
    uuids = list(Submission._objects.filter(student_item__in=mine).values_list("uuid", flat=True))
    StudentItem.objects.filter(pk__in=mine).delete()
    forget(uuids, items=mine)
    return len(mine)


def prune_statistics(days: int) -> int:
    """Remove minutes and ends of claims that are older; totals stay. How many rows."""
    limit = DatabaseNow() - timedelta(days=days)
    return _delete_in_batches(QueueMinute.objects.filter(minute__lt=limit)) + _delete_in_batches(
        ClaimEnd.objects.filter(at__lt=limit)
    )


def prune_activity(days: int) -> int:
    """Remove what operators did before that; how many moves."""
    limit = DatabaseNow() - timedelta(days=days)
    # First, and in batches: one move may have 100,000 of them.
    _delete_in_batches(MovedJob.objects.filter(move__at__lt=limit))
    return _delete_in_batches(OperatorMove.objects.filter(at__lt=limit))


def _delete_in_batches(rows: QuerySet[Any]) -> int:
    number = 0
    while pks := list(rows.values_list("pk", flat=True)[: 20 * BATCH]):
        number += rows.model.objects.filter(pk__in=pks).delete()[0]
    return number
