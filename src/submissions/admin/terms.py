"""What a search term can be. Each shape is looked up along an index, and only whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from submissions.models import StudentItem
from submissions.text import row_id, storable


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

    where: Mapping[str, str | list[int]]
    newest: Mapping[str, str | list[int]]
    """Only the newest of them."""
    few: bool


def of_items(column: str, text: str, *, at: str = "") -> Items | None:
    """None where there are none. `at`: the path to the student item (``submission__student_item``), or ""."""
    rows = StudentItem.objects.filter(**{column: text}).order_by("-id").values_list("pk", flat=True)
    ids = list(rows[: MOST_ITEMS + 1])
    if not ids:
        return None
    # With their ids, a planner can only begin with them.
    newest = {f"{at or 'pk'}__in": ids}
    if len(ids) <= MOST_ITEMS:
        return Items(newest, newest, few=True)
    return Items({f"{at}__{column}" if at else column: text}, newest, few=False)
