"""Several results in one transaction: what decides about them is read at once, and written by few statements.

Only the usual ones, as everywhere in this room. Is anything in the way of one of them, none is written, and each goes
its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from submissions.models import Score, ScoreSummary
from submissions.queue.fast import mysql
from submissions.queue.fast.columns import HELD, Held, read_held
from submissions.sql import CLOCKS, Values, adapted, read_now

# In the order of their ids: two that lock the same jobs must not wait for each other.
LOCK = """SELECT submission_id, pullkey, status FROM submissions_externalgraderdetail
WHERE submission_id IN ({places}) ORDER BY id{lock}"""
RETIRE, DUE = mysql.RETIRE, mysql.DUE
SUMMARY_LATER = f"{mysql.SUMMARY_LATER} AND latest_id = %(latest_was)s AND highest_id = %(highest_was)s"


class Undo(Exception):
    """Nothing of it must stay."""


def can(connection: BaseDatabaseWrapper) -> bool:
    """MySQL 8 does not tell the ids of several new rows."""
    return bool(connection.features.can_return_rows_from_bulk_insert)


def lock(connection: BaseDatabaseWrapper, submissions: Sequence[int]) -> list[Held]:
    """What decides about the results of these submissions, their jobs locked, in this order."""
    places = ", ".join(["%s"] * len(submissions))
    clock = CLOCKS[connection.vendor]
    with connection.cursor() as cursor:
        if connection.features.has_select_for_update:
            cursor.execute(LOCK.format(places=places, lock=" FOR UPDATE"), submissions)
            cursor.fetchall()
        cursor.execute(HELD.format(now=clock, which=f"IN ({places})"), submissions)
        rows = cursor.fetchall()
    found = {row[2]: read_held((read_now(connection, row[0]), *row[1:])) for row in rows}
    return [found[submission] for submission in submissions if submission in found]


def write(connection: BaseDatabaseWrapper, using: str, given: Sequence[tuple[Held, Values]]) -> None:
    """Write these results: what `finish` does for one of them. Raises Undo, IntegrityError."""
    scores = Score.objects.using(using).bulk_create([_score(values) for _, values in given])
    helds = [held for held, _ in given]
    rows = [
        adapted(connection, {**values, "score": score.pk}) for (_, values), score in zip(given, scores, strict=True)
    ]
    first = [values for held, values in zip(helds, rows, strict=True) if held.latest_id is None]
    later = [values for held, values in zip(helds, rows, strict=True) if held.latest_id is not None]
    ScoreSummary.objects.using(using).bulk_create(
        [ScoreSummary(student_item_id=v["item"], highest_id=v["score"], latest_id=v["score"]) for v in first]
    )
    with connection.cursor() as cursor:
        _require(cursor, SUMMARY_LATER, later)
        _require(cursor, RETIRE, rows)
        if owed := [values for held, values in zip(helds, rows, strict=True) if held.has_waiting]:
            cursor.executemany(DUE, owed)


def _score(values: Values) -> Score:
    return Score(
        student_item_id=values["item"],
        submission_id=values["submission"],
        points_earned=values["earned"],
        points_possible=values["possible"],
        created_at=values["now"],
    )


def _require(cursor: Any, statement: str, rows: Sequence[Values]) -> None:
    """Each of the rows is to change one of the table's."""
    if rows:
        cursor.executemany(statement, rows)
        if cursor.rowcount != len(rows):
            raise Undo
