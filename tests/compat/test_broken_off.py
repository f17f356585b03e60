"""Where the database keeps each statement of a migration for itself, one that broke off is finished by the next try."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

from tests import databases
from tests.compat import tables
from tests.compat.conftest import Pointed, Rooms
from tests.server import GRADEQUEUE, Server

pytestmark = [pytest.mark.walk, pytest.mark.databases("mariadb")]

READS = ("SELECT", "SHOW", "SET")
# Of a new database alone: some breaks will do.
FIRST = "0001_squashed_0008_externalgraderdetail_queue_key_and_more"


class Killed(BaseException):
    """In place of the process's death: nothing of the migration runs any more."""


class Death:
    """Comes after the statement that is number `after` of those that write, or after the next that succeeds."""

    def __init__(self, after: int) -> None:
        self.after, self.seen = after, 0

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if str(sql).startswith(READS):
            return execute(sql, params, many, context)
        self.seen += 1
        done = execute(sql, params, many, context)
        if self.seen >= self.after:
            raise Killed
        return done


def insist(migration: Migration, run: Callable[[], Any]) -> tuple[Any, int]:
    """Begin anew, and die one statement later each time; what the try returned that came through, and the deaths."""
    step = 10 if migration.name == FIRST else 1
    deaths = 0
    while True:
        try:
            with connections["default"].execute_wrapper(Death(after=1 + step * deaths)):
                return run(), deaths
        except Killed:
            deaths += 1


def test_each_migration_goes_on_after_each_of_its_statements(rooms: Rooms, fresh: str, pointed_at: Pointed) -> None:
    url, _ = rooms.empty()
    deaths = {}
    with pointed_at(url):
        executor = MigrationExecutor(connections["default"])
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes("submissions"))
        state = executor.loader.project_state()
        for migration, _ in plan:
            before = state

            def run(migration: Migration = migration, before: Any = before) -> Any:
                return executor.apply_migration(before.clone(), migration)

            if migration.app_label == "submissions":
                state, deaths[migration.name] = insist(migration, run)
            else:
                state = run()
    assert deaths["0009_queue_and_deliveries"] > 15
    assert tables.schema(url) == tables.schema(fresh)


def test_going_back_goes_on_after_each_of_its_statements(rooms: Rooms, pointed_at: Pointed) -> None:
    url, folder = rooms.empty()
    server = Server(url, folder)
    server.run("migrate", "submissions")
    server.run("migrate", "submissions", FIRST)
    unbroken = tables.schema(url)
    server.run("migrate", "submissions")
    with pointed_at(url):
        executor = MigrationExecutor(connections["default"])
        for migration, _ in executor.migration_plan([("submissions", FIRST)]):
            state = executor.loader.project_state((migration.app_label, migration.name), at_end=False)

            def run(migration: Migration = migration, state: Any = state) -> Any:
                return executor.unapply_migration(state.clone(), migration)

            insist(migration, run)
    assert tables.schema(url) == unbroken


def test_a_killed_migrate_is_finished_by_the_next_one(rooms: Rooms, fresh: str) -> None:
    url, folder = rooms.empty()
    server = Server(url, folder)
    server.run("migrate", "submissions", FIRST)
    tables.execute(url, "INSERT INTO submissions_studentitem VALUES (1, 'ada', 'course', 'item', 'problem')")
    tables.execute(url, "INSERT INTO submissions_score VALUES (1, 7, 10, '2026-03-01 10:00:00', 0, 1, NULL)")
    with closing(databases.connect_mariadb(url)) as other:
        other.cursor().execute("LOCK TABLES submissions_score WRITE")
        migrate = subprocess.Popen([GRADEQUEUE, "migrate"], env=server.env, stdout=subprocess.DEVNULL)
        wait_until_it_stands(url)
        migrate.kill()
        migrate.wait()
    # The server may be at the dead process's statement only now.
    server.run("migrate")
    assert tables.schema(url) == tables.schema(fresh)
    (row,) = tables.query(url, "SELECT points_earned, points_possible FROM submissions_score")
    assert row == {"points_earned": 7.0, "points_possible": 10.0}


def wait_until_it_stands(url: str) -> None:
    """At the table that somebody else has locked."""
    waiting = (
        "SELECT info FROM information_schema.processlist"
        " WHERE db = DATABASE() AND state = 'Waiting for table metadata lock'"
    )
    deadline = time.monotonic() + 60
    while not tables.query(url, waiting):
        assert time.monotonic() < deadline
        time.sleep(0.05)
