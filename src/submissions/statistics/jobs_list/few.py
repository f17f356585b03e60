"""The few jobs that a name leads to: of a submission, a learner, an item, a course, or the platform's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from submissions.models import StudentItem, Submission
from submissions.statistics.jobs_list import bounds
from submissions.statistics.jobs_list.filters import Filters
from submissions.statistics.jobs_list.jobs import Job, Jobs, fitting
from submissions.statistics.jobs_list.keys import Match
from submissions.statistics.jobs_list.scope import Scope, is_pseudonym

T = TypeVar("T")


def is_narrow(filters: Filters) -> bool:
    """Whether a name is asked for that an index knows."""
    return any((filters.submission, filters.reference, filters.learner, filters.course, filters.item))


def few(filters: Filters, scope: Scope) -> list[Match] | None:
    """All that match, of the few jobs that an index of names leads to; None where there are many, or no such name."""
    if filters.is_indirect or not is_narrow(filters):
        return None
    if filters.submission is not None:
        return _all_of(Job.objects.filter(submission_id=filters.submission), filters, scope)
    if filters.reference:
        keyed = Job.objects.filter(queue_key=filters.reference[:128]).order_by().values_list("submission_id", flat=True)
        return _of_submissions(list(keyed[: bounds.MOST_NARROW + 1]), filters, scope)
    return _of_submissions(_submissions_of_items(filters, scope), filters, scope)


def _submissions_of_items(filters: Filters, scope: Scope) -> list[int] | None:
    if is_pseudonym(filters.learner, scope):
        return None
    if not filters.learner and scope.queues is not None:
        # How long it takes must not tell who sees some queues whether a course is in others.
        return None
    names = {"learner": "student_id", "course": "course_id", "item": "item_id"}
    texts = {column: getattr(filters, name) for name, column in names.items() if getattr(filters, name)}
    # In no order: with one, a planner may walk all that there is in this order.
    items = list(StudentItem.objects.filter(**texts).order_by().values_list("pk", flat=True)[: bounds.MOST_ITEMS + 1])
    if len(items) > bounds.MOST_ITEMS:
        return None
    made = Submission._objects.filter(student_item_id__in=items).order_by().values_list("pk", flat=True)
    return list(made[: bounds.MOST_NARROW + 1])


def _of_submissions(ids: list[int] | None, filters: Filters, scope: Scope) -> list[Match] | None:
    if ids is None or len(ids) > bounds.MOST_NARROW:
        return None
    found: list[Match] = []
    for part in parts(ids, bounds.WINDOW):
        found += _all_of(Job.objects.filter(submission_id__in=part), filters, scope)
    return found


def _all_of(rows: Jobs, filters: Filters, scope: Scope) -> list[Match]:
    return [Match(key, key[1]) for key in fitting(rows, filters, scope)]


def parts(rows: Sequence[T], size: int) -> Iterator[list[T]]:
    """`rows`, so many at a time."""
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])
