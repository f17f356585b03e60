"""Strain needs a server: a SQLite file has no connections, and what holds it up ends after 30 seconds."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from tests import databases
from tests.server import Server
from tests.strain.servers import OWN, OwnServer

Start = Callable[..., Server]


@pytest.fixture(scope="session")
def own(kind: str) -> Iterator[OwnServer]:
    """A database server that nobody else uses."""
    server = OWN[kind]()
    yield server
    server.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts services on a database's address; none of their processes is left behind."""
    running: list[Server] = []

    def begin(database_url: str, *words: str, workers: int = 2, **environment: str) -> Server:
        server = Server(database_url, tmp_path, **environment)
        running.append(server)
        return server.start(*words, workers=workers)

    yield begin
    for server in running:
        if server.process and server.process.poll() is None:
            for process in psutil.Process(server.process.pid).children(recursive=True):
                process.kill()
            server.process.kill()
            server.process.wait()


@pytest.fixture
def own_database(own: OwnServer, tmp_path: Path) -> str:
    """The DATABASE_URL of an empty database on the test's own server."""
    return databases.create(own.kind, own.url, f"gq_{uuid.uuid4().hex[:12]}", tmp_path)


def session_of(server: Server, name: str) -> dict[str, Any]:
    """The cookies of a grader who is logged in."""
    http = requests.Session()
    account = {"username": name, "password": server.grader(name)}
    assert http.post(f"{server.url}/xqueue/login/", data=account, timeout=20).status_code == 200
    return dict(http.cookies.get_dict())


def poll(server: Server, queue: str, cookies: dict[str, Any], timeout: float = 30) -> requests.Response:
    address = f"{server.url}/xqueue/get_submission/"
    return requests.get(address, params={"queue_name": queue}, cookies=cookies, timeout=timeout)
