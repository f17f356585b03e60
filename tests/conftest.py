"""One suite, one database at a time: ``TEST_DATABASE=sqlite|postgresql|mariadb pytest``."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from tests import databases, failures
from tests.server import GRADEQUEUE, Server
from tests.settings import KIND

# The gate draws the same examples each time, so that a change is judged by what it changed; `make fuzz` draws new ones.
settings.register_profile("gate", derandomize="HOSTILE_EXAMPLES" not in os.environ)
settings.load_profile("gate")


def pytest_configure(config: pytest.Config) -> None:
    """A shell starts what it runs in the background with SIGINT ignored, and so would be all that the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    failures.name_them(config)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--short", action="store_true", help="without walks; on a server, what SQLite's run cannot show (CONTRIBUTING)"
    )


def pytest_report_header() -> str:
    return f"database: {KIND}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs no particular database runs with SQLite only, what is marked with databases only with these."""
    short = config.getoption("--short")
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        (chosen if KIND in (_databases_in_short(item) if short else _databases(item)) else others).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = chosen


def _databases(item: pytest.Item) -> Sequence[str]:
    if item.get_closest_marker("once"):
        return ["sqlite"]
    only = item.get_closest_marker("databases")
    return only.args if only else databases.KINDS


def _databases_in_short(item: pytest.Item) -> Sequence[str]:
    if item.get_closest_marker("walk"):
        return []
    usual = _databases(item)
    room = item.path.relative_to(Path(__file__).parent).parts[0]
    return usual if "sqlite" not in usual or room in databases.ROOMS else ["sqlite"]


@pytest.fixture(scope="session")
def kind() -> str:
    """Which database this run is on: sqlite, postgresql or mariadb."""
    return KIND


@pytest.fixture(scope="session")
def template(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database to be copied: to migrate takes longer than all else that a server does when it starts.
    On MariaDB, which copies none, it stays empty."""
    folder = tmp_path_factory.mktemp("template")
    with databases.name_for_a_while(kind) as (address, name):
        url = databases.create(kind, address, name, folder)
        if kind != "mariadb":
            subprocess.run([GRADEQUEUE, "migrate", "-v0"], env=Server(url, folder).env, check=True)
        yield url


@pytest.fixture
def empty_database(kind: str, tmp_path: Path) -> Iterator[str]:
    """The DATABASE_URL of an empty database of this test's own."""
    with databases.name_for_a_while(kind) as (address, name):
        yield databases.create(kind, address, name, tmp_path)


@pytest.fixture
def fresh_database(kind: str, template: str, tmp_path: Path) -> Iterator[str]:
    """The DATABASE_URL of a database of this test's own with our tables, as far as it can be copied; `serve --migrate`
    makes them where it cannot."""
    with databases.name_for_a_while(kind) as (address, name):
        yield databases.copy(kind, address, template, name, tmp_path)


@pytest.fixture(scope="session")
def server(kind: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server for all tests of the run; each test uses queues and graders with names of its own."""
    folder = tmp_path_factory.mktemp("server")
    with databases.name_for_a_while(kind) as (address, name):
        running = Server(databases.copy(kind, address, template, name, folder), folder).start()
        yield running
        running.stop()


@pytest.fixture
def name() -> str:
    """A name that no other test uses: for a queue, a grader, a learner."""
    return f"n{uuid.uuid4().hex[:10]}"
