"""How deep the queues were: counted each minute and kept, so that the past stays as it was (ADR 0134).

Whatever moves jobs meanwhile, a retry, a pruning, an import, changes the next sample and no earlier one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connections, router
from django.db.models import F, Max, QuerySet, Sum

from submissions import sql
from submissions.models import DepthSample, GraderQueue
from submissions.statistics.depths import counts, names_without_row
from submissions.statistics.rollup import MINUTE

ALL = ""
# Longer than the longest plot.
KEPT = timedelta(days=35)
# How many old rows one sample removes at least, beside as many as it adds.
MORE = 100
BATCH = 500
# No process that was held up is so far behind another one (minutes).
AHEAD = 5


@dataclass(frozen=True)
class Depth:
    """The highest numbers of jobs that a step of time saw."""

    waiting: int = 0
    being_graded: int = 0
    failed: int = 0

    @property
    def open(self) -> int:
        return self.waiting + self.being_graded

    def at_most(self, other: Depth) -> Depth:
        """The higher one of each number."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in NUMBERS)
        return Depth(*map(max, pairs))


NUMBERS = ("waiting", "being_graded", "failed")


def minute_of(at: datetime) -> int:
    return int(at.timestamp()) // 60


def take() -> bool:
    """Count and write down, once a minute; False where somebody did it in this minute already."""
    connection = connections[router.db_for_write(DepthSample)]
    connection.ensure_connection()
    minute = minute_of(sql.now(connection))
    if DepthSample.objects.filter(queue_name=ALL, minute=minute).exists():
        return False
    ahead = DepthSample.objects.filter(minute__gt=minute + AHEAD)
    if ahead.filter(queue_name=ALL).exists():  # from before a clock was set back: nobody would count in those minutes
        ahead.delete()
    names = set(GraderQueue.objects.order_by().values_list("name", flat=True))
    names |= set(names_without_row(names))
    found = {name: Depth(one.waiting, one.being_graded, one.failed) for name, one in counts(sorted(names)).items()}
    write(minute, found)
    _forget(minute, len(found))
    return True


def write(minute: int, found: dict[str, Depth]) -> None:
    """Keep what was found in one minute, with its sum. Of two that write at once, the first one counts."""
    write_all([(minute, found)])


def write_all(minutes: Iterable[tuple[int, dict[str, Depth]]]) -> None:
    """The same of many minutes, in one transaction and few statements."""
    rows = [row for minute, found in minutes for row in _rows(minute, found)]
    DepthSample.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)


def _rows(minute: int, found: dict[str, Depth]) -> Iterable[DepthSample]:
    sums = Depth(*(sum(getattr(one, name) for one in found.values()) for name in NUMBERS))
    shown = {name: one for name, one in found.items() if one != Depth()} | {ALL: sums}
    return [DepthSample(queue_name=name, minute=minute, **vars(one)) for name, one in shown.items()]


def _forget(minute: int, added: int) -> None:
    """Remove what no plot shows any more. The oldest rows were written first: no index of times is needed."""
    limit = minute - KEPT // MINUTE
    oldest = DepthSample.objects.order_by("pk").values_list("pk", "minute")[: added + MORE]
    DepthSample.objects.filter(pk__in=[pk for pk, of in oldest if of < limit]).delete()


def of_queue(name: str, start: datetime, step: timedelta, length: int) -> list[Depth | None]:
    """`length` steps from `start` on, which is a whole number of steps since midnight; None: nobody looked."""
    mine = dict(_steps(DepthSample.objects.filter(queue_name=name), start, step, length))
    looked = dict(_steps(DepthSample.objects.filter(queue_name=ALL), start, step, length))
    return [mine.get(number, Depth() if number in looked else None) for number in range(length)]


def of_all(start: datetime, step: timedelta, length: int) -> list[Depth | None]:
    """The same of all queues together."""
    found = dict(_steps(DepthSample.objects.filter(queue_name=ALL), start, step, length))
    return [found.get(number) for number in range(length)]


def of_some(names: Collection[str], start: datetime, step: timedelta, length: int) -> list[Depth | None]:
    """The same of some queues together: the highest sums, which are not the sums of the highest."""
    begin, minutes = minute_of(start), step // MINUTE
    looked = _steps(DepthSample.objects.filter(queue_name=ALL), start, step, length)
    found = dict.fromkeys((number for number, _ in looked), Depth())
    # Added up there: many queues have many rows in a month.
    rows = _within(DepthSample.objects.filter(queue_name__in=list(names)), begin, step, length).values("minute")
    sums = rows.annotate(**{f"sum_{name}": Sum(name) for name in NUMBERS})
    for minute, *numbers in sums.values_list("minute", *(f"sum_{name}" for name in NUMBERS)):
        number = (minute - begin) // minutes
        found[number] = found.get(number, Depth()).at_most(Depth(*numbers))
    return [found.get(number) for number in range(length)]


def _steps(rows: QuerySet[DepthSample], start: datetime, step: timedelta, length: int) -> Iterable[tuple[int, Depth]]:
    begin, minutes = minute_of(start), step // MINUTE
    found = _within(rows, begin, step, length).annotate(of=F("minute") - F("minute") % minutes).values("of")
    for of, *numbers in found.annotate(**{f"most_{name}": Max(name) for name in NUMBERS}).values_list(
        "of", *(f"most_{name}" for name in NUMBERS)
    ):
        yield (of - begin) // minutes, Depth(*numbers)


def _within(rows: QuerySet[DepthSample], begin: int, step: timedelta, length: int) -> QuerySet[DepthSample]:
    return rows.filter(minute__gte=begin, minute__lt=begin + length * (step // MINUTE)).order_by()
