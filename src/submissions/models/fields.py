"""Columns that edx-submissions has, with what its values need to come back as they went in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import models


class AnonymizedUserIDField(models.CharField):  # type: ignore[type-arg]
    """The id under which a platform shows us a learner: never a name or an address."""

    description = "The anonymized user id that the platform sends"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 255
        kwargs["db_index"] = True
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[object], dict[str, object]]:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"], kwargs["db_index"]
        return name, path, args, kwargs


class BrokenJSON(str):
    """What stands in a JSON column and is no JSON. Old sites hold such rows."""


def read_json(text: str) -> Any:
    """What stands in a JSON column. What is no JSON stays as it is: it can still be graded.

    An error here would stop its whole queue.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return BrokenJSON(text)


class JSONTextField(models.TextField):  # type: ignore[type-arg]
    """JSON in a text column, as edx-submissions stores answers.

    Written with ASCII escapes: they hold what some databases' text cannot (NUL, lone surrogates, and with
    MySQL's old utf8 also emoji).
    """

    def from_db_value(self, value: str | None, *_: object) -> object:
        return None if value is None else read_json(value)

    def get_prep_value(self, value: object) -> str | None:
        return json.dumps(value, ensure_ascii=True)

    def stored_text(self, value: object) -> str:
        """As the table has it."""
        return str(value) if isinstance(value, BrokenJSON) else str(self.get_prep_value(value))

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj))

    def to_python(self, value: object) -> object:
        return value


class PointsField(models.FloatField):  # type: ignore[type-arg]
    """Points: fractions are kept, whole numbers come back as int (ADR 0003)."""

    def from_db_value(self, value: float | None, *_: object) -> float | None:
        return whole(value)

    def to_python(self, value: object) -> float | None:
        return whole(super().to_python(value))


def whole(value: float | None) -> float | None:
    """`value` as an int where it has no fraction."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
