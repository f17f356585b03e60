"""A database that edx-submissions itself brought only part of the way is refused in a sentence, and left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compat import environment, tables
from tests.compat.conftest import Rooms
from tests.server import Server, free_port

pytestmark = pytest.mark.walk

STOPS = ("0001_squashed_0005_CreateTeamModel", "0005_submissionfile", "0007_merge_20251020_2045")


@dataclass(frozen=True)
class HalfWay:
    url: str
    folder: Path

    def refuse(self, *words: str) -> str:
        """What the command says on stderr; it ends with 1, shows no traceback and changes nothing."""
        before = tables.everything(self.url), tables.schema(self.url)
        done = Server(self.url, self.folder).run(*words, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert (tables.everything(self.url), tables.schema(self.url)) == before
        return done.stderr


@pytest.fixture
def stopped_at(rooms: Rooms) -> Callable[[str], HalfWay]:
    """A new database whose tables edx-submissions has made up to the migration that is named."""

    def make(migration: str) -> HalfWay:
        url, folder = rooms.empty()
        environment.run("-m", "tests.compat.old.migrate", migration, database_url=url, media=folder)
        return HalfWay(url, folder)

    return make


Stopped = Callable[[str], HalfWay]


@pytest.mark.parametrize("migration", STOPS)
def test_migrate_refuses_it_with_a_clear_error(stopped_at: Stopped, migration: str) -> None:
    said = stopped_at(migration).refuse("migrate")
    assert "submissions.E002" in said
    assert "edx-submissions older than 3.12.2" in said
    assert "0008_externalgraderdetail_queue_key_and_more" in said
    assert "Install edx-submissions 4.0.2, run its migrate to the end, then install gradequeue again." in said


def test_serve_refuses_it_with_and_without_migrate(stopped_at: Stopped) -> None:
    half_way = stopped_at("0007_merge_20251020_2045")
    assert "submissions.E002" in half_way.refuse("serve", "--migrate", "--port", str(free_port()))
    assert "The database's tables are not up to date" in half_way.refuse("serve", "--port", str(free_port()))


def test_after_the_old_upgrade_is_finished_ours_goes_on(stopped_at: Stopped) -> None:
    half_way = stopped_at("0005_submissionfile")
    words = ("-m", "django", "migrate", "--no-input", "submissions")
    environment.run(*words, database_url=half_way.url, media=half_way.folder)
    printed = Server(half_way.url, half_way.folder).run("migrate").stdout
    assert "Applying submissions.0010_fill_queue... OK" in printed
