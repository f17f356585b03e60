"""How the functions of the Python door find their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet

from submissions import sql
from submissions.errors import Overtaken, SubmissionNotFoundError, SubmissionRequestError
from submissions.models import StudentItem, Submission
from submissions.serializers import StudentItemSerializer
from submissions.text import storable

# A row as plain data.
Data = dict[str, Any]
Row = TypeVar("Row", bound=Model)

# What makes a student item one and the same.
UNIQUE = ("student_id", "course_id", "item_id")


# By the unique index, and literal: an answer is handed in so often that composing this would be a tenth of it.
_FIND_ITEM = """SELECT id, student_id, course_id, item_id, item_type FROM submissions_studentitem
WHERE course_id = %(course_id)s AND student_id = %(student_id)s AND item_id = %(item_id)s"""


def get_or_create_student_item(fields: Mapping[str, object], *, lock: bool = False) -> StudentItem:
    """The item with these fields, made where there is none; with `lock`, until the transaction ends.

    Raises SubmissionRequestError.
    """
    if not isinstance(fields, Mapping):
        raise SubmissionRequestError(msg=f"A student item must be a mapping, not {type(fields).__name__}.")
    # As text: an opaque key of the platform's names the item, too. A new one needs text.
    unique = {name: "" if (value := fields.get(name)) is None else str(value) for name in UNIQUE}
    if all(value and storable(value) for value in unique.values()):
        known = _find_item(unique, lock=lock)
        if known is not None:
            return _of_kind(known, fields.get("item_type", known.item_type))
    serializer = StudentItemSerializer(data=dict(fields))
    if not serializer.is_valid():
        raise SubmissionRequestError(field_errors=serializer.errors)
    valid = dict(serializer.validated_data)
    kind = valid.pop("item_type")
    try:
        item = StudentItem.objects.get_or_create(**valid, defaults={"item_type": kind})[0]
    except IntegrityError as error:
        # REPEATABLE READ: somebody else has just made it, and this transaction cannot see it.
        raise Overtaken("The student item was made by another transaction.") from error
    # Made by another transaction at the same time, it is not locked yet.
    return _of_kind((lock and _find_item(valid, lock=True)) or item, kind)


def _find_item(unique: Mapping[str, object], *, lock: bool) -> StudentItem | None:
    connection = connections[router.db_for_write(StudentItem)]
    connection.ensure_connection()
    found = sql.row(connection, _FIND_ITEM + (_for_update(connection) if lock else ""), unique)
    if found is None:
        return None
    names = ["id", "student_id", "course_id", "item_id", "item_type"]
    return StudentItem.from_db(connection.alias, names, found)


def _for_update(connection: BaseDatabaseWrapper) -> str:
    """The lock leaves PostgreSQL's foreign key checks alone, so a score of this learner, being written meanwhile, does
    not wait for it."""
    if connection.features.has_select_for_no_key_update:
        return " FOR NO KEY UPDATE"
    return " FOR UPDATE" if connection.features.has_select_for_update else ""


def _of_kind(item: StudentItem, kind: object) -> StudentItem:
    if item.item_type != (kind.strip() if isinstance(kind, str) else kind):
        raise SubmissionRequestError(
            field_errors={"item_type": [f"The item is known as {item.item_type!r}, not as {kind!r:.60}."]}
        )
    return item


def findable(*texts: object) -> bool:
    """Whether a row can hold these: what no database can store, some refuse even to look for."""
    return all(storable(text) for text in texts if isinstance(text, str))


def find_submission(uuid: str | UUID, read_replica: bool = False) -> Submission:
    """The row. Raises SubmissionNotFoundError, and Django's ValidationError for what is no uuid."""
    rows = replica(Submission.objects.select_related("student_item", "team_submission"), read_replica)
    wanted = parse_uuid(uuid)
    found = rows.filter(uuid=wanted).first() or _find_with_hyphens(rows, wanted)
    if found is None:
        raise SubmissionNotFoundError(f"No submission matching uuid {uuid}")
    return found


def parse_uuid(text: str | UUID) -> UUID:
    """Raises Django's ValidationError, as edx-submissions does where it looks for what is no uuid."""
    uuid: UUID | None = Submission._meta.get_field("uuid").to_python(text)
    if uuid is None:
        raise ValidationError("“%(value)s” is not a valid UUID.", code="invalid", params={"value": text})
    return uuid


def _find_with_hyphens(rows: QuerySet[Submission], uuid: UUID) -> Submission | None:
    """Old sites have rows whose uuid is stored in the long form, where the column is text."""
    if connections[rows.db].features.has_native_uuid_field:
        return None
    return rows.extra(where=["submissions_submission.uuid = %s"], params=[str(uuid)]).first()


def replica(rows: QuerySet[Row], wanted: bool) -> QuerySet[Row]:
    """`rows` from the read replica, where that is `wanted` and there is one."""
    return rows.using("read_replica") if wanted and "read_replica" in settings.DATABASES else rows
