"""`gradequeue doctor` on a healthy database, and on ones that would hurt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.test import override_settings

from submissions.models import get_storage
from submissions.upkeep import doctor
from tests.server import Server


def of(check: str) -> doctor.Finding:
    (found,) = (one for one in doctor.findings() if one.check == check)
    return found


def lacking(rows: list[dict[str, Any]]) -> list[str]:
    return [row["sentence"] for row in rows if not row["fine"]]


def test_a_database_as_the_service_sets_it_up_is_fine(server: Server, kind: str) -> None:
    found = server.run("doctor", "--json", check=False)
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert {row["check"] for row in rows} >= {"claim index", "skip locked", "clock", "storage"}
    # What MariaDB comes with, where nobody has followed docs/operating.md.
    small = ["max_allowed_packet is 16777216 bytes; the largest submissions can take 52428800."]
    assert lacking(rows) == [] or (kind == "mariadb" and lacking(rows) == small)
    assert found.returncode == (1 if lacking(rows) else 0)


def test_it_reads_as_sentences(server: Server) -> None:
    lines = server.run("doctor", check=False).stdout.splitlines()
    assert "ok       claim index: Claims walk their index." in lines


@pytest.mark.django_db(transaction=True)
def test_a_missing_index_is_found_and_the_remedy_is_named() -> None:
    table, index = "submissions_externalgraderdetail", "submissions_claim_idx"
    where = f" ON {table}" if connection.vendor == "mysql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {index}{where}")
        try:
            found = of("claim index")
        finally:
            cursor.execute(f"CREATE INDEX {index} ON {table} (queue_name, available_at, id)")
    assert not found.fine
    assert found.sentence.endswith("every claim reads the whole queue. Run migrate.")


@pytest.mark.django_db
def test_a_storage_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("in the way")
    media = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(blocked)}}
    with override_settings(EDX_SUBMISSIONS={"MEDIA": media}):
        assert isinstance(get_storage(), FileSystemStorage)
        found = of("storage")
    assert not found.fine
    assert found.sentence.startswith("Files cannot be stored and read back: ")


@pytest.mark.django_db(transaction=True)
def test_what_would_hurt_on_this_database_is_found(kind: str) -> None:
    change, back, check = {
        "sqlite": ("PRAGMA busy_timeout = 100", "PRAGMA busy_timeout = 30000", "busy timeout"),
        "postgresql": (
            "SET default_transaction_isolation = 'repeatable read'",
            "RESET default_transaction_isolation",
            "isolation",
        ),
        "mariadb": (
            "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "isolation",
        ),
    }[kind]
    with connection.cursor() as cursor:
        assert of(check).fine
        cursor.execute(change)
        try:
            assert not of(check).fine
        finally:
            cursor.execute(back)
