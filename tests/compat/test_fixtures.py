"""Fixtures of one package are read by the other: `dumpdata` here, `loaddata` there, in all four directions."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.compat import environment, tables
from tests.compat.conftest import Rooms, Site
from tests.server import Server
from tests.settings import KIND

pytestmark = pytest.mark.walk

if KIND == "mariadb":
    pytest.skip("edx-submissions' own migrations fail on MariaDB", allow_module_level=True)

# Accounts are Django's own, and come along. edx-submissions makes the summaries itself, from each score that it loads.
DUMP = ("dumpdata", "auth.user", "submissions", "--all", "--output")
LOAD = ("loaddata", "--ignorenonexistent")
SUMMARIES = ("--exclude", "submissions.scoresummary")


def in_theirs(url: str, folder: Path, *words: str) -> None:
    environment.run("-m", "django", *words, database_url=url, media=folder)


def rows(url: str) -> dict[str, list[dict[str, Any]]]:
    """Of the tables that both have, the columns that both have; equal where the same thing is meant."""
    return {
        table: [{name: _meant(name, value) for name, value in row.items() if name not in OURS} for row in found]
        for table, found in tables.dump(url).items()
    }


OURS = {
    *("available_at", "pulled_at", "returned_at", "grader", "num_pulls", "last_error", "grader_payload"),
    *("student_info", "body", "points_known", "file_links", "pulls", "long_queue_key", "size", "sha256"),
    *("claim_id", "result", "result_digest", "interruptions"),
}


def _meant(name: str, value: Any) -> Any:
    if name == "uuid":
        return UUID(str(value))
    if name == "raw_answer":
        try:
            return json.loads(value)
        except ValueError:
            return value
    if isinstance(value, datetime) or re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", str(value)):
        # Django's fixtures have times to the millisecond.
        time = datetime.fromisoformat(str(value)).replace(tzinfo=None)
        return time.replace(microsecond=time.microsecond // 1000 * 1000)
    return value


@pytest.fixture(scope="module")
def their_fixture(old_site: Site) -> str:
    path = str(old_site.folder / "theirs.json")
    in_theirs(old_site.url, old_site.folder, *DUMP, path)
    return path


@pytest.fixture(scope="module")
def our_fixture(migrated_once: Site) -> str:
    path = str(migrated_once.folder / "ours.json")
    migrated_once.server.run(*DUMP, path)
    return path


@pytest.fixture
def empty_here(rooms: Rooms) -> Server:
    url, folder = rooms.empty()
    server = Server(url, folder)
    server.run("migrate")
    return server


@pytest.fixture
def empty_there(rooms: Rooms) -> tuple[str, Path]:
    url, folder = rooms.empty()
    in_theirs(url, folder, "migrate", "--no-input")
    return url, folder


def test_ours_to_ours(our_fixture: str, migrated_once: Site, empty_here: Server) -> None:
    empty_here.run("loaddata", our_fixture)
    url = empty_here.env["DATABASE_URL"]
    assert rows(url) == rows(migrated_once.url)
    before, after = (tables.query(one, ANSWERS) for one in (migrated_once.url, url))
    assert after == before


ANSWERS = "SELECT id, raw_answer FROM submissions_submission ORDER BY id"


def test_theirs_to_ours(their_fixture: str, old_site: Site, empty_here: Server) -> None:
    empty_here.run("loaddata", their_fixture)
    assert rows(empty_here.env["DATABASE_URL"]) == rows(old_site.url)
    # The fixture brings rows, and no files; edx-submissions knows no queues that are set up.
    *problems, _ = empty_here.rows("audit", "--json", check=False)
    expected = ("lost its file", "waits in a queue that is not set up")
    assert [row for row in problems if not row["problem"].startswith(expected)] == []
    # In one queue two are pending, one is to be tried again, and of one the five minutes are over.
    assert [row["waiting"] for row in empty_here.rows("queues", "--json")] == [4, 1]


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_to_theirs(whose: str, request: pytest.FixtureRequest, old_site: Site, empty_there: tuple[str, Path]) -> None:
    fixture = request.getfixturevalue("our_fixture" if whose == "ours" else "their_fixture")
    in_theirs(*empty_there, *LOAD, fixture, *SUMMARIES)
    assert rows(empty_there[0]) == rows(old_site.url)
