"""Fields that take what they say and nothing that only looks like it; an unknown member is refused by its name."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from rest_framework import serializers

from submissions.rest.problems import invalid
from submissions.text import is_name, storable

NO_TEXT = "Must be text."
NOT_STORABLE = "Must have neither NUL nor half of a surrogate pair."


class Text(serializers.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)
        # Told below, in one sentence, and not for each character.
        self.validators = [one for one in self.validators if "Prohibit" not in type(one).__name__]

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError(NO_TEXT)
        if not storable(data):
            raise serializers.ValidationError(NOT_STORABLE)
        return data


class QueueName(Text):
    """The name of a queue, whether there is one or not."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=128, **kwargs)

    def to_internal_value(self, data: object) -> str:
        name = super().to_internal_value(data)
        # The name that the token's patterns are held against is the one that is used.
        if not is_name(name) or name != name.strip():
            raise serializers.ValidationError("Must be printable text that neither begins nor ends with a space.")
        return name


class Whole(serializers.IntegerField):
    def to_internal_value(self, data: object) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("Must be a whole number.")
        return data


class Number(serializers.FloatField):
    def to_internal_value(self, data: object) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("Must be a number.")
        try:
            number = float(data)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise serializers.ValidationError("Must be a finite number.")
        return number


class Flag(serializers.BooleanField):
    def to_internal_value(self, data: object) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("Must be true or false.")
        return data


class Many(serializers.ListField):
    """A list; of one that is too long nothing is looked at, so that there is no complaint about each entry."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            raise serializers.ValidationError(self.error_messages["max_length"].format(max_length=self.max_length))
        return list(super().to_internal_value(data))


class Labels(serializers.JSONField):
    """What a program says of itself: an object of short texts, or a list of them."""

    MOST, LONGEST = 20, 100
    text = Text(max_length=LONGEST, allow_blank=True)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict | list):
            raise serializers.ValidationError("Must be an object of texts, or a list of texts.")
        if len(data) > self.MOST:
            raise serializers.ValidationError(f"Must have {self.MOST} entries at the most.")
        for text in [*data, *data.values()] if isinstance(data, dict) else data:
            self.text.run_validation(text)
        return data


class Json(serializers.JSONField):
    """Any JSON value, as it came."""

    def to_internal_value(self, data: Any) -> Any:
        return data


class Entry(Json):
    """An entry of a batch; null, too, is told by itself."""

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        return False, data


class Body(serializers.Serializer):  # type: ignore[type-arg]
    """The members of a request's object."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError({"": ["Must be an object."]})
        if unknown := [name for name in data if name not in self.fields]:
            raise serializers.ValidationError({shown(name): ["There is no such member."] for name in unknown[:20]})
        return super().to_internal_value(data)


def shown(name: str) -> str:
    """The name of a member as an answer may carry it."""
    return name.encode("utf-8", "replace").decode()[:100]


def checked(kind: type[Body], value: object) -> dict[str, Any]:
    """The members, with their defaults. Raises Problem."""
    if not isinstance(value, dict):
        raise invalid({"body": ["Must be an object."]})
    try:
        return dict(_body(kind).run_validation(value))
    except serializers.ValidationError as error:
        raise invalid(flat(error.detail)) from None


@cache
def _body(kind: type[Body]) -> Body:
    """Made once: a serializer copies all of its fields, and keeps nothing of what it checks."""
    return kind()


def flat(errors: Any, prefix: str = "") -> dict[str, list[str]]:
    """DRF's nested errors, with a path for each: ``claims.3.id``."""
    found: dict[str, list[str]] = {}
    if isinstance(errors, list) and not any(isinstance(one, dict | list) for one in errors):
        return {prefix or "body": [str(one) for one in errors]}
    pairs = errors.items() if isinstance(errors, dict) else enumerate(errors)
    for name, inner in pairs:
        if inner:
            here = prefix if name in ("", "non_field_errors") else f"{prefix}.{name}" if prefix else str(name)
            found |= flat(inner, here)
    return found
