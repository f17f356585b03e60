"""Another app whose migrations depend on edx-submissions' names of migrations still finds them in ours."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.compat import environment, tables
from tests.compat.conftest import Rooms, Site, newest
from tests.server import Server

pytestmark = pytest.mark.walk


def on_the_host(server: Server, *words: str) -> str:
    """What ``python -m django words...`` prints on the platform that has the other app beside ours."""
    variables = {"DJANGO_SETTINGS_MODULE": "tests.compat.host.settings", "PYTHONPATH": str(environment.ROOT)}
    command = [sys.executable, "-m", "django", *words]
    done = subprocess.run(command, env=server.env | variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_it_migrates_with_ours_in_a_fresh_database(rooms: Rooms) -> None:
    url, folder = rooms.empty()
    printed = on_the_host(Server(url, folder), "migrate").splitlines()
    ours = "  Applying submissions.0001_squashed_0008_externalgraderdetail_queue_key_and_more... OK"
    steps = [ours, "  Applying notes.0001_initial... OK", "  Applying notes.0002_note_job... OK"]
    assert [line for line in printed if line in steps] == steps
    assert "  Applying submissions.0010_fill_queue... OK" in printed


def test_a_host_with_wider_keys_has_no_migration_of_ours_to_make(rooms: Rooms) -> None:
    url, folder = rooms.empty()
    printed = on_the_host(Server(url, folder), "makemigrations", "submissions", "--check", "--dry-run")
    assert printed == "No changes detected in app 'submissions'\n"


@newest
def test_it_migrates_after_ours_in_an_old_database(site: Site) -> None:
    printed = on_the_host(site.server, "migrate")
    assert "Applying notes.0002_note_job... OK" in printed
    assert tables.query(site.url, "SELECT * FROM notes_note") == []


@newest
def test_what_it_had_before_ours_came_stays(rooms: Rooms, old_site: Site) -> None:
    site = rooms.copy(old_site)
    words = ("-m", "django", "migrate", "--no-input", "notes")
    old_settings = "tests.compat.old.settings_with_notes"
    environment.run(*words, database_url=site.url, media=site.folder, settings=old_settings)
    tables.execute(site.url, "INSERT INTO notes_note (text, item_id, job_id) VALUES ('mine', 1, 1)")
    printed = on_the_host(site.server, "migrate")
    assert "Applying submissions.0010_fill_queue... OK" in printed
    assert "Applying notes" not in printed
    assert tables.query(site.url, "SELECT text, item_id, job_id FROM notes_note") == [
        {"text": "mine", "item_id": 1, "job_id": 1}
    ]
