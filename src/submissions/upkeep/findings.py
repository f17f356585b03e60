"""What `doctor` says of one thing that it has looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is fine, and what to do where it is not."""

    check: str
    fine: bool
    sentence: str


def one(connection: BaseDatabaseWrapper, question: str, *values: str) -> Any:
    """The first column of the first row; None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(question, list(values))
        row = cursor.fetchone()
    return row[0] if row else None
