"""What stands in a database and how it is built, asked in SQL: no model of any package in between."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests import databases

Row = dict[str, Any]

# All that edx-submissions 4.0.2 makes.
TABLES = (
    "submissions_externalgraderdetail",
    "submissions_score",
    "submissions_scoreannotation",
    "submissions_scoresummary",
    "submissions_studentitem",
    "submissions_submission",
    "submissions_submissionfile",
    "submissions_teamsubmission",
)


def query(url: str, statement: str) -> list[Row]:
    """The rows of `statement` in the database at `url`. Names in it are quoted as in standard SQL."""
    with closing(_connect(url)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(statement)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def execute(url: str, statement: str) -> None:
    with closing(_connect(url)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(statement)
        connection.commit()


def _connect(url: str) -> Any:
    if url.startswith("sqlite"):
        return sqlite3.connect(sqlite_file(url))
    if url.startswith("mysql"):
        return databases.connect_mariadb(url, sql_mode="ANSI_QUOTES,STRICT_TRANS_TABLES")
    import psycopg

    return psycopg.connect(url.replace("postgres://", "postgresql://", 1))


def sqlite_file(url: str) -> Path:
    return Path(urlsplit(url).path)


def dump(url: str, tables: tuple[str, ...] = TABLES) -> dict[str, list[Row]]:
    """Every row of `tables`, every column, in the order of the keys."""
    return {table: query(url, f'SELECT * FROM "{table}" ORDER BY 1') for table in tables}


def everything(url: str) -> dict[str, list[Row]]:
    return dump(url, names(url))


def names(url: str) -> tuple[str, ...]:
    if url.startswith("sqlite"):
        found = query(
            url, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        )
    elif url.startswith("mysql"):
        found = query(
            url, "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
        )
    else:
        found = query(url, "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    return tuple(row["name"] for row in found)


def schema(url: str) -> dict[str, set[str]]:
    """How each of our tables is built: columns with type, null and default; indexes and constraints by name."""
    builder = {"sqlite": _sqlite_table, "mysql": _mariadb_table}.get(urlsplit(url).scheme, _postgresql_table)
    return {table: builder(url, table) for table in names(url) if table.startswith("submissions_")}


def _sqlite_table(url: str, table: str) -> set[str]:
    found = query(url, f"SELECT type, sql FROM sqlite_master WHERE tbl_name = '{table}' AND sql IS NOT NULL")
    parts = {row["sql"] for row in found if row["type"] == "index"}
    (definition,) = (row["sql"] for row in found if row["type"] == "table")
    inside = definition[definition.index("(") + 1 : definition.rindex(")")]
    # A comma inside brackets belongs to a part, one outside them ends it.
    return parts | {part.strip() for part in re.split(r",(?![^(]*\))", inside)}


def _mariadb_table(url: str, table: str) -> set[str]:
    (row,) = query(url, f'SHOW CREATE TABLE "{table}"')
    *lines, last = row["Create Table"].splitlines()[1:]
    # The number of the next row is not how a table is built.
    whole = [line.strip().rstrip(",") for line in lines] + [re.sub(r" AUTO_INCREMENT=\d+", "", last)]
    # A check stands with its column, or under a name of its own when it was added later: it is the same.
    return {part for line in whole for part in re.split(r"(?:^CONSTRAINT \S+)? (?=CHECK )", line) if part}


def _postgresql_table(url: str, table: str) -> set[str]:
    columns = query(
        url,
        "SELECT column_name, data_type, character_maximum_length, is_nullable, column_default, is_identity"
        f" FROM information_schema.columns WHERE table_name = '{table}'",
    )
    indexes = query(url, f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}'")
    constraints = query(
        url,
        "SELECT conname, pg_get_constraintdef(oid) AS definition, condeferrable, condeferred"
        f" FROM pg_constraint WHERE conrelid = '{table}'::regclass",
    )
    return {str(tuple(row.values())) for row in (*columns, *indexes, *constraints)}
