"""Counters of what has no table of its own. They only grow, and are the same for each process."""

from __future__ import annotations

from django.db.models import F

from submissions.models import Tally


def add(name: str, number: int = 1) -> None:
    """Count `number` more of `name`; the row is made with the first."""
    rows = Tally.objects.filter(name=name)
    if number and not rows.update(value=F("value") + number):
        Tally.objects.bulk_create([Tally(name=name)], ignore_conflicts=True)
        rows.update(value=F("value") + number)


def value(name: str) -> int:
    return Tally.objects.filter(name=name).values_list("value", flat=True).first() or 0


def beginning_with(prefix: str) -> list[tuple[str, int]]:
    """Those whose names begin with `prefix`, without it, in order."""
    rows = Tally.objects.filter(name__startswith=prefix).order_by("name")
    return [(name.removeprefix(prefix), number) for name, number in rows.values_list("name", "value")]
