"""A database that edx-submissions began and we go on with is built like one that we made alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from tests import databases
from tests.compat import tables
from tests.compat.conftest import Pointed, Rooms, Site, newest
from tests.server import Server
from tests.settings import KIND


def test_the_fresh_schema_equals_the_migrated_one(fresh: str, migrated_once: Site) -> None:
    ours, theirs = tables.schema(fresh), tables.schema(migrated_once.url)
    assert set(ours) == set(theirs) > set(tables.TABLES)
    for table, parts in ours.items():
        assert parts == theirs[table], table


@newest
@pytest.mark.parametrize(
    "change",
    [
        "CREATE INDEX one_more ON submissions_externalgraderdetail (grader)",
        "ALTER TABLE submissions_externalgraderdetail ADD COLUMN one_more integer NULL",
        "ALTER TABLE submissions_externalgraderdetail RENAME COLUMN num_pulls TO times_pulled",
    ],
)
def test_the_comparison_sees_what_differs(fresh: str, site: Site, change: str) -> None:
    tables.execute(site.url, change)
    table = "submissions_externalgraderdetail"
    assert tables.schema(site.url)[table] != tables.schema(fresh)[table]


@pytest.mark.skipif(KIND == "sqlite", reason="SQLite is what the others are compared with")
def test_the_fresh_schema_is_that_of_sqlite_on_every_database(fresh: str, tmp_path: Path, pointed_at: Pointed) -> None:
    small = databases.create("sqlite", "sqlite://", "small", tmp_path)
    Server(small, tmp_path).run("migrate")
    with pointed_at(small):
        expected = introspected()
    with pointed_at(fresh):
        assert introspected() == expected


def test_makemigrations_has_nothing_to_add(fresh: str, rooms: Rooms) -> None:
    printed = Server(fresh, rooms.folder).run("makemigrations", "--check", "--dry-run").stdout
    assert printed == "No changes detected\n"


def introspected() -> dict[str, Any]:
    """Tables, columns and null, uniques, indexed columns and foreign keys, as Django reads them from any database."""
    connection = connections["default"]
    with connection.cursor() as cursor:
        names = [name for name in connection.introspection.table_names(cursor) if name.startswith("submissions_")]
        return {name: _table(connection, cursor, name) for name in sorted(names)}


def _table(connection: Any, cursor: Any, table: str) -> dict[str, Any]:
    found = connection.introspection.get_constraints(cursor, table).values()
    columns = connection.introspection.get_table_description(cursor, table)
    uniques = {tuple(one["columns"]) for one in found if one["unique"] and not one["primary_key"]}
    keys = {tuple(one["columns"]) for one in found if one["primary_key"]}
    return {
        "columns": {column.name: bool(column.null_ok) for column in columns},
        "keys": keys,
        "uniques": uniques,
        # MariaDB calls a primary key an index, too, where it refers to another table.
        "indexed": _longest(uniques | {tuple(one["columns"]) for one in found if one["index"]}) - keys,
        "references": {(*one["columns"], *one["foreign_key"]) for one in found if one["foreign_key"]},
    }


def _longest(indexes: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """Without those that begin another one: MariaDB drops them, as the other serves every query of theirs."""
    return {
        index for index in indexes - {("id",)} if not any(other[: len(index)] == index for other in indexes - {index})
    }
