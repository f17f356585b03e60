"""The few statements that every grader's request needs, composed once per connection.

Composing SQL from a queryset costs Django more than the database needs to run it (ADR 0014). So the SQL is composed
once, with slots, and only its values change. Not a cache of rows: each call asks the database.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from django.db import DatabaseError, connections, models, router, transaction
from django.db.models.constants import OnConflict
from django.db.models.query import get_related_populators
from django.db.models.sql import UpdateQuery

M = TypeVar("M", bound=models.Model)

NOTHING_WRITTEN = "22012"
"""The SQLSTATE of a transaction that was to write a row and could not: somebody was faster. It can be tried again."""
MYSQL_NOTHING_WRITTEN = (1690, "exp(710)")
"""The same on MariaDB: the number of the error, and what its text names."""

PICKED = "@gradequeue_picked"
"""A variable of the connection's, where a statement must know what the one before it has found."""


class Slot(models.Expression):
    """The place of a value that is known only when the statement runs."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


class Prepared:
    """A queryset's SQL, and how its rows become objects."""

    def __init__(self, queryset: Any, connection: Any, changed: Any = None) -> None:
        """`changed`: a queryset with an UpdateQuery; the rows that it changes are what `queryset` selects from."""
        self.connection = connection
        self.compiler = queryset.query.get_compiler(connection=connection)
        self.sql, params = self.compiler.as_sql()
        self.params = list(params)
        if changed is not None:
            sql, params = changed.get_compiler(connection=connection).as_sql()
            table = connection.ops.quote_name(queryset.model._meta.db_table)
            # Under the table's own name, so that what was composed for the table reads the changed rows alone.
            self.sql = f"WITH {table} AS ({sql} RETURNING *) {self.sql}"
            self.params = [*params, *self.params]
        select, info = self.compiler.select, self.compiler.klass_info
        self.model = info["model"]
        self.start, self.end = info["select_fields"][0], info["select_fields"][-1] + 1
        self.names = [column[0].target.attname for column in select[self.start : self.end]]
        # The stubs are of a newer Django.
        self.related = get_related_populators(info, select, connection.alias)  # type: ignore[call-arg]
        columns = [column[0] for column in select[: self.compiler.col_count]]
        self.converters = self.compiler.get_converters(columns)

    def filled(self, values: dict[str, Any]) -> tuple[str, Any]:
        """The statement with these values in its slots."""
        return _shortened(self.connection, self.sql, _filled(self.connection, self.params, values))

    def rows(self, values: dict[str, Any]) -> list[Any]:
        statement = self.filled(values)
        if hasattr(self.connection, "rows_of"):  # the service's own backends, quicker than by a cursor
            return self.objects(self.connection.rows_of(*statement)[0])
        with self.connection.cursor() as cursor:
            cursor.execute(*statement)
            return self.objects(cursor.fetchall())

    def objects(self, rows: Any) -> list[Any]:
        return [self._object(row) for row in self.compiler.apply_converters(rows, self.converters)] if rows else []

    def _object(self, row: Any) -> Any:
        found = self.model.from_db(self.connection.alias, self.names, row[self.start : self.end])
        for populator in self.related:
            populator.populate(row, found)
        for name, position in self.compiler.annotation_col_map.items():
            setattr(found, name, row[position])
        return found


def _filled(connection: Any, params: Sequence[Any], values: dict[str, Any]) -> list[Any]:
    return [_adapted(connection, values[p.name]) if isinstance(p, Slot) else p for p in params]


def _shortened(connection: Any, sql: str, params: list[Any]) -> tuple[str, Any]:
    """Where the connection knows a shorter way to say what is said often."""
    shorten = getattr(connection, "shortened", None)
    return shorten(sql, params) if shorten else (sql, params)


def _adapted(connection: Any, value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def fetch(key: Hashable, model: type[models.Model], build: Callable[..., Any], /, **values: Any) -> list[Any]:
    """The objects of ``build(**values)``, a queryset.

    `key` names the statement: `build` must compose the same SQL whenever it is called under it.
    """
    connection = connections[router.db_for_write(model)]
    return _composed(connection, key, build, values).rows(values)


class Picked(models.Expression):
    """The id that `PICKED` names, on a server whose UPDATE returns no rows."""

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return PICKED, ()


class Changed:
    """Row by row: which one, what becomes of it, and how it is read then."""

    def __init__(self, connection: Any, picked: Any, changed: Any, read: Prepared) -> None:
        """`picked`, `changed`: querysets, the second with an UpdateQuery; both know the row as `Picked`."""
        self.connection, self.read = connection, read
        pick, self.params = picked.query.get_compiler(connection=connection).as_sql()
        self.pick = f"SET {PICKED} = ({pick})"
        self.change, self.changes = changed.get_compiler(connection=connection).as_sql()

    def rows(self, values: dict[str, Any]) -> list[Any]:
        filled = partial(_filled, self.connection, values=values)
        changes = _shortened(self.connection, self.change, filled(self.changes))
        whole = [(self.pick, filled(self.params)), changes, self.read.filled(values)]
        return self.read.objects(self.connection.rows_of_transaction(*whole)[-1])


def can_fetch_changed(model: type[models.Model]) -> bool:
    """Whether a row can be picked, changed and read with one message to the database."""
    connection: Any = connections[router.db_for_write(model)]
    if connection.vendor == "postgresql":
        return True
    # Of a transaction of the caller's it would be a part only, and read what that one saw at its beginning.
    return hasattr(connection, "rows_of_transaction") and not connection.in_atomic_block


def fetch_changed(
    key: Hashable,
    model: type[models.Model],
    build: Callable[..., Any],
    pick: Callable[..., Any],
    change: Callable[..., Any],
    /,
    **values: Any,
) -> list[Any]:
    """As `fetch`, from the row that ``change(picked, **values)`` changes: a queryset, and what each column becomes.

    `picked` is the id of the first row of ``pick(**values)``. The columns in ``build(**values)`` are those after it.
    """
    connection = connections[router.db_for_write(model)]
    kept = _kept(connection)
    if key not in kept:
        slots = {name: Slot(name) for name in values}
        # Composed inside a transaction: Django composes no lock outside of one.
        with transaction.atomic(using=connection.alias):
            first = pick(**slots).using(connection.alias).values("pk")[:1]
            returns = connection.vendor == "postgresql"
            rows, columns = change(first if returns else Picked(), **slots)
            changed = rows.using(connection.alias).query.chain(UpdateQuery)
            changed.add_update_values(columns)
            read = build(**slots).using(connection.alias)
            if returns:
                kept[key] = Prepared(read, connection, changed)
            else:
                kept[key] = Changed(connection, first, changed, Prepared(read.filter(pk=Picked()), connection))
    found: list[Any] = kept[key].rows(values)
    return found


def fetch_both(
    first: tuple[Hashable, type[models.Model], Callable[..., Any], dict[str, Any]],
    second: tuple[Hashable, type[models.Model], Callable[..., Any], dict[str, Any]],
) -> tuple[list[Any], list[Any]]:
    """As two calls of `fetch`, the second one sent along with the first where the connection can."""
    connection: Any = connections[router.db_for_write(first[1])]
    if not hasattr(connection, "rows_of"):
        return tuple(fetch(key, model, build, **values) for key, model, build, values in (first, second))  # type: ignore[return-value]
    one, two = (_composed(connection, key, build, values) for key, _, build, values in (first, second))
    (sql, params), (more_sql, more_params) = one.filled(first[3]), two.filled(second[3])
    rows, more_rows = connection.rows_of(f"{sql}; {more_sql}", [*params, *more_params])
    return one.objects(rows), two.objects(more_rows)


def _composed(connection: Any, key: Hashable, build: Callable[..., Any], values: dict[str, Any]) -> Prepared:
    kept = _kept(connection)
    statement: Prepared | None = kept.get(key)
    if statement is None:
        slots = {name: Slot(name) for name in values}
        statement = kept[key] = Prepared(build(**slots).using(connection.alias), connection)
    return statement


def update(instance: models.Model, names: tuple[str, ...]) -> None:
    """Write these columns of a row that the caller has locked: at once, or with the next statement or the COMMIT."""
    model = type(instance)
    connection: Any = connections[router.db_for_write(model)]
    kept, key = _kept(connection), (model, names)
    if key not in kept:
        kept[key] = _update_statement(connection, model, names)
    sql, fields = kept[key]
    values = [field.get_db_prep_save(getattr(instance, field.attname), connection) for field in fields]
    statement = _shortened(connection, sql, [*values, instance.pk])
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
        connection.send_later("SELECT IF(ROW_COUNT() = 1, 1, EXP(710))", [])


def _counted(write: str) -> str:
    return f"WITH written AS ({write} RETURNING 1) SELECT 1 / count(*) FROM written"  # noqa: S608 - ours


def _write_later(
    instance: models.Model, name: tuple[str, ...], compose: Callable[..., str], fields: Sequence[Any], *more: Any
) -> None:
    model = type(instance)
    connection: Any = connections[router.db_for_write(model)]
    kept, key = _kept(connection), (model, name, "later")
    if key not in kept:
        kept[key] = compose(connection, model)
    values = [field.get_db_prep_save(field.pre_save(instance, True), connection) for field in fields]
    connection.send_later(*_shortened(connection, kept[key], [*values, *more]))


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
    kept, key = _kept(connection), (model, names, "replace")
    if key not in kept:
        kept[key] = _replace_statement(connection, model, names)
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    values = [field.get_db_prep_save(getattr(instance, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(*_shortened(connection, kept[key], [*values, instance.pk, *before]))
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
    kept, key = _kept(connection), (model, unless_there)
    if key not in kept:
        kept[key] = _insert_statement(connection, model, unless_there)
    sql, fields, returning = kept[key]
    values = [field.get_db_prep_save(field.pre_save(instance, True), connection) for field in fields]
    count, row_id = _written(connection, _shortened(connection, sql, values), returning=returning)
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


def _insert_statement(connection: Any, model: type[models.Model], unless_there: bool) -> tuple[str, list[Any], bool]:
    ops, meta = connection.ops, model._meta
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    on_conflict = OnConflict.IGNORE if unless_there else None
    columns = ", ".join(ops.quote_name(field.column) for field in fields)
    into = f"{ops.insert_statement(on_conflict=on_conflict)} {ops.quote_name(meta.db_table)} ({columns})"
    text = f"{into} VALUES ({', '.join(['%s'] * len(fields))})"
    if unless_there:
        suffix = ops.on_conflict_suffix_sql(fields, on_conflict, [], [])
        return f"{text} {suffix}".strip(), fields, False
    returning = connection.features.can_return_columns_from_insert
    return f"{text} {ops.return_insert_columns([meta.pk])[0]}" if returning else text, fields, returning


def _kept(connection: Any) -> dict[Hashable, Any]:
    """Per connection object, and so per thread: what is composed depends on the server behind it."""
    kept: dict[Hashable, Any] = connection.__dict__.setdefault("_submissions_prepared", {})
    return kept
