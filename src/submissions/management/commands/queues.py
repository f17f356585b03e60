"""How each queue stands, the worst first, and what is wrong with it."""

from __future__ import annotations

from typing import Any

from submissions.management.base import DataCommand
from submissions.statistics import standing
from submissions.statistics.standing import Standing
from submissions.text import duration

COLUMNS = (
    *("queue", "light", "waiting", "being graded", "retry", "failed"),
    *("oldest waiting", "last polled", "by", "cause"),
)


class Command(DataCommand):
    help = __doc__

    def handle(self, **options: Any) -> None:
        found = standing.of_all()
        if options["as_json"]:
            for one in found:
                self.say(_row(one))
        elif found:
            self.table(COLUMNS, map(_cells, found))
        else:
            self.tell("There is no queue yet; the first submission sets one up (gradequeue enqueue).")


def _row(one: Standing) -> dict[str, object]:
    """The fields of --json: scripts depend on them (docs/operating.md)."""
    return {
        "queue_name": one.name,
        "waiting": one.waiting,
        "being_graded": one.being_graded,
        "retry": one.count.retry,
        "failed": one.failed,
        "oldest_waiting_seconds": one.oldest_seconds,
        "last_polled_at": one.queue.last_polled_at,
        "last_polled_by": one.queue.last_polled_by,
        "paused": one.queue.paused,
        "warnings": one.warnings,
        "at_least": one.count.at_least,
        "pending": one.count.pending,
        "lapsed": one.count.lapsed,
        "light": one.light.colour,
    }


def _cells(one: Standing) -> tuple[object, ...]:
    return (
        f"{one.name} (paused)" if one.queue.paused else one.name,
        one.light.colour,
        *map(one.count.shown, (one.waiting, one.being_graded, one.count.retry, one.failed)),
        duration(one.oldest),
        "-" if one.silent is None else f"{duration(one.silent)} ago",
        one.queue.last_polled_by,
        "; ".join(one.warnings),
    )
