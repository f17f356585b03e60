"""The jobs of one queue in one state, newest first: a walk of the index (queue_name, status, status_time)."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, F, Func, Value

from submissions.models import ExternalGraderDetail, Status


def newest(queue_name: str, status: Status) -> Any:
    """To be sliced: by what entered the state last."""
    pinned = ExternalGraderDetail.objects.filter(
        _Pinned(F("queue_name"), F("status"), Value(queue_name), Value(status))
    )
    return pinned.order_by("-queue_name", "-status", "-status_time")


class _Pinned(Func):
    """``queue_name = a AND status = b``, where PostgreSQL must not see that both are constant.

    If it does, it takes status_time for the whole order, and may walk that column's own index over all queues: over
    a million newer jobs of others, to find a thousand of a queue that has rested since last term.
    """

    arity = 4
    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        (queue, _a), (state, _b), (name, names), (status, statuses) = self._compiled(compiler)
        return f"({queue} = {name} AND {state} = {status})", [*names, *statuses]

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        (queue, _a), (state, _b), (name, names), (status, statuses) = self._compiled(compiler)
        pair, value = f"({queue}, {state})", f"({name}, {status})"
        return f"({pair} >= {value} AND {pair} <= {value})", [*names, *statuses, *names, *statuses]

    def _compiled(self, compiler: Any) -> Any:
        return [compiler.compile(one) for one in self.get_source_expressions()]
