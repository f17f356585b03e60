"""Into the database, a course at a time: whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, models, transaction
from django.utils import timezone

from gradequeue.demo.history.courses import COURSES, Course, choose
from gradequeue.demo.history.depths import write_depths
from gradequeue.demo.history.lives import simulate
from gradequeue.demo.history.rows import Rows, rows
from gradequeue.demo.history.waves import arrivals
from submissions.accounts.passwords import set_random_password
from submissions.models import ClaimEnd, GraderQueue, GraderSighting, RollUp
from submissions.statistics import history as stats
from submissions.statistics.rollup import watermark

SEED = 20261124
BATCH = 2000
STAFF, OBSERVER = "demo-staff", "demo-observer"


class NotPossible(RuntimeError):
    """The history cannot be written into this database."""


def is_written() -> bool:
    """Whether the made-up courses are there."""
    return GraderQueue.objects.filter(name=COURSES[0].queue).exists()


def write_history(days: int, queues: int, done: Callable[[int], None], share: float = 1) -> int:
    """Write `days` of `queues` courses that end now; returns how many jobs. `done` is told how many courses are done.

    The same numbers make the same history, but for its times. `share`: of the usual number of submissions. None of it
    is ever due for delivery: nobody is told of made-up results. Raises NotPossible.
    """
    courses = [replace(course, per_day=max(round(course.per_day * share), 1)) for course in choose(queues)]
    _require_empty(courses)
    now = timezone.now()
    jobs = 0
    for number, course in enumerate(courses, 1):
        random = Random(f"{SEED} {course.queue}")  # noqa: S311 - no secret
        times = arrivals(course, now - timedelta(days=days), now, random)
        lives = simulate(course, times, now, random)
        with transaction.atomic():
            _insert(rows(course, lives, now, random))
            _set_up(course, now)
        jobs += len(lives)
        done(number)
    _count(now - timedelta(days=days))
    write_depths(now - timedelta(days=days), now, [course.queue for course in courses])
    return jobs


def create_accounts(queues: int) -> dict[str, str]:
    """A superuser and an observer of two of the courses, with new random passwords; name to password."""
    users: Any = get_user_model()
    passwords = {}
    for name in (STAFF, OBSERVER):
        account, _ = users.objects.get_or_create(username=name)
        account.is_staff = account.is_superuser = name == STAFF
        passwords[name] = set_random_password(account)
        account.save()
    observer = users.objects.get(username=OBSERVER)
    for course in choose(queues)[:4:3]:
        GraderQueue.objects.get(name=course.queue).observers.add(observer)
    return passwords


def _require_empty(courses: Iterable[Course]) -> None:
    if not connection.features.can_return_rows_from_bulk_insert:
        raise NotPossible("This database does not tell the ids of rows that are inserted together (MySQL does not).")
    taken = GraderQueue.objects.filter(name__in=[course.queue for course in courses]).values_list("name", flat=True)
    if names := sorted(taken):
        raise NotPossible(f"There are queues of these names already: {', '.join(names)}. Take an empty database.")


def _insert(made: Rows) -> None:
    for batch in (made.items, made.submissions, made.jobs, made.scores, made.summaries, made.deliveries):
        _insert_all(batch)
    for end, job in made.claim_ends:
        end.submission_id = job.submission_id
    ClaimEnd.objects.bulk_create([end for end, _ in made.claim_ends], batch_size=BATCH)


def _insert_all(batch: Sequence[models.Model]) -> None:
    """Those that hold an object that was not yet saved when they were made take its id now."""
    if not batch:
        return
    model: type[models.Model] = type(batch[0])
    relations = [field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)]
    for row in batch:
        for field in relations:
            if field.is_cached(row) and (held := field.get_cached_value(row)) is not None:
                setattr(row, field.attname, held.pk)
    manager: models.Manager[models.Model] = getattr(model, "_objects", model._default_manager)
    manager.bulk_create(batch, batch_size=BATCH)


def _count(begin: datetime) -> None:
    """Counting a minute again adds only what is new in it, so the marks may be set back."""
    begin = begin.replace(second=0, microsecond=0)
    RollUp.objects.filter(until__gt=begin).update(until=begin, checked=begin)
    # A server that runs already counts, too; where it was the first one, a round of ours counts nothing, and is no end.
    goal = timezone.now() - timedelta(minutes=5)
    while stats.roll_up(limit=7 * 24 * 60) or _is_behind(goal):
        pass


def _is_behind(goal: datetime) -> bool:
    mark = watermark()
    return mark is not None and mark.until < goal


def _set_up(course: Course, now: datetime) -> None:
    seen = now - timedelta(hours=course.silent_hours)
    queue = GraderQueue.objects.create(
        name=course.queue, paused=course.paused, last_polled_at=seen, last_polled_by=course.graders[0]
    )
    GraderSighting.objects.bulk_create(
        GraderSighting(queue=queue, grader=grader, seen_at=seen - timedelta(seconds=3 * number))
        for number, grader in enumerate(course.graders)
    )
