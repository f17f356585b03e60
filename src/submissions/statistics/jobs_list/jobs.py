"""What only a job itself can tell: whether it is one of the list's, asked of few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Left

from submissions import sql
from submissions.models import DatabaseNow, ExternalGraderDetail
from submissions.statistics import causes
from submissions.statistics.jobs_list.filters import Filters, Time
from submissions.statistics.jobs_list.keys import Match
from submissions.statistics.jobs_list.scope import Scope, is_pseudonym, queue_names
from submissions.statistics.jobs_list.states import RANGES, TOLD_BY_JOB

Job = ExternalGraderDetail
Jobs = QuerySet[ExternalGraderDetail]
Row = TypeVar("Row", bound=Model)
COLUMNS = {
    "grader": "grader",
    "file": "grader_file_name",
    "reference": "queue_key",
    "course": "submission__student_item__course_id",
    "item": "submission__student_item__item_id",
    "learner": "submission__student_item__student_id",
}


def must_look(filters: Filters) -> bool:
    """Whether no index says what matches."""
    return filters.state in TOLD_BY_JOB or bool(filters.cause) or any(getattr(filters, name) for name in COLUMNS)


def matching(candidates: list[Match], filters: Filters, scope: Scope) -> list[Match]:
    rows = Job.objects.filter(pk__in=[one.pk for one in candidates])
    found = {pk for _at, pk in fitting(rows, filters, scope)}
    return [one for one in candidates if one.pk in found]


def fitting(rows: Jobs, filters: Filters, scope: Scope) -> Iterator[tuple[datetime, int]]:
    """The time and the id of those of `rows` that all filters hold for, in no order. `rows` are few."""
    texts = {column: getattr(filters, name) for name, column in COLUMNS.items() if getattr(filters, name)}
    alias = texts.pop(COLUMNS["learner"], "") if is_pseudonym(filters.learner, scope) else ""
    rows = between(sql.exactly(rows.order_by(), **texts), filters)
    if filters.state:
        some = Q()
        for status, more in RANGES[filters.state]:
            some |= Q(more, status=status)
        rows = rows.filter(some, TOLD_BY_JOB.get(filters.state, Q()))
    if filters.queue or scope.queues is not None:
        rows = rows.filter(queue_name__in=queue_names(filters, scope))
    columns = ["status_time", "pk", *([COLUMNS["learner"]] if alias else [])]
    errors = {"grader_name": F("grader"), "error": Left("last_error", causes.LENGTH)} if filters.cause else {}
    for row in rows.values(*columns, **errors):
        if alias and (scope.pseudonym is None or scope.pseudonym(row[COLUMNS["learner"]]) != alias):
            continue
        if filters.cause and _cause(row["error"], row["grader_name"]) != filters.cause:
            continue
        yield row["status_time"], row["pk"]


def _cause(error: str | None, grader: str) -> str:
    return causes.key_of(causes.cause_of(error or "", grader))


def between(rows: QuerySet[Row], filters: Filters, column: str = "status_time") -> QuerySet[Row]:
    """Those of `rows` whose latest change, or what else `column` is the time of, is in the time that is asked for."""
    if filters.since is not None:
        rows = rows.filter(**{f"{column}__gte": _moment(filters.since)})
    if filters.until is not None:
        rows = rows.filter(**{f"{column}__lt": _moment(filters.until)})
    return rows


def _moment(time: Time) -> Any:
    return DatabaseNow() - time if isinstance(time, timedelta) else time
