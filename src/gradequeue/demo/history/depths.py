"""How deep the queues of the made-up history would have been found, had somebody looked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from submissions.models import ExternalGraderDetail, Status
from submissions.statistics import samples
from submissions.statistics.samples import Depth

# For how long each minute, as a server looks, and each quarter of an hour; before that each hour. More the longer plots
# do not show, and each look is a row for each queue.
LATELY, LAST_DAYS = timedelta(hours=2), timedelta(days=2)
QUARTER, HOUR = 15, 60


def write_depths(begin: datetime, now: datetime, names: list[str]) -> None:
    minutes = list(_minutes(samples.minute_of(begin), samples.minute_of(now)))
    depths = {name: _depths(name, minutes) for name in names}
    samples.write_all((minute, {name: next(found) for name, found in depths.items()}) for minute in minutes)


def _minutes(first: int, last: int) -> Iterator[int]:
    lately, last_days = (last - span // timedelta(minutes=1) for span in (LATELY, LAST_DAYS))
    for minute in range(first, last):
        if minute >= lately or minute % (QUARTER if minute >= last_days else HOUR) == 0:
            yield minute


def _depths(name: str, minutes: list[int]) -> Iterator[Depth]:
    """At each of these minutes; what is being graded counts as waiting."""
    changes = sorted(_changes(name))
    waiting = failed = position = 0
    for minute in minutes:
        while position < len(changes) and changes[position][0] <= minute:
            _, more_waiting, more_failed = changes[position]
            waiting, failed, position = waiting + more_waiting, failed + more_failed, position + 1
        yield Depth(waiting=waiting, failed=failed)


def _changes(name: str) -> Iterator[tuple[int, int, int]]:
    """(minute, more waiting, more failed)"""
    jobs = ExternalGraderDetail.objects.filter(queue_name=name).order_by()
    for created, status, since in jobs.values_list("created_at", "status", "status_time").iterator():
        yield samples.minute_of(created), 1, 0
        if status in Status.ended():
            yield samples.minute_of(since), -1, int(status == Status.FAILED)
