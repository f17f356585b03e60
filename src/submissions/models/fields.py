"""Columns that edx-submissions has, with what its values need to come back as they went in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


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


# In a fixture it is a JSON string, so that edx-submissions can load it; the space, which JSON allows, tells it to us.
BROKEN_MARK = " "


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

    def get_prep_value(self, value: object) -> str:
        """As the table has it. What was no JSON is written back as it stood."""
        return str(value) if isinstance(value, BrokenJSON) else json.dumps(value, ensure_ascii=True)

    def value_to_string(self, obj: models.Model) -> str:
        """For fixtures, in edx-submissions' form: JSON as text. Numbers and null stand there as they are."""
        value = self.value_from_object(obj)
        return (BROKEN_MARK if isinstance(value, BrokenJSON) else "") + json.dumps(value, ensure_ascii=True)

    def to_python(self, value: object) -> object:
        """What a fixture says. Raises ValidationError."""
        if not isinstance(value, str):
            return value
        try:
            read = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValidationError(_("Enter valid JSON."), code="invalid") from error
        return BrokenJSON(read) if isinstance(read, str) and value.startswith(BROKEN_MARK) else read

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """A row's own value is Python's already: a learner's text must not be read as JSON."""
        self.validate(value, model_instance)
        self.run_validators(value)
        return value


class PointsField(models.FloatField):  # type: ignore[type-arg]
    """Points: fractions are kept, whole numbers come back as int (ADR 0003)."""

    # Not an argument: it is no matter of migrations.
    default_validators = [MinValueValidator(0)]

    def from_db_value(self, value: float | None, *_: object) -> float | None:
        return whole(value)

    def to_python(self, value: object) -> float | None:
        return whole(super().to_python(value))


def whole(value: float | None) -> float | None:
    """`value` as an int where it has no fraction, and no more digits than a database takes of an int."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value
