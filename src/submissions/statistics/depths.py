"""How many jobs are in which state: exact up to a limit, above it the number that was counted last (ADR 0080).

A database counts a million entries of an index in a tenth of a second; monitors that ask every few seconds must
not make it do so each time.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connections, router
from django.db.models import Model, Q, QuerySet

from submissions import words
from submissions.models import DatabaseNow, ExternalGraderDetail, QueueTotal, Status
from submissions.queue import kept_name

# So many are counted for each reader.
MOST = 10_000
# More than that are counted at most so often.
AGAIN = timedelta(minutes=1)
# A count that is older tells nothing.
STALE = timedelta(minutes=15)

STATES = ("pending", "pulled", "retry", "failed")
COUNTED = (*STATES, "lapsed")
# Queues in one statement; SQLite takes 500 terms of a UNION.
AT_ONCE = 50
TERMS = 250
# Values that one statement looks for: MySQL ends with an error after a thousand steps, MariaDB without one.
SEEKS = 500


@dataclass
class Depths:
    pending: int = 0
    pulled: int = 0
    retry: int = 0
    failed: int = 0
    lapsed: int = 0
    """Pulled, and the lease is over."""
    at_least: bool = False
    """Whether a number is only a lower bound."""

    @property
    def waiting(self) -> int:
        """Jobs that a grader can get now or later without anybody else acting (docs/glossary.md)."""
        return self.pending + self.retry + self.lapsed

    @property
    def being_graded(self) -> int:
        """Pulled under a lease that still holds."""
        return max(self.pulled - self.lapsed, 0)

    def shown(self, number: int) -> str:
        """One of these numbers for people: ``10,000+`` where it is a lower bound."""
        return at_least(number) if self.is_bound(number) else words.number(number)

    def is_bound(self, number: int) -> bool:
        """Whether one of these numbers is a lower bound."""
        return self.at_least and number >= MOST


def at_least(number: int) -> str:
    """ "10,000+"."""
    return f"{words.number(number)}+"


def counts(names: Sequence[str]) -> dict[str, Depths]:
    """By queue: two statements for fifty queues, each of which reads a limited part of an index."""
    found = {name: Depths() for name in names}
    for start in range(0, len(names), AT_ONCE):
        for name, state, number in _capped(names[start : start + AT_ONCE]):
            setattr(found[name], state, number)
    deep = [name for name, depths in found.items() if _deep_states(depths)]
    kept = _kept(deep) if deep else {}
    for name in deep:
        for state in _deep_states(found[name]):
            number = kept.get(name, {}).get(state, 0)
            found[name].at_least |= number < MOST
            setattr(found[name], state, max(number, MOST))
    return found


def recount() -> int:
    """Count the deep queues anew, where nobody has done it for a minute; how many there were."""
    names = list(QueueTotal.objects.values_list("queue_name", flat=True))
    done = 0
    for name, depths in counts(names).items():
        states = [state for state in COUNTED if getattr(depths, state) >= MOST]
        due = Q(counted_at=None) | Q(counted_at__lt=DatabaseNow() - AGAIN)
        due |= Q(counted_at__gt=DatabaseNow() + AGAIN)  # before a clock was set back
        # First taken, then done: of several processes one counts.
        if states and QueueTotal.objects.filter(due, queue_name=name).update(counted_at=DatabaseNow()):
            exact = {state: _in_state(name, state).count() for state in states}
            QueueTotal.objects.filter(queue_name=name).update(depths=json.dumps(exact), counted_at=DatabaseNow())
            done += 1
    return done


def names_of_jobs() -> list[str]:
    """The name of every queue that has jobs."""
    return distinct(ExternalGraderDetail, "queue_name")


def names_without_row(known: Collection[str]) -> list[str]:
    """Those of them that are no queue's; `known`: the names of all queues."""
    return [name for name in names_of_jobs() if name not in known and kept_name(name) == name]


def distinct(model: type[Model], column: str, most: int = 1_000_000) -> list[str]:
    """The values of a column that an index begins with, up to `most`: one seek for each, in a statement for SEEKS."""
    connection = connections[router.db_for_write(model)]
    table = connection.ops.quote_name(model._meta.db_table)
    least = f"SELECT MIN({column}) FROM {table}"  # noqa: S608 - our own table's and column's name
    found: list[str] = []
    while True:
        first = f"{least} WHERE {column} > %s" if found else least
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE found (name, place) AS (SELECT ({first}), 1 UNION ALL "  # noqa: S608
                f"SELECT ({least} WHERE {column} > found.name), place + 1 FROM found "
                f"WHERE name IS NOT NULL AND place < {SEEKS}) "
                "SELECT name FROM found WHERE name IS NOT NULL ORDER BY place",
                found[-1:],
            )
            more = [name for (name,) in cursor.fetchall()]
        found += more
        if len(more) < SEEKS or len(found) >= most:
            return found[:most]


def _capped(names: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    asked = [(name, state) for name in names for state in COUNTED]
    for (name, state), number in zip(asked, capped([_in_state(name, state) for name, state in asked]), strict=True):
        yield name, state, number


def capped(asked: Sequence[QuerySet[Any]]) -> list[int]:
    """How many rows each has, up to MOST + 1: that many entries of an index are read for it. A statement for 250."""
    found = [0] * len(asked)
    for start in range(0, len(asked), TERMS):
        _count_capped(asked[start : start + TERMS], found, start)
    return found


def _count_capped(asked: Sequence[QuerySet[Any]], found: list[int], start: int) -> None:
    terms, params = [], []
    connection = connections[router.db_for_write(asked[0].model)]
    for position, rows in enumerate(asked, start):
        compiler = rows.values("pk")[: MOST + 1].query.get_compiler(connection=connection)
        sql, values = compiler.as_sql()
        terms.append(f"SELECT {position}, (SELECT COUNT(*) FROM ({sql}) counted)")  # noqa: S608 - the ORM's own SQL
        params += values
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(terms), params)
        for position, number in cursor.fetchall():
            found[position] = number


def _in_state(name: str, state: str) -> QuerySet[ExternalGraderDetail]:
    jobs = ExternalGraderDetail.objects
    if state == "lapsed":
        return jobs.claimable(name).filter(status=Status.PULLED).order_by()
    return jobs.filter(queue_name=name, status=Status(state)).order_by()


def _deep_states(depths: Depths) -> list[str]:
    return [state for state in COUNTED if getattr(depths, state) > MOST]


def _kept(names: Sequence[str]) -> dict[str, dict[str, int]]:
    fresh = QueueTotal.objects.filter(queue_name__in=names, counted_at__gt=DatabaseNow() - STALE).exclude(depths="")
    return {name: json.loads(text) for name, text in fresh.values_list("queue_name", "depths")}
