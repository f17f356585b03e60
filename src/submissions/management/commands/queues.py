"""How each queue stands, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from submissions.management.base import DataCommand
from submissions.statistics import depths, standing

COLUMNS = ("queue", "waiting", "graded now", "retry", "failed", "oldest waiting (s)", "last polled", "by", "warnings")


class Command(DataCommand):
    help = __doc__

    def handle(self, **options: Any) -> None:
        if options["as_json"]:
            for numbers in standing.queues():
                self.say(asdict(numbers))
            return
        rows = [_cells(numbers) for numbers in standing.queues()]
        if rows:
            self.table(COLUMNS, rows)
        else:
            self.tell("There is no queue yet; the first submission sets one up (gradequeue enqueue).")


def _cells(numbers: standing.QueueNumbers) -> tuple[object, ...]:
    return (
        f"{numbers.queue_name} (paused)" if numbers.paused else numbers.queue_name,
        *(_count(number, numbers) for number in (numbers.waiting, numbers.being_graded, numbers.retry, numbers.failed)),
        numbers.oldest_waiting_seconds,
        numbers.last_polled_at,
        numbers.last_polled_by,
        "; ".join(numbers.warnings),
    )


def _count(number: int, numbers: standing.QueueNumbers) -> str:
    return f"{number}+" if numbers.at_least and number >= depths.MOST else str(number)
