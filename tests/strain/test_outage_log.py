"""A database that is away does not fill the log."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests import databases
from tests.strain.conftest import Start, poll, session_of
from tests.strain.servers import OwnServer

pytestmark = [pytest.mark.walk, pytest.mark.databases("postgresql", "mariadb")]


def test_a_hundred_failed_requests_are_a_few_lines(start: Start, own: OwnServer, own_database: str, name: str) -> None:
    server = start(own_database, "--delivery-threads", "0", workers=1)
    cookies = session_of(server, name)
    before = len(server.log.read_text())
    databases.drop(own.kind, own.url, urlsplit(own_database).path[1:])
    began = time.monotonic()
    with ThreadPoolExecutor(8) as graders:
        answers = list(graders.map(lambda _: poll(server, name, cookies).status_code, range(100)))
    assert answers == [500] * 100
    time.sleep(1.5)
    seconds = time.monotonic() - began
    lines = server.log.read_text()[before:].splitlines()
    records = [line for line in lines if not line.startswith("    | ")]
    # That it is away, and, first, that its connections were ended.
    assert len(records) <= 3 * (seconds + 1)
    assert len([line for line in lines if "Traceback" in line]) <= 3 * 2
    counted = [int(line.rpartition(" (")[2].split()[0]) for line in records if "times within a second" in line]
    assert sum(counted) + len(records) - len(counted) == 100
