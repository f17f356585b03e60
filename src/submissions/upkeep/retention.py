"""What is kept for so long, and of whom: pruning finished jobs, and taking a learner out (ADR 0083, 0084).

Both go in small transactions, and what breaks off half-way is finished by the same command again: a file goes before
the row that names it.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db.models import Exists, OuterRef, Q

from submissions import queue
from submissions.errors import NotAllowed, UnknownJob
from submissions.models import (
    ClaimEnd,
    DatabaseNow,
    Delivery,
    DeliveryState,
    ExternalGraderDetail,
    QueueMinute,
    Score,
    Status,
    StudentItem,
    Submission,
    SubmissionFile,
)
from submissions.queue.transactions import in_transaction
from submissions.statistics.rollup import roll_up

logger = logging.getLogger("submissions.retention")

Job = ExternalGraderDetail

# Jobs in one transaction: few, as files are deleted in it.
BATCH = 50
# What a learner wrote or what is said of them, in a job. `pulls` and `last_error` repeat what their program printed.
EMPTIED = (
    "body",
    "file_links",
    "grader_payload",
    "grader_reply",
    "last_error",
    "pulls",
    "queue_key",
    "student_info",
)
LEARNER_RETIRED = "The learner was retired."


@dataclass
class Removed:
    """What was removed, or would be."""

    jobs: int = 0
    files: int = 0
    deliveries: int = 0
    items: int = 0
    """Student items that went as a whole, with their submissions and scores; or that changed their name."""
    submissions: int = 0
    """Submissions whose answer was removed."""

    def add(self, other: Removed) -> None:
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


# Pruning. -----------------------------------------------------------------------------------------------------------


def prunable(days: int, *, states: tuple[Status, ...] = (Status.RETIRED,), queue_name: str | None = None) -> Any:
    """Jobs that ended at least `days` ago, in one of `states`, and that owe nobody a result."""
    owed = Delivery.objects.filter(job=OuterRef("pk"), state__in=[DeliveryState.WAITING, DeliveryState.DUE])
    # A job that was given up keeps its deliveries waiting: its result may still come.
    owed = owed.exclude(state=DeliveryState.WAITING, job__status=Status.FAILED)
    ended = Job.objects.filter(status__in=states, status_time__lte=DatabaseNow() - timedelta(days=days))
    ended = ended if queue_name is None else ended.filter(queue_name=queue_name)
    return ended.filter(~Exists(owed)).order_by("status_time", "pk")


def prune(jobs: Any, days: int, *, whole_items: bool = False) -> Iterator[Removed]:
    """Remove these `prunable` jobs with their files and deliveries; what each batch removed.

    Submissions and scores stay. `whole_items`: those items go, too, that have neither a job left nor any attempt
    younger than `days`. The numbers of `submissions.statistics.history` are counted first.
    """
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
        yield _prune_batch(jobs, [pk for _, pk in batch], days=days if whole_items else None)


@in_transaction
def _prune_batch(jobs: Any, pks: list[int], *, days: int | None) -> Removed:
    # An operator may have put one back meanwhile; whoever holds one has it for something else.
    locked = Job.objects.filter(pk__in=pks).order_by("pk").locked(skip_locked=True).values_list("pk", flat=True)
    ready = list(jobs.filter(pk__in=list(locked)).values_list("pk", "submission__student_item_id"))
    mine = [pk for pk, _ in ready]
    removed = Removed(jobs=len(mine), files=_remove_files(mine))
    deliveries = Delivery.objects.filter(job_id__in=mine)
    removed.deliveries = deliveries.count()
    Job.objects.filter(pk__in=mine).delete()
    if days is not None:
        removed.items = _remove_items({item for _, item in ready}, days)
    return removed


def _remove_items(items: set[int], days: int) -> int:
    attempts = Submission._objects.filter(student_item=OuterRef("pk"))
    busy = attempts.filter(
        Q(external_grader_detail__isnull=False) | Q(submitted_at__gt=DatabaseNow() - timedelta(days=days))
    )
    idle = StudentItem.objects.filter(pk__in=items).filter(~Exists(busy))
    uuids = list(Submission._objects.filter(student_item__in=idle).values_list("uuid", flat=True))
    number = idle.count()
    idle.delete()
    _forget(uuids)
    return number


def prune_statistics(days: int) -> int:
    """Remove minutes and ends of claims that are older; totals stay. How many rows."""
    limit = DatabaseNow() - timedelta(days=days)
    return sum(
        _in_batches(rows)
        for rows in (QueueMinute.objects.filter(minute__lt=limit), ClaimEnd.objects.filter(at__lt=limit))
    )


def _in_batches(rows: Any) -> int:
    number = 0
    while pks := list(rows.values_list("pk", flat=True)[: 20 * BATCH]):
        number += rows.model.objects.filter(pk__in=pks).delete()[0]
    return number


def _remove_files(jobs: list[int]) -> int:
    files = list(SubmissionFile.objects.filter(external_grader_id__in=jobs))
    for row in files:
        row.file.storage.delete(str(row.file.name))
    SubmissionFile.objects.filter(pk__in=[row.pk for row in files]).delete()
    return len(files)


# A learner. ---------------------------------------------------------------------------------------------------------


def pseudonym(student_id: str) -> str:
    """By Open edX' convention for retired names: the same each time, and no way back without the secret key."""
    digest = hmac.new(settings.SECRET_KEY.encode(), b"retired\0" + student_id.encode("utf-8", "replace"), "sha256")
    return f"retired__user_{digest.hexdigest()[:40]}"


def about(student_id: str) -> Removed:
    """What `retire_student` would touch."""
    items = _items_of(student_id)
    submissions = Submission._objects.filter(student_item__in=items)
    jobs = Job.objects.filter(submission__student_item__in=items)
    return Removed(
        jobs=jobs.count(),
        files=SubmissionFile.objects.filter(external_grader__in=jobs).count(),
        deliveries=Delivery.objects.filter(job__in=jobs).count(),
        items=items.count(),
        submissions=submissions.count(),
    )


def retire_student(student_id: str) -> Generator[Removed, None, None]:
    """Take the learner out: a pseudonym in place of the id; answers, files and replies are removed; scores stay.

    Unfinished jobs are retired without a score. Afterwards the id is unknown; to repeat it does no harm.
    """
    yield from _rename(student_id)
    last = 0
    renamed = StudentItem.objects.filter(student_id__startswith=pseudonym(student_id))
    attempts = Submission._objects.filter(student_item__in=renamed).order_by("pk")
    while pks := list(attempts.filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        for pk in pks:
            _end_job(pk)
            yield _empty(pk)
        last = pks[-1]


def _rename(student_id: str) -> Iterator[Removed]:
    name = pseudonym(student_id)
    while items := _exactly(student_id)[:BATCH]:
        for item in StudentItem.objects.filter(pk__in=items):
            same = StudentItem.objects.filter(student_id=name, course_id=item.course_id, item_id=item.item_id)
            # Who came back after an earlier retirement has the item twice.
            item.student_id = f"{name}_{item.pk}" if same.exists() else name
            item.save(update_fields=["student_id"])
            yield Removed(items=1)


def _items_of(student_id: str) -> Any:
    # Also what an earlier run that broke off has renamed already.
    return StudentItem.objects.filter(Q(pk__in=_exactly(student_id)) | Q(student_id__startswith=pseudonym(student_id)))


def _exactly(student_id: str) -> list[int]:
    """The items of this id, letter by letter: MariaDB also finds those of ids in other cases or with accents."""
    found = StudentItem.objects.filter(student_id=student_id).order_by("pk").values_list("pk", "student_id")
    return [pk for pk, found_id in found if found_id == student_id]


def _end_job(submission_id: int) -> None:
    with contextlib.suppress(NotAllowed, UnknownJob):  # finished already, or never a job
        queue.retire(submission_id, LEARNER_RETIRED)


@in_transaction
def _empty(submission_id: int) -> Removed:
    submission = Submission._objects.select_for_update().get(pk=submission_id)
    removed = Removed(submissions=int(submission.answer != ""))
    submission.answer = ""
    submission.save(update_fields=["answer"])
    jobs = list(Job.objects.filter(submission_id=submission_id).values_list("pk", flat=True))
    removed.jobs, removed.files = len(jobs), _remove_files(jobs)
    removed.deliveries = Delivery.objects.filter(job_id__in=jobs).delete()[0]
    scored = Score.objects.filter(submission_id=submission_id).exists()
    # A job without a score needs a reason, also where the old one quoted the learner's program.
    reason = None if scored else LEARNER_RETIRED
    Job.objects.filter(pk__in=jobs).update(**dict.fromkeys(EMPTIED) | {"last_error": reason})
    _forget([submission.uuid])
    return removed


def _forget(uuids: list[UUID]) -> None:
    try:
        cache.delete_many([Submission.get_cache_key(uuid) for uuid in uuids])
    except Exception:  # a cache that is down has no copies to show either
        logger.exception("The cache could not be cleared")
