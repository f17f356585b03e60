"""A database that takes no writes for a while: the service says so, and goes on by itself when it does again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests

from tests.server import Server
from tests.strain.conftest import Start, poll, session_of
from tests.strain.servers import OwnServer

pytestmark = [pytest.mark.walk, pytest.mark.databases("postgresql", "mariadb")]


@pytest.fixture
def spell(own: OwnServer, own_database: str) -> Iterator[Callable[[bool], None]]:
    """Begins a spell without writes (True), and ends it."""
    name = urlsplit(own_database).path[1:]

    def change(begins: bool) -> None:
        if own.kind == "mariadb":
            own.rows(f"SET GLOBAL read_only = {int(begins)}")
            return
        # As a hosted PostgreSQL does it when its disk is full.
        own.rows(
            f"ALTER DATABASE {name} {'SET' if begins else 'RESET'} default_transaction_read_only" + " = on" * begins
        )
        if begins:
            own.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    yield change
    change(False)


@pytest.fixture
def server(own: OwnServer, own_database: str, start: Start) -> Server:
    if own.kind == "postgresql":
        return start(own_database)
    # MariaDB's root may write in spite of read_only.
    parts = urlsplit(own_database)
    own.rows("CREATE OR REPLACE USER plain@'127.0.0.1'")
    own.rows(f"GRANT ALL ON {parts.path[1:]}.* TO plain@'127.0.0.1'")
    return start(urlunsplit(parts._replace(netloc=f"plain@127.0.0.1:{parts.port}")))


def readyz(server: Server) -> tuple[int, dict[str, Any]]:
    answer = requests.get(f"{server.url}/readyz", timeout=20)
    return answer.status_code, answer.json()["checks"]


def test_it_goes_on_without_a_restart(server: Server, spell: Callable[[bool], None], name: str) -> None:
    server.enqueue(*({"queue_name": name, "student_id": f"s{number}"} for number in range(40)))
    cookies = session_of(server, name)
    password = server.grader(f"{name}-2")
    account = {"username": f"{name}-2", "password": password}
    assert readyz(server)[0] == 200
    spell(True)
    for _ in range(10):
        assert poll(server, name, cookies).status_code == 500
        login = requests.post(f"{server.url}/xqueue/login/", data=account, timeout=20)
        assert login.status_code == 500
    status, checks = readyz(server)
    assert (status, checks["database"], checks["writing"]) == (503, "ok", "failed")
    spell(False)
    assert readyz(server)[0] == 200
    time.sleep(0.5)
    polls = [poll(server, name, cookies) for _ in range(20)]
    assert [(answer.status_code, answer.json()["return_code"]) for answer in polls] == [(200, 0)] * 20
    logins = [requests.post(f"{server.url}/xqueue/login/", data=account, timeout=20) for _ in range(10)]
    assert [answer.status_code for answer in logins] == [200] * 10
