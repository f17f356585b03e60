"""Writes of the few rows that every result changes, composed once (ADR 0014); some travel with what follows (ADR 0094).

Of rows that the caller has locked, or that are new: nothing is looked at twice, and no signal of Django's is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import DatabaseError, connections, models, router
from django.db.models.constants import OnConflict

from submissions.prepared import kept_by, shortened

NOTHING_WRITTEN = "22012"
"""The SQLSTATE of a transaction that was to write a row and could not: somebody was faster. It can be tried again."""
MYSQL_NOTHING_WRITTEN = (1690, "exp(710)")
"""The same on MariaDB: the number of the error, and what its text names."""

PLAIN_VALUES = (str, int, float, type(None))
PLAIN_FIELDS = (models.CharField, models.TextField, models.IntegerField, models.FloatField, models.ForeignKey)


def update(instance: models.Model, names: tuple[str, ...]) -> None:
    """Write these columns of a row that the caller has locked: at once, or with the next statement or the COMMIT."""
    model = type(instance)
    connection: Any = connections[router.db_for_write(model)]
    kept, key = kept_by(connection), (model, names)
    if key not in kept:
        kept[key] = _update_statement(connection, model, names)
    sql, fields = kept[key]
    values = [_prepared(field, getattr(instance, field.attname), connection) for field in fields]
    statement = shortened(connection, sql, [*values, instance.pk])
    if getattr(connection, "sends_together", False) and connection.in_atomic_block:
        connection.send_later(*statement)
        return
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        if cursor.rowcount != 1:
            raise DatabaseError(f"{model.__name__} {instance.pk} is gone.")


class Reserved(models.Func):
    """The id that the next row of `model` will have: where it is known before, rows can be sent that name it."""

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(output_field=models.BigIntegerField())
        self.of = model._meta

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        quoted = connection.ops.quote_name(self.of.db_table)
        return "nextval(pg_get_serial_sequence(%s, %s))", [quoted, self.of.pk.column]


def can_reserve(model: type[models.Model]) -> bool:
    """Whether ids can be drawn before (`Reserved`), and rows sent along with what follows them."""
    connection: Any = connections[router.db_for_write(model)]
    return connection.vendor == "postgresql" and getattr(connection, "sends_together", False)


def insert_later(instance: models.Model) -> None:
    """Insert the row, whose id was `Reserved`, with the next statement or the COMMIT. No signal of Django's is sent."""
    _write_later(instance, ("whole",), _whole_statement, instance._meta.concrete_fields)
    instance._state.adding, instance._state.db = False, router.db_for_write(type(instance))


class NewId(models.Func):
    """The id of the row that was inserted last, as `insert_nameless_later` does it."""

    def as_mysql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        return "LAST_INSERT_ID()", []


def can_insert_nameless(model: type[models.Model]) -> bool:
    """Whether the statements after an INSERT can name its row, though nobody here knows its id (`NewId`)."""
    return getattr(connections[router.db_for_write(model)], "knows_new_ids", False)


def insert_nameless_later(instance: models.Model) -> None:
    """Insert the row with the next statement or the COMMIT; its id is a `NewId`, good in the statement after this one.

    No signal of Django's is sent.
    """

    def nameless(connection: Any, model: type[models.Model]) -> str:
        return _insert_statement(connection, model, unless_there=False, returning=False)[0]

    _write_later(instance, ("nameless",), nameless, [f for f in instance._meta.concrete_fields if not f.primary_key])
    instance.pk, instance._state.adding, instance._state.db = NewId(), False, router.db_for_write(type(instance))


def can_fail_later(model: type[models.Model]) -> bool:
    """Whether what is sent along with the COMMIT can make it fail (`insert_later_or_fail`, `replace_later_or_fail`)."""
    connection: Any = connections[router.db_for_write(model)]
    return getattr(connection, "sends_together", False) and (
        connection.vendor == "postgresql" or connection.mysql_is_mariadb
    )


def insert_later_or_fail(instance: models.Model) -> None:
    """The same without an id; the transaction fails with `NOTHING_WRITTEN` where a unique index already has the row."""

    def first(connection: Any, model: type[models.Model]) -> str:
        return _insert_statement(connection, model, unless_there=True)[0]

    _write_later_or_fail(instance, ("first",), first, [f for f in instance._meta.concrete_fields if not f.primary_key])


def replace_later_or_fail(instance: models.Model, names: tuple[str, ...], before: tuple[Any, ...]) -> None:
    """As `replace`, with the next statement or the COMMIT; fails with `NOTHING_WRITTEN` instead of telling."""

    def replaced(connection: Any, model: type[models.Model]) -> str:
        return _replace_statement(connection, model, names)

    fields = [instance._meta.get_field(name) for name in names]
    _write_later_or_fail(instance, names, replaced, fields, instance.pk, *before)


def _write_later_or_fail(
    instance: models.Model, name: tuple[str, ...], compose: Callable[..., str], fields: Sequence[Any], *more: Any
) -> None:
    # What travels with the COMMIT cannot be looked at before it; so nothing written must be an error.
    connection: Any = connections[router.db_for_write(type(instance))]
    if connection.vendor == "postgresql":
        _write_later(instance, name, lambda *of: _counted(compose(*of)), fields, *more)
    else:
        _write_later(instance, name, compose, fields, *more)
        connection.send_later("SET @gradequeue_wrote = IF(ROW_COUNT() = 1, 1, EXP(710))", [])


def _counted(write: str) -> str:
    return f"WITH written AS ({write} RETURNING 1) SELECT 1 / count(*) FROM written"  # noqa: S608 - ours


def _write_later(
    instance: models.Model, name: tuple[str, ...], compose: Callable[..., str], fields: Sequence[Any], *more: Any
) -> None:
    model = type(instance)
    connection: Any = connections[router.db_for_write(model)]
    kept, key = kept_by(connection), (model, name, "later")
    if key not in kept:
        kept[key] = compose(connection, model)
    values = [_prepared(field, field.pre_save(instance, True), connection) for field in fields]
    connection.send_later(*shortened(connection, kept[key], [*values, *more]))


def _whole_statement(connection: Any, model: type[models.Model]) -> str:
    quote, meta = connection.ops.quote_name, model._meta
    columns = ", ".join(quote(field.column) for field in meta.concrete_fields)
    slots = ", ".join(["%s"] * len(meta.concrete_fields))
    return f"INSERT INTO {quote(meta.db_table)} ({columns}) VALUES ({slots})"  # noqa: S608 - names of our own columns


def _update_statement(connection: Any, model: type[models.Model], names: tuple[str, ...]) -> tuple[str, list[Any]]:
    quote, meta = connection.ops.quote_name, model._meta
    fields: list[Any] = [meta.get_field(name) for name in names]
    columns = ", ".join(f"{quote(field.column)} = %s" for field in fields)
    # Names of our own models' columns, and slots: nothing from outside is in the text.
    return f"UPDATE {quote(meta.db_table)} SET {columns} WHERE {quote(meta.pk.column)} = %s", fields  # noqa: S608


def replace(instance: models.Model, names: tuple[str, ...], before: tuple[Any, ...]) -> bool:
    """Write these columns of a row where they still are as `before`; False where somebody was faster."""
    model = type(instance)
    connection = connections[router.db_for_write(model)]
    kept, key = kept_by(connection), (model, names, "replace")
    if key not in kept:
        kept[key] = _replace_statement(connection, model, names)
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    values = [_prepared(field, getattr(instance, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(*shortened(connection, kept[key], [*values, instance.pk, *before]))
        return bool(cursor.rowcount)


def _replace_statement(connection: Any, model: type[models.Model], names: tuple[str, ...]) -> str:
    sql, fields = _update_statement(connection, model, names)
    return sql + "".join(f" AND {connection.ops.quote_name(field.column)} = %s" for field in fields)


def insert(instance: models.Model, *, unless_there: bool = False) -> bool:
    """Insert the row, and set its id. `unless_there`: False, without an id, where a unique index already has it.

    The caller announces what it must: no signal of Django's is sent.
    """
    model = type(instance)
    connection = connections[router.db_for_write(model)]
    kept, key = kept_by(connection), (model, unless_there)
    if key not in kept:
        kept[key] = _insert_statement(connection, model, unless_there)
    sql, fields, returning = kept[key]
    values = [_prepared(field, field.pre_save(instance, True), connection) for field in fields]
    count, row_id = _written(connection, shortened(connection, sql, values), returning=returning)
    if unless_there:
        return bool(count == 1)
    instance.pk, instance._state.adding, instance._state.db = row_id, False, connection.alias
    return True


def _written(connection: Any, statement: tuple[str, Any], *, returning: bool) -> tuple[int, int]:
    """How many rows an INSERT wrote, and the id of the row. Quicker in the service's own backends."""
    if returning and hasattr(connection, "rows_of"):
        return 1, connection.rows_of(*statement)[0][0][0]
    if hasattr(connection, "written_by"):
        found: tuple[int, int] = connection.written_by(*statement)
        return found
    with connection.cursor() as cursor:
        cursor.execute(*statement)
        # psycopg's cursors have no lastrowid; where they insert without RETURNING, nobody asks for the id.
        return cursor.rowcount, cursor.fetchone()[0] if returning else getattr(cursor, "lastrowid", 0)


def _insert_statement(
    connection: Any, model: type[models.Model], unless_there: bool, *, returning: bool = True
) -> tuple[str, list[Any], bool]:
    ops, meta = connection.ops, model._meta
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    on_conflict = OnConflict.IGNORE if unless_there else None
    columns = ", ".join(ops.quote_name(field.column) for field in fields)
    into = f"{ops.insert_statement(on_conflict=on_conflict)} {ops.quote_name(meta.db_table)} ({columns})"
    text = f"{into} VALUES ({', '.join(['%s'] * len(fields))})"
    if unless_there:
        suffix = ops.on_conflict_suffix_sql(fields, on_conflict, [], [])
        return f"{text} {suffix}".strip(), fields, False
    returning = returning and connection.features.can_return_columns_from_insert
    return f"{text} {ops.return_insert_columns([meta.pk])[0]}" if returning else text, fields, returning


def _prepared(field: models.Field[Any, Any], value: Any, connection: Any) -> Any:
    """What is text or a number already, in a column for text or numbers, is what the database takes."""
    if type(value) in PLAIN_VALUES and isinstance(field, PLAIN_FIELDS):
        return value
    return field.get_db_prep_save(value, connection)
