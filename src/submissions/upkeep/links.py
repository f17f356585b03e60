"""`audit`'s rule for rows that name others: what they name is there. SQLite, and a table that was loaded with its
constraints off, keep a name that leads nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Exists, ForeignKey, Model, OuterRef

# By submission, where the row names it, and what is wrong there.
Found = Iterator[tuple[int | None, str]]


def problems() -> Found:
    for model in apps.get_app_config("submissions").get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                yield from _lost(model, field)


def _lost(model: type[Model], field: ForeignKey[Any, Any]) -> Found:
    named = field.related_model._base_manager.filter(pk=OuterRef(field.attname))
    rows = model._base_manager.filter(~Exists(named), **{f"{field.attname}__isnull": False})
    for pk, lost in rows.order_by().values_list("pk", field.attname).iterator():
        row = f"{model.__name__} {pk}"
        if field.attname == "submission_id":
            yield lost, f"is not there, and {row} names it"
        else:
            yield None, f"of {row} cannot be told: its {field.name} {lost} is not there"
