"""Behind pgbouncer, which gives each transaction another connection, with the documented setting and without it."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import requests

from tests import databases
from tests.server import Server, free_port
from tests.strain.conftest import Start
from tests.strain.servers import server_of

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")

pytestmark = [
    pytest.mark.walk,
    pytest.mark.databases("postgresql"),
    pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer (Debian: pgbouncer) is not installed"),
]

GRADERS = 12
SECONDS = 5.0
JOBS = 100


@pytest.fixture
def pooled(tmp_path: Path) -> Iterator[str]:
    """The DATABASE_URL of an empty database behind a pooler with fewer connections than there are graders."""
    address, name = server_of("postgresql"), f"gq_{uuid.uuid4().hex[:12]}"
    direct = databases.create("postgresql", address, name, tmp_path)
    parts, port = urlsplit(direct), free_port()
    folder = Path(tempfile.mkdtemp(prefix="gradequeue-pooler-"))
    password = f" password={parts.password}" if parts.password else ""
    place = f"host={parts.hostname or '127.0.0.1'} port={parts.port or 5432} user={parts.username}{password}"
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{name} = {place} dbname={name}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 5\nmax_client_conn = 500\nlog_connections = 0\n"
        "log_disconnections = 0\nserver_reset_query_always = 0\n"
    )
    folder.chmod(0o755)
    # It does not run as root.
    user = ["-u", "nobody"] if os.geteuid() == 0 else ["-u", getpass.getuser()]
    with (folder / "log").open("ab") as log:
        pooler = subprocess.Popen([str(PGBOUNCER), *user, str(folder / "pgbouncer.ini")], stdout=log, stderr=log)
    url = urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}"))
    _wait(url, folder / "log")
    yield url
    pooler.terminate()
    pooler.wait(timeout=20)
    databases.drop("postgresql", address, name)
    shutil.rmtree(folder)


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(url.replace("postgres://", "postgresql://", 1), connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


def cycles(server: Server, queue: str, account: dict[str, str]) -> Counter[str]:
    """What one grader sees: it polls for its jobs, answers each with its own number, and looks at the depth."""
    seen: Counter[str] = Counter()
    http = requests.Session()
    seen[f"login {http.post(f'{server.url}/xqueue/login/', data=account, timeout=20).status_code}"] += 1
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        got = http.get(
            f"{server.url}/xqueue/get_submission/",
            params={"queue_name": queue},
            timeout=20,
            allow_redirects=False,
        )
        seen[f"poll {got.status_code}"] += 1
        depth = http.get(f"{server.url}/xqueue/get_queuelen/", params={"queue_name": queue}, timeout=20)
        seen[f"depth {depth.status_code} {type(depth.json()['content']).__name__}"] += 1
        if got.status_code != 200 or got.json()["return_code"]:
            continue
        job = json.loads(got.json()["content"])
        seen["jobs"] += 1
        answer = json.loads(job["xqueue_body"])["student_response"]
        result = {"xqueue_header": job["xqueue_header"], "xqueue_body": json.dumps({"score": 1, "msg": answer})}
        put = http.post(f"{server.url}/xqueue/put_result/", data=result, timeout=20)
        seen[f"put {put.status_code}"] += 1
    http.close()
    return seen


@pytest.mark.parametrize("setting", ["?prepare=false", ""])
def test_no_request_sees_another_ones_rows(start: Start, pooled: str, setting: str, name: str) -> None:
    server = start(f"{pooled}{setting}")
    ids = server.enqueue(
        *({"queue_name": name, "student_id": f"s{number}", "answer": f"answer {number}"} for number in range(JOBS))
    )
    account = {"username": name, "password": server.grader(name)}
    with ThreadPoolExecutor(GRADERS) as graders:
        seen = sum(graders.map(lambda _: cycles(server, name, account), range(GRADERS)), Counter())
    assert set(seen) == {"login 200", "poll 200", "depth 200 int", "jobs", "put 200"}, seen
    assert seen["jobs"] == seen["put 200"] == JOBS
    replies = {row["submission_id"]: json.loads(row["grader_reply"])["msg"] for row in server.show(*ids)}
    assert replies == {submission_id: f"answer {number}" for number, submission_id in enumerate(ids)}
    # Cursors of many rows, too.
    assert server.run("audit").returncode == 0
    (found,) = [row for row in server.rows("doctor", "--json", check=False) if row["check"] == "pooler"]
    assert (found["fine"], found["sentence"]) == (
        True,
        "A pooler stands before the server: nothing is prepared, no cursor is kept there, and its limits count, too.",
    )


def test_without_one_none_is_found(server: Server) -> None:
    (found,) = [row for row in server.rows("doctor", "--json", check=False) if row["check"] == "pooler"]
    assert (found["fine"], found["sentence"]) == (True, "There is no pooler before the server.")
