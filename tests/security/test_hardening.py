"""A real server in the production environment that `docs/operating.md` names: what it tells browsers and strangers."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from gradequeue.http.headers import HEADERS
from tests import databases
from tests.server import GRADEQUEUE, Server
from tests.walkthrough import ROOT

pytestmark = pytest.mark.once

HOST = {"Host": "queue.example.org"}
HTTPS = HOST | {"X-Forwarded-Proto": "https"}


def documented(folder: Path) -> dict[str, str]:
    """The environment in docs/operating.md, on a database and in folders of this machine."""
    page = (ROOT / "docs" / "operating.md").read_text().split("## Set up for production", 1)[1]
    found = dict(re.findall(r"^([A-Z_]+)=(.*)$", page.split("```")[1], re.MULTILINE))
    assert {"GRADEQUEUE_ENV", "GRADEQUEUE_ALLOWED_HOSTS", "GRADEQUEUE_TRUSTED_PROXIES"} <= set(found)
    (folder / "key").write_text("Ahb9ohjaethaiF4ohm6ooQu8Shoo2Ea0ieQu7phoo9wahphooD")
    del found["DATABASE_URL"], found["GRADEQUEUE_STORAGE_URL"]
    return found | {"GRADEQUEUE_SECRET_KEY_FILE": str(folder / "key"), "GRADEQUEUE_DATA": str(folder / "data")}


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("production")
    running = Server(databases.create("sqlite", "", "production", folder), folder, **documented(folder))
    yield running.start()
    running.stop()


def test_the_deployment_check_is_silent(production: Server) -> None:
    done = subprocess.run(
        [GRADEQUEUE, "check", "--deploy", "--fail-level", "WARNING"],
        env=production.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr.strip()) == (
        0,
        "System check identified no issues (2 silenced).",
        "",
    )


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/livez", {}, 200),
        ("/xqueue/status/", HOST, 200),
        ("/xqueue/get_submission/?queue_name=q", HOST, 302),
        ("/xqueue/nothing", HOST, 404),
        ("/admin/login/", HTTPS, 200),
        ("/admin/", HTTPS, 302),
        ("/admin/", HOST, 301),
        ("/static/admin/css/base.css", HTTPS, 200),
        ("/nothing", HTTPS, 404),
        ("/xqueue/status/", {"Host": "evil.example.org"}, 400),
        ("/metrics", {}, 404),
    ],
)
def test_every_answer_has_the_headers(production: Server, path: str, headers: dict[str, str], status: int) -> None:
    answer = requests.get(f"{production.url}{path}", headers=headers, allow_redirects=False, timeout=10)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert re.search("granian|python|django|wsgi", str(answer.headers), re.IGNORECASE) is None
    assert (answer.headers.get("Strict-Transport-Security") == "max-age=31536000") == (headers == HTTPS)


def test_cookies_go_over_https_only_and_not_to_scripts(production: Server) -> None:
    password = production.grader("ada")
    login = {"username": "ada", "password": password}
    answer = requests.post(f"{production.url}/xqueue/login/", login, headers=HTTPS, timeout=10)
    assert answer.status_code == 200
    given = {
        cookie.partition("=")[0].strip(): cookie for cookie in re.split(r",(?=\s*\w+=)", answer.headers["Set-Cookie"])
    }
    assert re.search(r"(?i)httponly", given["sessionid"])
    for cookie in given.values():
        assert re.search(r"(?i); secure", cookie)
        assert re.search(r"(?i)samesite=lax", cookie)


def test_a_strangers_word_on_https_is_not_taken(production: Server) -> None:
    """One proxy is counted: what it appends counts, and not what the client wrote before it."""
    forged = HOST | {"X-Forwarded-Proto": "https, http"}
    answer = requests.get(f"{production.url}/admin/", headers=forged, allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://queue.example.org/admin/")


def test_what_is_not_there_is_told_without_a_list_of_what_is(production: Server) -> None:
    answer = requests.get(f"{production.url}/nothing/<b>?x=<script>", headers=HTTPS, timeout=10)
    assert (answer.status_code, answer.text) == (404, "There is nothing at this address\n")


def test_what_is_no_http_is_answered_without_a_banner(production: Server) -> None:
    with socket.create_connection(("127.0.0.1", production.port), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01 GARBAGE\r\n\r\n")
        answer = raw.recv(1000)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"server" not in answer.lower()


# The connection's preface with an empty SETTINGS frame, and a request to change the protocol.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
UPGRADE = b"""\
GET /livez HTTP/1.1\r
Host: queue.example.org\r
Connection: Upgrade, HTTP2-Settings, close\r
Upgrade: h2c\r
HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r
\r
"""


@pytest.mark.parametrize("sent", [PREFACE, UPGRADE], ids=["preface", "upgrade"])
def test_http_2_is_not_spoken_without_tls(production: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", production.port), timeout=10) as raw:
        raw.sendall(sent)
        answer = raw.recv(1000)
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400")) or not answer
