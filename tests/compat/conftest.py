"""Sites that edx-submissions has left behind, as it left them and as our `migrate` finds them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.cache import cache
from django.db import connections, transaction
from django.db.utils import load_backend
from pytest_django import DjangoDbBlocker

from gradequeue import env
from submissions import queue
from tests import databases
from tests.compat import environment, tables
from tests.server import Server


@dataclass(frozen=True)
class Site:
    """A database with its stored files, and where in it things are (`tests.compat.old.fill`)."""

    url: str
    folder: Path
    where: dict[str, Any]
    before: dict[str, list[tables.Row]]
    """Every row of every table of edx-submissions, as that package left it."""
    release: str
    """The version of that package."""

    @property
    def server(self) -> Server:
        """The service on this database, not started."""
        return Server(self.url, self.folder, GRADEQUEUE_STORAGE_URL=f"file://{self.folder / 'media'}")


class Rooms:
    """Databases that are gone when the run ends."""

    def __init__(self, kind: str, folder: Path, stack: ExitStack) -> None:
        self.kind, self.folder, self.stack = kind, folder, stack
        self.server = str(databases.server_url(kind))

    def empty(self) -> tuple[str, Path]:
        """The address of an empty database, and a folder of its own."""
        name = f"gq_{uuid.uuid4().hex[:12]}"
        folder = self.folder / name
        folder.mkdir()
        self.stack.callback(databases.drop, self.kind, self.server, name)
        return databases.create(self.kind, self.server, name, folder), folder

    def copy(self, site: Site) -> Site:
        url, folder = self.empty()
        shutil.copytree(site.folder / "media", folder / "media")
        _copy_database(site.url, url)
        return replace(site, url=url, folder=folder)


def _copy_database(source: str, target: str) -> None:
    if source.startswith("sqlite"):
        with (
            closing(sqlite3.connect(tables.sqlite_file(source))) as old,
            closing(sqlite3.connect(tables.sqlite_file(target))) as new,
        ):
            old.backup(new)
        return
    origin, copy = (url.rpartition("/")[2].partition("?")[0] for url in (source, target))
    if source.startswith("mysql"):
        _copy_mariadb(source, target, origin)
        return
    server = str(databases.server_url("postgresql")).replace("postgres://", "postgresql://", 1)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {copy}".encode())
        connection.execute(f"CREATE DATABASE {copy} TEMPLATE {origin}".encode())


def _copy_mariadb(source: str, target: str, origin: str) -> None:
    with closing(databases.connect_mariadb(target)) as connection:
        cursor = connection.cursor()
        cursor.execute("SET foreign_key_checks = 0")
        for table in tables.names(source):
            cursor.execute(f"SHOW CREATE TABLE {origin}.{table}")
            cursor.execute(cursor.fetchone()[1])
            cursor.execute(f"INSERT INTO {table} SELECT * FROM {origin}.{table}")
        connection.commit()


@pytest.fixture(scope="session")
def rooms(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    with ExitStack() as stack:
        yield Rooms(kind, tmp_path_factory.mktemp("compat"), stack)


@pytest.fixture(scope="session", params=environment.VERSIONS)
def old_site(rooms: Rooms, request: pytest.FixtureRequest) -> Site:
    """Made and filled by edx-submissions; nobody changes it."""
    release = str(request.param)
    url, folder = rooms.empty()
    fill = ("-m", "tests.compat.old.fill")
    printed = environment.run(*fill, database_url=url, media=folder / "media", release=release)
    return Site(url, folder, json.loads(printed), tables.dump(url), release)


newest = pytest.mark.parametrize("old_site", [environment.NEWEST], indirect=True)
"""For what is dear, and does not depend on the version: tried with one of them."""


@pytest.fixture(scope="session")
def migrated_once(rooms: Rooms, old_site: Site) -> Site:
    """The same after our `migrate`; nobody changes it."""
    site = rooms.copy(old_site)
    site.server.run("migrate")
    return site


@pytest.fixture
def site(rooms: Rooms, migrated_once: Site) -> Site:
    """A migrated site of this test's own."""
    return rooms.copy(migrated_once)


@pytest.fixture(scope="session")
def fresh(rooms: Rooms) -> str:
    """The DATABASE_URL of a database that our `migrate` alone has made; nobody changes it."""
    url, folder = rooms.empty()
    Server(url, folder).run("migrate")
    return url


Pointed = Callable[[str], Any]


@pytest.fixture
def pointed_at(django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pointed:
    """``with pointed_at(url):`` lets this process's models and API work on that database."""

    @contextmanager
    def point(url: str) -> Iterator[None]:
        monkeypatch.setenv("DATABASE_URL", url)
        (settings,) = connections.configure_settings({"default": env.database(tmp_path)}).values()
        usual = connections["default"]
        other = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, "default")
        connections["default"] = other
        cache.clear()
        queue.forget()
        try:
            with django_db_blocker.unblock():
                yield
        finally:
            other.close()
            connections["default"] = usual

    return point


@pytest.fixture
def tried_on(pointed_at: Pointed) -> Pointed:
    """The same, and whatever is changed there is undone at the end: quicker than a copy."""

    @contextmanager
    def try_on(url: str) -> Iterator[None]:
        with pointed_at(url), transaction.atomic():
            yield
            transaction.set_rollback(True)

    return try_on
