"""The jobs of one queue in one state, newest first: a walk of the index (queue_name, status, status_time)."""

from __future__ import annotations

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.db.models.sql.compiler import SQLCompiler

from submissions.models import ExternalGraderDetail, Status


def newest(queue_name: str, status: Status) -> QuerySet[ExternalGraderDetail]:
    """Newest in the state first; to be sliced."""
    jobs = ExternalGraderDetail.objects.filter(queue_name=queue_name, status=status).order_by("-status_time")
    if connections[jobs.db].vendor != "postgresql":
        return jobs
    # Where it knows that the other columns are constant, it orders by status_time alone and may walk that column's
    # own index over all queues: past a million newer jobs, to find a thousand of a queue idle since last term.
    pinned = _Pinned(F("queue_name"), F("status"), Value(queue_name), Value(status))
    return ExternalGraderDetail.objects.filter(pinned).order_by("-queue_name", "-status", "-status_time")


class _Pinned(Func):
    """``(queue_name, status) = (a, b)``, as a range of the index."""

    arity = 4
    output_field = BooleanField()

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: object
    ) -> tuple[str, list[str | int]]:
        (queue, _a), (state, _b), (name, names), (status, statuses) = [
            compiler.compile(one) for one in self.get_source_expressions()
        ]
        pair, value = f"({queue}, {state})", f"({name}, {status})"
        return f"({pair} >= {value} AND {pair} <= {value})", [*names, *statuses, *names, *statuses]
