"""How each queue stands, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from submissions import depths, metrics
from submissions.management.base import DataCommand

COLUMNS = ("queue", "waiting", "graded now", "retry", "failed", "oldest waiting (s)", "last polled", "by", "warnings")


class Command(DataCommand):
    help = __doc__

    def handle(self, **options: Any) -> None:
        if options["as_json"]:
            for numbers in metrics.queues():
                self.say(asdict(numbers))
            return
        rows = [_cells(numbers) for numbers in metrics.queues()]
        if rows:
            self.table(COLUMNS, rows)
        else:
            self.tell("There is no queue yet; the first submission sets one up (gradequeue enqueue).")


def _cells(numbers: metrics.QueueNumbers) -> tuple[object, ...]:
    return (
        f"{numbers.queue_name} (paused)" if numbers.paused else numbers.queue_name,
        *(_count(number, numbers) for number in (numbers.waiting, numbers.being_graded, numbers.retry, numbers.failed)),
        numbers.oldest_waiting_seconds,
        numbers.last_polled_at,
        numbers.last_polled_by,
        "; ".join(numbers.warnings),
    )


def _count(number: int, numbers: metrics.QueueNumbers) -> str:
    return f"{number}+" if numbers.at_least and number >= depths.MOST else str(number)
