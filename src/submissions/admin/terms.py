"""What a search term can be. Each shape is looked up along an index, and only whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from submissions import sql
from submissions.models import StudentItem
from submissions.text import row_id, storable

Row = TypeVar("Row", bound=Model)


class Term:
    """Reads a term as one shape; None for another shape."""

    @staticmethod
    def read(term: str) -> object | None:
        raise NotImplementedError


class Id(Term):
    @staticmethod
    def read(term: str) -> int | None:
        return row_id(term)


class Uuid(Term):
    @staticmethod
    def read(term: str) -> UUID | None:
        try:
            return UUID(term) if len(term) in (32, 36) else None
        except ValueError:
            return None


class Text(Term):
    @staticmethod
    def read(term: str) -> str | None:
        # What cannot be stored stands in no row, and some databases refuse to compare with it.
        return term if storable(term) and len(term) <= 255 else None


MOST_ITEMS = 1000
"""Up to so many student items are handed to a search by their ids."""

ITEM_COLUMNS = ("student_id", "course_id", "item_id")


@dataclass(frozen=True)
class Items:
    """The student items of a student, a course or an item, as a filter of a table that leads to them."""

    newest: Mapping[str, list[int]]
    """Only the newest of them."""
    named: Mapping[str, str]
    """All of them, where `newest` are not all."""

    @property
    def few(self) -> bool:
        return not self.named

    def of(self, rows: QuerySet[Row]) -> QuerySet[Row]:
        """Those of `rows` that belong to them."""
        return rows.filter(**self.newest) if self.few else sql.exactly(rows, **self.named)


def of_items(column: str, text: str, *, at: str = "") -> Items | None:
    """None where there are none. `at`: the path to the student item (``submission__student_item``), or ""."""
    rows = sql.exactly(StudentItem.objects.order_by("-id"), **{column: text})
    ids = list(rows.values_list("pk", flat=True)[: MOST_ITEMS + 1])
    if not ids:
        return None
    # With their ids, a planner can only begin with them.
    newest = {f"{at or 'pk'}__in": ids}
    if len(ids) <= MOST_ITEMS:
        return Items(newest, {})
    return Items(newest, {f"{at}__{column}" if at else column: text})
