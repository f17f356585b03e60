"""The few statements that every grader's request needs, composed once per connection.

Composing SQL from a queryset costs Django more than the database needs to run it (ADR 0014). So the SQL is composed
once, with slots, and only its values change. Not a cache of rows: each call asks the database.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import connections, models, router, transaction
from django.db.models.sql import UpdateQuery

from submissions.rows import Reader

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
        compiler = queryset.query.get_compiler(connection=connection)
        self.sql, params = compiler.as_sql()
        self.params = list(params)
        if changed is not None:
            sql, params = changed.get_compiler(connection=connection).as_sql()
            table = connection.ops.quote_name(queryset.model._meta.db_table)
            # Under the table's own name, so that what was composed for the table reads the changed rows alone.
            self.sql = f"WITH {table} AS ({sql} RETURNING *) {self.sql}"
            self.params = [*params, *self.params]
        self.reader = Reader(compiler, connection)

    def filled(self, values: dict[str, Any]) -> tuple[str, Any]:
        """The statement with these values in its slots."""
        return shortened(self.connection, self.sql, _filled(self.connection, self.params, values))

    def rows(self, values: dict[str, Any]) -> list[Any]:
        statement = self.filled(values)
        if hasattr(self.connection, "rows_of"):  # the service's own backends, quicker than by a cursor
            return self.reader.objects(self.connection.rows_of(*statement, answers=1)[0])
        with self.connection.cursor() as cursor:
            cursor.execute(*statement)
            return self.reader.objects(cursor.fetchall())


def _filled(connection: Any, params: Sequence[Any], values: dict[str, Any]) -> list[Any]:
    return [_adapted(connection, values[p.name]) if isinstance(p, Slot) else p for p in params]


def shortened(connection: Any, sql: str, params: list[Any]) -> tuple[str, Any]:
    """The shorter way to say what is said often, where the connection knows one."""
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
        changes = shortened(self.connection, self.change, filled(self.changes))
        picked = self.pick, filled(self.params)
        rows = self.connection.rows_of_transaction(picked, changes, read=self.read.filled(values))
        return self.read.reader.objects(rows)


def can_fetch_changed(model: type[models.Model]) -> bool:
    """Whether a row can be picked, changed and read with one message to the database."""
    connection: Any = connections[router.db_for_write(model)]
    if connection.vendor == "postgresql":
        return True
    # Of a transaction of the caller's it would be a part only, and read what that one saw at its beginning.
    mariadb = connection.vendor == "mysql" and connection.mysql_is_mariadb
    return mariadb and hasattr(connection, "rows_of_transaction") and is_alone(model)


def is_alone(model: type[models.Model]) -> bool:
    """Whether nobody has a transaction open here, by `atomic` or by hand, with more to do before it ends."""
    return bool(connections[router.db_for_write(model)].get_autocommit())


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
    kept = kept_by(connection)
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
    rows, more_rows = connection.rows_of(f"{sql}; {more_sql}", [*params, *more_params], answers=2)
    return one.reader.objects(rows), two.reader.objects(more_rows)


def _composed(connection: Any, key: Hashable, build: Callable[..., Any], values: dict[str, Any]) -> Prepared:
    kept = kept_by(connection)
    statement: Prepared | None = kept.get(key)
    if statement is None:
        slots = {name: Slot(name) for name in values}
        statement = kept[key] = Prepared(build(**slots).using(connection.alias), connection)
    return statement


def kept_by(connection: Any) -> dict[Hashable, Any]:
    """Per connection object, and so per thread: what is composed depends on the server behind it."""
    kept: dict[Hashable, Any] = connection.__dict__.setdefault("_submissions_prepared", {})
    return kept
