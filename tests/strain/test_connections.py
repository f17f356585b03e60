"""A service holds no more connections to the database than it says, and few of them when it rests."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from gradequeue.processes import connections
from submissions.upkeep import doctor
from tests.strain.conftest import Start, poll, session_of
from tests.strain.servers import OwnServer, connections_to, server_of

pytestmark = [pytest.mark.walk, pytest.mark.databases("postgresql", "mariadb")]

ROUNDS = 3
# Longer than an idle thread of a web worker lives.
REST = connections.IDLE_SECONDS + 4


@pytest.mark.databases("postgresql")
def test_bursts_leave_no_connections_behind(start: Start, fresh_database: str, kind: str, name: str) -> None:
    server = start(fresh_database)
    database, address = urlsplit(fresh_database).path[1:], server_of(kind)
    server.enqueue({"queue_name": name})
    cookies = session_of(server, name)
    after_bursts, after_rests = [], []
    with ThreadPoolExecutor(64) as graders:
        for _ in range(ROUNDS):
            answers = list(graders.map(lambda _: poll(server, "other", cookies), range(64)))
            assert [answer.status_code for answer in answers] == [200] * 64
            after_bursts.append(connections_to(kind, address, database))
            time.sleep(REST)
            after_rests.append(connections_to(kind, address, database))
    # Two workers with 32 threads each, and the two loops of the process beside them.
    assert max(after_bursts) <= 66
    # One for each worker, which has one thread that stays, and the two loops.
    assert max(after_rests) <= 4
    assert server.stop() == 0


def test_a_server_that_takes_too_few_is_told(start: Start, own: OwnServer, own_database: str) -> None:
    name = urlsplit(own_database).path[1:]
    limit = {"postgresql": f"ALTER DATABASE {name} CONNECTION LIMIT 50", "mariadb": "SET GLOBAL max_connections = 50"}
    own.rows(limit[own.kind])
    server = start(own_database)
    assert (
        "This can hold 90 connections to the database, and its server takes 50: requests will fail when many come at "
        "once." in server.log.read_text()
    )
    if own.kind == "mariadb":
        own.rows("SET GLOBAL max_connections = 151")
    told = server.rows("doctor", "--json", "--connections", "152", check=False)
    (found,) = [row for row in told if row["check"] == "connections"]
    takes = {"postgresql": 50, "mariadb": 151}[own.kind]
    assert not found["fine"]
    assert found["sentence"].startswith(
        f"The server takes {takes} connections, and the services can hold 152: then requests fail."
    )
    few = server.rows("doctor", "--json", "--connections", "40", check=False)
    assert [row["fine"] for row in few if row["check"] == "connections"] == [True]


def test_the_usual_number_is_the_one_that_doctor_asks_for() -> None:
    assert connections.most_connections(workers=2, threads=32, delivery_threads=16) == 90
    assert connections.most_connections(workers=2, threads=32, delivery_threads=0) == 74
    assert doctor.ONE_SERVICE == 90


def test_a_busy_grader_keeps_its_connection(start: Start, fresh_database: str, kind: str, name: str) -> None:
    """Or each poll would pay for a new one."""
    server = start(fresh_database, "--delivery-threads", "0", workers=1)
    cookies = session_of(server, name)
    poll(server, name, cookies)
    before = _made(kind)
    for _ in range(50):
        poll(server, name, cookies)
    # Other tests use this server, too.
    assert _made(kind) - before < 25


def _made(kind: str) -> int:
    """How many connections the server has taken since it started."""
    if kind == "postgresql":
        import psycopg

        with psycopg.connect(server_of(kind).replace("postgres://", "postgresql://", 1)) as connection:
            row = connection.execute("SELECT sum(sessions) FROM pg_stat_database").fetchone()
            return int(row[0]) if row else 0
    import MySQLdb

    parts = urlsplit(server_of(kind))
    place = {"host": parts.hostname or "127.0.0.1", "port": parts.port or 3306}
    connection = MySQLdb.connect(user=parts.username or "root", password=parts.password or "", **place)
    cursor = connection.cursor()
    cursor.execute("SHOW GLOBAL STATUS LIKE 'Connections'")
    found = int(cursor.fetchone()[1])
    connection.close()
    return found
