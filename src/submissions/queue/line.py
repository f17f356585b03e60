"""Who is next in a queue: the beginning of the index that a claim walks, however many wait or are finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from django.conf import settings
from django.db import connections, router
from django.db.models import Exists, OuterRef, Value
from django.db.models.functions import Coalesce, Length

from submissions.models import ExternalGraderDetail, Status, SubmissionFile, SubmitRequest
from submissions.queue.records import DueJob, LockedJob, QueueView
from submissions.queue.settings import MOST_REMEMBERED

# Behind the finished jobs, whose available_at is NULL; said as a range, every database begins there. Before all jobs:
# a machine without a clock of its own begins in 1970.
BEGINNING = datetime(1900, 1, 1, tzinfo=UTC)
# Queues in one statement.
AT_ONCE = 50


def _beginning() -> datetime:
    return BEGINNING if settings.USE_TZ else BEGINNING.replace(tzinfo=None)


def waiting_since(names: Sequence[str]) -> dict[str, datetime]:
    """Since when the job could have been taken that a claim would find first; no entry where it would find none."""
    first = {pk: name for start in range(0, len(names), AT_ONCE) for name, pk in _first(names[start : start + AT_ONCE])}
    due = ExternalGraderDetail.objects.filter(pk__in=list(first)).order_by().values_list("pk", "available_at")
    return {first[pk]: time for pk, time in due if time is not None}


def _first(names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """One seek for each. Not one subquery for all queues: MariaDB would walk all that is finished in each."""
    jobs = ExternalGraderDetail.objects
    connection = connections[jobs.db]
    terms: list[str] = []
    params: list[Any] = []
    for position, name in enumerate(names):
        due = jobs.claimable(name).filter(available_at__gt=_beginning())
        sql, values = due.values("pk")[:1].query.get_compiler(connection=connection).as_sql()
        terms.append(f"SELECT {position}, ({sql})")
        params += values
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(terms), params)
        yield from ((names[position], pk) for position, pk in cursor.fetchall() if pk is not None)


def first_ids(queue_name: str, most: int) -> list[int]:
    """The ids of the jobs at the beginning of the line, held ones among them, first those that are due first."""
    jobs = ExternalGraderDetail.objects.filter(queue_name=queue_name, available_at__gt=_beginning())
    # Ids alone: they stand in the index, so MariaDB does not look for another one.
    return list(jobs.order_by("available_at", "id").values_list("pk", flat=True)[:most])


def claimable(queue_name: str, grader: str, *, others: bool) -> Any:
    """What `grader` may be given now. What it failed at last is kept for others, where there are any: a grader that
    fails at everything must not use up the failures that a job may have. A lost lease is no such failure: many
    machines share one account, and the next one of them may take the job."""
    jobs = ExternalGraderDetail.objects.claimable(queue_name)
    if not others:
        return jobs
    failed_at = {"grader": grader, "status": Status.RETRY, "num_failures__gt": 0}
    if not _is_mysql():
        return jobs.exclude(**failed_at)
    # In a row of its own: here only the index may be read (ADR 0090).
    return jobs.filter(~Exists(ExternalGraderDetail.objects.filter(pk=OuterRef("pk"), **failed_at)))


# Where this process's last claim found nothing, the next one looks before it takes: an empty queue is polled all day,
# and a read costs the database about half of what a claim does.
_empty: set[str] = set()


def was_empty(queue_name: str) -> bool:
    """Whether this process's last claim there found nothing."""
    return queue_name in _empty


def note_claim(queue_name: str, *, found: bool) -> None:
    _empty.discard(queue_name)
    if not found and len(_empty) < MOST_REMEMBERED:
        _empty.add(queue_name)


def is_empty(queue: QueueView, grader: str) -> bool:
    """Whether a claim would find nothing, as the last one did: a look without a lock."""
    return was_empty(queue.name) and not claimable(queue.name, grader, others=queue.others).values("pk")[:1]


def lock_due(queue: QueueView, grader: str, limit: int, room: int | None = None) -> list[DueJob]:
    """The first jobs that are due, locked, up to `limit` of them.

    `room`: no more of them are read than fit into it (characters), but for the first; None: all of them.
    """
    jobs = claimable(queue.name, grader, others=queue.others)
    if room is not None or _is_mysql():
        # First nothing but what stands in the index: MySQL would walk, and lock, all that is finished (ADR 0090).
        first = list(jobs.locked_ids()[:limit])
        first = first if room is None else _fitting(first, room)
        jobs = ExternalGraderDetail.objects.filter(pk__in=first).order_by("available_at", "id")
    rows = jobs.locked(skip_locked=True).annotate(with_files=_with(SubmissionFile, "external_grader"))
    rows = rows.annotate(with_json=_with(SubmitRequest, "job", has_json_payload=True))
    due = [DueJob(LockedJob(row, row.now), row.with_files, row.with_json) for row in rows[:limit]]
    note_claim(queue.name, found=bool(due))
    return due


def _fitting(ids: Sequence[int], room: int) -> list[int]:
    """The first of these jobs that fit together, and the first one in any case."""
    texts = ("submission__answer", "body", "grader_payload", "student_info")
    size = sum((Coalesce(Length(text), 0) for text in texts), Value(0))
    jobs = ExternalGraderDetail.objects.filter(pk__in=ids).order_by()
    sizes = dict(jobs.annotate(size=size).values_list("pk", "size"))
    filled = accumulate(sizes.get(pk, 0) for pk in ids)
    return [pk for number, (pk, size) in enumerate(zip(ids, filled, strict=True)) if size <= room or not number]


def _with(model: Any, relation: str, **more: object) -> Exists:
    return Exists(model.objects.filter(**{relation: OuterRef("pk")}, **more))


def _is_mysql() -> bool:
    return connections[router.db_for_write(ExternalGraderDetail)].vendor == "mysql"
