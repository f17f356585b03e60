"""Files of a backup, with a storage or a disk that fails half-way."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.core.management import CommandError
from django.db import connection
from django.db.utils import ConnectionHandler
from django.test.utils import CaptureQueriesContext

from gradequeue.backup import contents, databases
from submissions.files import find_damage, rows
from submissions.models import SubmissionFile, get_storage
from submissions.upkeep import audit
from tests.connections import end_connection
from tests.make import make

files = pytest.mark.django_db


def row_of(content: bytes = b"print(1)") -> SubmissionFile:
    return SubmissionFile.objects.get(external_grader=make(files={"a.py": content}))


def number_of(row: SubmissionFile) -> int:
    assert row.external_grader is not None
    return row.external_grader.submission_id


def place_of(row: SubmissionFile, folder: Path) -> Path:
    return folder / str(row.file.name)


def store(row: SubmissionFile, content: bytes) -> None:
    get_storage().delete(str(row.file.name))
    get_storage().save(str(row.file.name), ContentFile(content))


def stored(row: SubmissionFile) -> bytes:
    with get_storage().open(str(row.file.name)) as file:
        return bytes(file.read())


@files
def test_half_a_file_does_not_stay_in_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = row_of()

    def broken(*_: object) -> Iterator[bytes]:
        yield b"print"
        raise OSError("the connection was lost")

    monkeypatch.setattr("django.core.files.base.File.chunks", broken)
    told = f"file 'a.py' of submission {number_of(row)} was not saved: the connection was lost"
    assert list(contents.save(tmp_path)) == [told]
    assert not place_of(row, tmp_path).exists()
    monkeypatch.undo()
    assert list(contents.save(tmp_path)) == [None]
    assert place_of(row, tmp_path).read_bytes() == b"print(1)"
    # One that is there is no half one.
    assert list(contents.save(tmp_path)) != [None]
    assert place_of(row, tmp_path).read_bytes() == b"print(1)"


@files
def test_a_folder_that_cannot_be_made_costs_its_files_alone(tmp_path: Path) -> None:
    make("a", files={"a.py": "1"})
    make("b", files={"b.py": "2"})
    (tmp_path / "a").write_text("no folder")
    told = list(contents.save(tmp_path))
    assert (len(told), told[1], "was not saved" in str(told[0])) == (2, None, True)


@files
def test_what_is_damaged_where_it_is_kept_is_written_anew(tmp_path: Path) -> None:
    row = row_of()
    assert list(contents.save(tmp_path)) == [None]
    for broken in (b"", b"print", b"print(9)"):
        store(row, broken)
        assert list(contents.bring_back(tmp_path)) == [None]
        assert stored(row) == b"print(1)"
    # By a copy that is whole, and no other one.
    store(row, b"print")
    place_of(row, tmp_path).write_bytes(b"print(9)")
    (told,) = contents.bring_back(tmp_path)
    assert told is not None
    assert told.endswith("has a file 'a.py' of 5 bytes that was handed in with 8")
    assert stored(row) == b"print"


@files
def test_a_storage_that_fails_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [row_of(), row_of(), row_of()]
    assert list(contents.save(tmp_path)) == [None] * 3
    for row in kept:
        get_storage().delete(str(row.file.name))
    save = InMemoryStorage.save

    def failing(self: InMemoryStorage, name: str, *words: Any) -> str:
        if name == kept[1].file.name:
            raise OSError("SlowDown")
        return save(self, name, *words)

    monkeypatch.setattr(InMemoryStorage, "save", failing)
    told = f"file 'a.py' of submission {number_of(kept[1])} was not brought back: SlowDown"
    assert list(contents.bring_back(tmp_path)) == [None, told, None]
    assert [get_storage().exists(str(row.file.name)) for row in kept] == [True, False, True]


@files
def test_rows_are_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH", 2)
    for _ in range(3):
        row_of()
    with CaptureQueriesContext(connection) as asked:
        assert list(contents.save(tmp_path)) == [None] * 3
    assert len(asked) == 3
    assert all("LIMIT 2" in one["sql"] for one in asked)


@pytest.mark.databases("postgresql", "mariadb")
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_idle_for_too_long_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """During the dump, and while the files of a batch are copied."""
    monkeypatch.setattr(rows, "BATCH", 1)
    for _ in range(2):
        row_of()
    for found in (contents.save(tmp_path), contents.bring_back(tmp_path)):
        for _ in range(2):
            end_connection()
            assert next(found) is None

    def slowly(row: SubmissionFile) -> str | None:
        end_connection()
        return find_damage(row)

    monkeypatch.setattr(audit, "find_damage", slowly)
    assert list(audit.problems()) == []


@pytest.fixture
def empty(db: None, tmp_path: Path) -> Iterator[Any]:
    settings = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "empty.sqlite3")}}
    made = ConnectionHandler(settings)["default"]
    yield made
    made.close()


@files
@pytest.mark.databases("mariadb")
def test_what_the_server_takes_the_programs_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own limits are below the largest body."""
    run: list[list[str]] = []
    monkeypatch.setattr(databases, "_run", lambda command, *_, **__: run.append(command))
    place = tmp_path / "database.sql"
    place.touch()
    databases._DUMPS["mysql"](connection, place)
    databases._LOADS["mysql"](connection, place)
    for command in run:
        said = subprocess.run([*command[:-1], "--help"], capture_output=True, text=True, check=True)
        assert re.search(r"^max-allowed-packet +1073741824$", said.stdout, re.MULTILINE)


@pytest.mark.once
def test_nothing_is_written_beside_a_copy_of_sqlites(empty: Any, tmp_path: Path) -> None:
    """It may stand where nobody can write."""
    (tmp_path / "back up?").mkdir()
    copy = tmp_path / "back up?" / "database.sqlite3"
    with closing(sqlite3.connect(copy)) as whole:
        whole.executescript("PRAGMA journal_mode=WAL; CREATE TABLE found (name text)")
    before = copy.parent.stat().st_mtime_ns
    databases.load(empty, copy)
    assert empty.introspection.table_names() == ["found"]
    assert copy.parent.stat().st_mtime_ns == before


@pytest.mark.once
def test_a_copy_of_sqlite_that_cannot_be_written_is_told_in_a_sentence(empty: Any, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^The database could not be copied to .*: unable to open database file\.$"):
        databases.dump(empty, tmp_path / "nowhere" / "database.sqlite3")
    (tmp_path / "copy").write_text("no database at all")
    with pytest.raises(CommandError, match=r"^The database could not be brought back: file is not a database\.$"):
        databases.load(empty, tmp_path / "copy")


@pytest.mark.once
def test_what_a_client_says_in_another_charset_is_told() -> None:
    code = r"import os; os.write(2, b'FEHLER: Datenbank \xbbg\xab'); raise SystemExit(3)"
    with pytest.raises(CommandError, match=r"ended with 3: FEHLER: Datenbank .g.$"):
        databases._run([sys.executable, "-c", code], {})
