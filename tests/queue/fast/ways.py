"""The ways in which a verb can be done on this database, and what a verb has left in all tables."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, models

from submissions.models import (
    ClaimEnd,
    Delivery,
    ExternalGraderDetail,
    GraderQueue,
    GraderSighting,
    Score,
    ScoreSummary,
    StudentItem,
    Submission,
    SubmissionFile,
)
from submissions.queue import fast
from submissions.queue.fast import mariadb, mysql, postgresql, sqlite
from tests.settings import KIND

# MySQL 8 cannot be had here; MariaDB understands all that its file says.
FILES: dict[str, Any] = {
    "sqlite": {"sqlite": sqlite},
    "postgresql": {"postgresql": postgresql},
    "mariadb": {"mariadb": mariadb, "mysql": mysql},
}[KIND]
GENERAL = "general"
WAYS = [GENERAL, *FILES]

# In an order in which they can be deleted.
TABLES: list[Any] = [
    SubmissionFile,
    Delivery,
    ClaimEnd,
    ScoreSummary,
    Score,
    ExternalGraderDetail,
    Submission,
    StudentItem,
    GraderSighting,
    GraderQueue,
]


def go(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on verbs are done this way."""
    statements_for = fast.statements_for
    if way == GENERAL:
        monkeypatch.setattr(fast, "statements_for", lambda _: None)
    else:
        monkeypatch.setattr(fast, "_of_vendor", lambda _: FILES[way])
        assert statements_for(connection) is FILES[way]


def empty() -> None:
    """Forget all that was handed in."""
    for model in TABLES:
        _all(model).delete()


def tables() -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, without what differs from run to run: ids are places, times and keys are only there."""
    places = {
        model: {pk: place for place, pk in enumerate(_all(model).values_list("pk", flat=True))} for model in TABLES
    }
    return {model.__name__: [_plain(row, places) for row in _all(model)] for model in TABLES}


def _all(model: Any) -> Any:
    return getattr(model, "_objects", model.objects).order_by("pk")


def _plain(row: models.Model, places: dict[Any, dict[Any, int]]) -> dict[str, Any]:
    plain = {}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if field.is_relation and value is not None:
            value = places[field.related_model][value]
        elif (
            isinstance(value, datetime | UUID)
            or field.primary_key
            or field.attname in ("pullkey", "student_id", "seconds")
        ):
            value = "there" if value is not None else None
        elif field.attname == "submission_id":  # of a claim that ended, which is no foreign key
            value = places[Submission][value]
        elif field.attname == "pulls" and value:
            value = [
                (one["outcome"], one.get("grader"), _without_ids(one.get("reason")), "from" in one)
                for one in json.loads(value)
            ]
        elif field.attname == "last_error":
            value = _without_ids(value)
        plain[field.attname] = value
    return plain


def _without_ids(text: str | None) -> str | None:
    return text and re.sub(r"submission \d+", "submission N", text)
