"""Probes ask a node by its address: no host name, no session, and for `/livez` no database."""

from __future__ import annotations

import json
import resource
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings
from django.utils.timezone import now
from pytest_django import DjangoAssertNumQueries, Settings

from gradequeue.monitoring import health
from submissions.models import Delivery, get_storage
from tests.make import make

BY_ADDRESS = {"HTTP_HOST": "10.1.2.3:8000"}


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    def forget() -> None:
        health.storage.__init__()  # type: ignore[misc]
        health.migrations.done = False

    forget()
    yield
    forget()


def ready() -> tuple[int, dict[str, Any]]:
    """As the view's thread looks, but in this one, which sees what the test has not committed."""
    look = health.Look()
    look.run()
    response = look.answer()
    return response.status_code, json.loads(response.content)


FINE = {"database": "ok", "migrations": "ok", "writing": "ok", "storage": "ok", "outbox": "ok"}


@pytest.mark.once
@pytest.mark.parametrize("path", ["/livez", "/livez/"])
def test_livez_needs_no_database(path: str) -> None:
    # Without the mark `django_db`, any statement fails.
    response = Client().get(path, **BY_ADDRESS)  # type: ignore[arg-type]
    assert (response.status_code, response.content, list(response.cookies)) == (200, b"alive\n", [])


@pytest.mark.once
def test_only_reading_is_answered() -> None:
    assert Client().head("/livez").status_code == 200
    assert Client().post("/livez").status_code == 405


@pytest.mark.django_db
def test_readyz_is_content_when_everything_is_there() -> None:
    assert ready() == (200, {"ready": True, "checks": FINE, "outbox_oldest_seconds": None})


@pytest.mark.django_db(transaction=True)
def test_readyz_is_answered_by_address_and_never_from_a_cache() -> None:
    response = Client().get("/readyz", **BY_ADDRESS)  # type: ignore[arg-type]
    assert (response.status_code, response["Cache-Control"]) == (200, "no-store")
    assert response.json() == {"ready": True, "checks": FINE, "outbox_oldest_seconds": None}


@pytest.mark.django_db
def test_being_asked_again_costs_little(django_assert_num_queries: DjangoAssertNumQueries, kind: str) -> None:
    ready()
    with django_assert_num_queries(2 if kind == "sqlite" else 3):  # nothing is written on SQLite
        ready()


@pytest.mark.django_db
def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    ready()
    monkeypatch.setattr(connection, "cursor", lambda: (_ for _ in ()).throw(OSError("password=hunter2")))
    status, body = ready()
    failed = {"database": "failed", "migrations": "failed", "writing": "failed", "storage": "ok", "outbox": "failed"}
    assert (status, body) == (503, {"ready": False, "checks": failed, "outbox_oldest_seconds": None})
    assert "not ready: database" in caplog.text


@pytest.mark.django_db
def test_tables_that_are_behind() -> None:
    ((app, newest),) = MigrationLoader(connection).graph.leaf_nodes("submissions")
    MigrationRecorder(connection).record_unapplied(app, newest)
    status, body = ready()
    assert (status, body["checks"]) == (503, FINE | {"migrations": "failed", "writing": "failed", "outbox": "failed"})
    MigrationRecorder(connection).record_applied(app, newest)
    assert ready()[0] == 200


@pytest.mark.django_db
def test_a_storage_that_keeps_nothing_is_asked_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def full(self: object, name: str, content: object) -> str:
        asked.append(name)
        raise OSError("No space left on device")

    monkeypatch.setattr(InMemoryStorage, "_save", full)
    assert [ready()[0] for _ in range(3)] == [503] * 3
    assert len(asked) == 1
    monkeypatch.undo()
    health.storage.until = 0.0  # half a minute later
    assert ready()[0] == 200


@pytest.mark.once
def test_where_no_thread_can_be_started_the_next_one_who_asks_tries_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = health._Looks()
    monkeypatch.setattr(health, "_run", lambda look: look.done.set())

    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(threading.Thread, "start", full)
        assert looks.newest(0.01).answer().status_code == 503
    assert "not ready: nobody could look" in caplog.text
    assert looks.newest(10).done.is_set()


@pytest.mark.django_db
def test_a_probe_leaves_no_file() -> None:
    ready()
    assert get_storage().listdir("probes") == ([], [])


@pytest.mark.once
def test_a_probe_leaves_no_file_on_a_full_disk_either(tmp_path: Path) -> None:
    media = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with override_settings(EDX_SUBMISSIONS={"MEDIA": media}):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, usual[1]))  # no file may have a byte
        try:
            with pytest.raises(OSError, match="File too large"):
                health._keep_a_file()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert list((tmp_path / "probes").iterdir()) == []


@pytest.mark.django_db
def test_an_old_outbox_is_told_and_fails_only_where_that_is_wanted(settings: Settings) -> None:
    late = {"state": "due", "due_at": now() - timedelta(seconds=500)}
    Delivery.objects.create(job=make(), transport="callback", **late)
    status, body = ready()
    age = body["outbox_oldest_seconds"]
    assert (status, body["checks"]) == (200, FINE)
    assert isinstance(age, float)
    assert 500 <= age < 600
    settings.READY_OUTBOX_SECONDS = 300
    assert ready()[0] == 503
    settings.READY_OUTBOX_SECONDS = 900
    assert ready()[0] == 200
