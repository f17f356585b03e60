"""The literal statements name the tables' columns as they are, and the database walks their indexes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from submissions import queue, sql
from submissions.connections import is_pooled
from submissions.queue.fast import mysql
from submissions.queue.line import BEGINNING
from tests.make import make, make_history
from tests.queue.fast import ways
from tests.queue.jobs import claim_one, key_of

MODELS = {model._meta.db_table: model for model in apps.get_app_config("submissions").get_models()}


def texts(module: Any) -> dict[str, str]:
    return {name: text for name, text in vars(module).items() if name.isupper() and isinstance(text, str)}


def columns(table: str) -> set[str]:
    return {str(field.column) for field in MODELS[table]._meta.concrete_fields}


@pytest.mark.parametrize("way", list(ways.FILES))
def test_an_insert_names_every_column_but_the_id(way: str) -> None:
    found = 0
    for text in texts(ways.FILES[way]).values():
        for table, named in re.findall(r"INSERT (?:IGNORE |OR IGNORE )?INTO (\w+)\s+\(([^)]*)\)", text):
            assert {one.strip() for one in named.split(",")} | {"id"} == columns(table)
            found += 1
    assert found >= 2


@pytest.mark.parametrize("way", list(ways.FILES))
def test_an_update_names_columns_that_are_there(way: str) -> None:
    found = 0
    for text in texts(ways.FILES[way]).values():
        for table, changes in re.findall(r"UPDATE (\w+)(?: j)?\s+SET (.*?)(?:FROM|WHERE)", text, re.DOTALL):
            named = set(re.findall(r"(?:^|,)\s*(\w+) =", changes))
            assert named
            assert named <= columns(table)
            found += 1
    assert found >= 3


def test_the_file_for_mysql_says_nothing_that_only_mariadb_knows() -> None:
    """Held against MySQL 8.0's reference: none of these is a statement or a clause there, outside stored programs."""
    for name, text in texts(mysql).items():
        for word in ("RETURNING", "NOT ATOMIC", "DECLARE", "EXIT HANDLER", "IF ", "END", "NEXT VALUE", "OR REPLACE"):
            assert not re.search(rf"\b{word}\b", text), (name, word)


@pytest.mark.django_db(transaction=True)
def test_the_plan_of_a_claim_walks_its_own_index_however_much_is_finished() -> None:
    _fill(3000)
    picked = _explained(
        "SELECT id, available_at FROM submissions_externalgraderdetail WHERE queue_name = %(queue)s "
        "AND available_at <= %(now)s AND available_at >= %(since)s ORDER BY available_at, id LIMIT 1",
        {"queue": "q", "now": now(), "since": BEGINNING},
    )
    assert "submissions_claim_idx" in picked
    assert "sort" not in picked.lower().replace("filesort", "sort") or "Using index" in picked


@pytest.mark.django_db(transaction=True)
def test_a_claim_and_a_result_of_a_long_history_are_the_usual_ones() -> None:
    _fill(500)
    job = claim_one()
    done = queue.complete(job.submission_id, key_of(job), score=1, reply="{}")
    assert (done.submission_id, done.points_earned) == (job.submission_id, 1)


def _fill(each: int) -> None:
    """As many finished jobs as waiting ones."""
    make_history(each)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE submissions_externalgraderdetail" if connection.vendor == "mysql" else "ANALYZE")


def _explained(statement: str, values: dict[str, Any]) -> str:
    begin = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(
            begin + statement, sql.adapted(connection, values) if connection.vendor != "postgresql" else values
        )
        return "\n".join(str(row) for row in cursor.fetchall())


def _prepared() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [statement for (statement,) in cursor.fetchall()]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="elsewhere nothing is prepared by a name")
def test_only_our_own_statements_are_prepared_by_a_name_and_from_their_second_time_on() -> None:
    connection.close()
    make()
    make()
    claim_one()
    assert not [statement for statement in _prepared() if "WITH picked AS" in statement]
    claim_one()
    with connection.cursor() as cursor:
        for _ in range(10):
            cursor.execute("SELECT 1")
    assert [statement for statement in _prepared() if "WITH picked AS" in statement]
    assert "SELECT 1" not in _prepared()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="elsewhere there is no pooler that changes servers")
def test_each_connection_is_asked_once_whether_a_pooler_stands_before_the_server() -> None:
    assert not is_pooled(connection)
    with CaptureQueriesContext(connection) as asked:
        assert not is_pooled(connection)
        connection.close()
        assert [is_pooled(connection) for _ in range(3)] == [False, False, False]
    assert [query["sql"] for query in asked if "pg_backend_pid" in query["sql"]] == ["SELECT pg_backend_pid()"]
