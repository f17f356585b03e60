"""How deliveries stand, host by host: what each took, what is due, what was given up, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connections, router
from django.db.models import QuerySet
from django.db.models.functions import Left

from submissions import sql, words
from submissions.models import Delivery, DeliveryHost, DeliveryState
from submissions.statistics import lights
from submissions.statistics.depths import AT_ONCE, MOST, at_least, capped, distinct
from submissions.statistics.undelivered import REASON_LENGTH

HOUR = timedelta(hours=1)
# More are not looked at; of those, the worst are shown.
MOST_HOSTS, MOST_SHOWN = 1000, 50

Rows = QuerySet[Delivery]


@dataclass(frozen=True)
class Host:
    """One host, or a way within this process. Counts are exact up to `depths.MOST`, beyond it lower bounds."""

    name: str
    now: datetime
    delivered: int = 0
    """In the last hour."""
    due: int = 0
    overdue: int = 0
    given_up: int = 0
    delivered_at: datetime | None = None
    """When it took the last one."""
    next_at: datetime | None = None
    """When the next one is tried; the past: at once."""
    held: bool = False
    """Left alone for a while, as it does not answer."""
    error: str = ""

    @property
    def light(self) -> lights.Light:
        given_up, overdue = (
            lights.Undelivered(self.name, min(number, MOST), self.error, more=number > MOST)
            for number in (self.given_up, self.overdue)
        )
        silent = None if self.delivered_at is None else max(self.now - self.delivered_at, timedelta())
        return lights.host_light(given_up, overdue, held=self.held, silent=silent)

    def shown(self, number: int) -> str:
        return at_least(MOST) if number > MOST else words.number(number)


def standing() -> tuple[list[Host], int]:
    """The worst first, and how many there are. Few statements for all, and four for each of those shown."""
    names = distinct(Delivery, "host", MOST_HOSTS)
    now = _now()
    held = {row.host: row for row in DeliveryHost.objects.filter(held_until__gt=now)}
    found = [
        Host(name, now, delivered, due, overdue, given_up, held=name in held)
        for name, (delivered, due, overdue, given_up) in _counts(names, now).items()
    ]
    found.sort(key=lambda one: (lights.ORDER.index(one.light.colour), -one.due, one.name))
    return [_whole(one, held.get(one.name)) for one in found[:MOST_SHOWN]], len(found)


def latest() -> tuple[str, datetime] | None:
    """The host that took the last result, and when."""
    connection = connections[router.db_for_write(Delivery)]
    table, newest = connection.ops.quote_name(Delivery._meta.db_table), None
    names = distinct(Delivery, "host", MOST_HOSTS)
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        one = f"SELECT %s AS host, (SELECT MAX(delivered_at) FROM {table} WHERE host = %s) AS latest"  # noqa: S608 - our own table's name
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT host FROM ({' UNION ALL '.join([one] * len(some))}) found "  # noqa: S608
                "WHERE latest IS NOT NULL ORDER BY latest DESC LIMIT 1",
                [name for name in some for _ in range(2)],
            )
            row = cursor.fetchone()
        at = None if row is None else _delivered_at(row[0])
        if at is not None and (newest is None or at > newest[1]):
            newest = (str(row[0]), at)
    return newest


def _counts(names: Sequence[str], now: datetime) -> dict[str, list[int]]:
    """Of each: delivered in the last hour, due, overdue, given up."""
    numbers = iter(capped([rows for name in names for rows in _kinds(name, now)]))
    return {name: [next(numbers) for _ in range(4)] for name in names}


def _kinds(name: str, now: datetime) -> Iterator[Rows]:
    rows = Delivery.objects.filter(host=name).order_by()
    yield rows.filter(delivered_at__gte=now - HOUR)
    yield rows.filter(state=DeliveryState.DUE)
    yield rows.overdue(now - lights.LATE)
    yield rows.filter(state=DeliveryState.GIVEN_UP)


def _whole(one: Host, trouble: DeliveryHost | None) -> Host:
    due = Delivery.objects.filter(host=one.name, state=DeliveryState.DUE).order_by("due_at", "id")
    next_at = due.values_list("due_at", flat=True).first() if one.due else None
    if next_at is not None and trouble is not None and trouble.held_until is not None:
        next_at = max(next_at, trouble.held_until)
    error = trouble.last_error if trouble is not None else _error(one, due)
    values = {**vars(one), "delivered_at": _delivered_at(one.name), "next_at": next_at, "error": error}
    return Host(**values)


def _error(one: Host, due: Rows) -> str:
    """The last one of what is due; else of what was given up."""
    given_up = Delivery.objects.filter(host=one.name, state=DeliveryState.GIVEN_UP).order_by("-due_at", "-id")
    for number, rows in ((one.due, due), (one.given_up, given_up)):
        if number:
            texts = rows.annotate(why=Left("last_error", REASON_LENGTH)).values_list("why", flat=True)[:20]
            if found := next(filter(None, texts), ""):
                return str(found)
    return ""


def _delivered_at(name: str) -> datetime | None:
    rows = Delivery.objects.filter(host=name, delivered_at__isnull=False).order_by("-delivered_at")
    return rows.values_list("delivered_at", flat=True).first()


def _now() -> datetime:
    connection = connections[router.db_for_write(Delivery)]
    connection.ensure_connection()
    return sql.now(connection)
