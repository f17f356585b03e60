"""Who is next in a queue: the beginning of the index that a claim walks, however many wait or are finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connections

from submissions.models import ExternalGraderDetail

# Behind the finished ones, whose available_at is NULL; said as a range, every database begins there.
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
# Queues in one statement.
AT_ONCE = 50


def since(names: Sequence[str]) -> dict[str, datetime]:
    """Since when the job could have been taken that a claim would find first; no entry where it would find none."""
    first = {pk: name for start in range(0, len(names), AT_ONCE) for name, pk in _first(names[start : start + AT_ONCE])}
    due = ExternalGraderDetail.objects.filter(pk__in=list(first)).order_by().values_list("pk", "available_at")
    return {first[pk]: moment for pk, moment in due if moment is not None}


def _first(names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """One seek for each. Not one subquery for all queues: MariaDB would walk all that is finished in each."""
    jobs = ExternalGraderDetail.objects
    connection = connections[jobs.db]
    terms: list[str] = []
    params: list[Any] = []
    for position, name in enumerate(names):
        due = jobs.claimable(name).filter(available_at__gt=BEGINNING)
        sql, values = due.values("pk")[:1].query.get_compiler(connection=connection).as_sql()
        terms.append(f"SELECT {position}, ({sql})")
        params += values
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(terms), params)
        yield from ((names[position], pk) for position, pk in cursor.fetchall() if pk is not None)


def beginning(queue_name: str, most: int) -> list[int]:
    """The ids of the jobs at the beginning of the line, held ones among them, first those that are due first."""
    jobs = ExternalGraderDetail.objects.filter(queue_name=queue_name, available_at__gt=BEGINNING)
    # Ids alone: they stand in the index, so MariaDB does not look for another one.
    return list(jobs.order_by("available_at", "id").values_list("pk", flat=True)[:most])
