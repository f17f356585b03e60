"""The processes of compose.yaml, by its own commands and environment, with PostgreSQL, Redis and nginx of this machine.

Only places are others: ports, folders, and the names of the containers. Takes half a minute on a quiet machine.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from tests import databases
from tests.packaging import compositions, job
from tests.server import free_port

pytestmark = [pytest.mark.once, pytest.mark.timeout(1800)]
ROOT = compositions.ROOT
BIN = Path(sys.executable).parent
HOST = "localhost"
NGINX = """\
daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{site} }}
"""


class Machine:
    """What Compose would start, started here."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.port, self.plain, self.tls = free_port(), free_port(), free_port()
        given = {
            "GRADEQUEUE_SECRET_KEY": secrets.token_urlsafe(50),
            "POSTGRES_PASSWORD": "p",
            "GRADEQUEUE_QUEUE": job.QUEUE,
        }
        self.values = compositions.example() | given | {"GRADEQUEUE_HOST": HOST}
        self.services = compositions.read(ROOT / "compose.yaml", self.values)["services"]
        self.places = {
            "postgres://gradequeue:p@db:5432/gradequeue": database,
            "cache:6379/0": "127.0.0.1:6379/9",
            "web:8000": f"127.0.0.1:{self.port}",
            "8000": str(self.port),
            f"https://{HOST}": f"https://{HOST}:{self.tls}",
            "/run/secrets/grader_token": str(folder / "token"),
            "/grader/": f"{folder}/",
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, word: str) -> str:
        for there, place in self.places.items():
            word = word.replace(there, place)
        return word

    def environment(self, name: str) -> dict[str, str]:
        theirs = {key: self.here(value) for key, value in self.services[name].get("environment", {}).items()}
        clean = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        # The folder is the image's own to say.
        ours = {"GRADEQUEUE_DATA": str(self.folder / "data"), "SSL_CERT_FILE": str(self.folder / "authority.pem")}
        return clean | ours | theirs

    def words(self, name: str, *instead: str) -> list[str]:
        program = "gradequeue-grader" if name == "worker" else "gradequeue"
        return [str(BIN / program), *(instead or map(self.here, self.services[name]["command"]))]

    def run(self, *words: str, given: str = "", name: str = "web") -> str:
        """A command in one of the containers; without words, the container's own."""
        done = subprocess.run(
            self.words(name, *words),
            cwd=self.folder,
            env=self.environment(name),
            input=given,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str, *instead: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            words = list(instead) or self.words(name)
            self.running[name] = subprocess.Popen(
                words, cwd=self.folder, env=self.environment(name), stdout=log, stderr=log
            )

    def start_proxy(self) -> None:
        site = (ROOT / "deploy" / "compose" / "nginx.conf.template").read_text()
        changes = {
            "${GRADEQUEUE_HOST}": HOST,
            "${NGINX_LOCAL_RESOLVERS}": "127.0.0.1",
            "set $web web;": "set $web 127.0.0.1;",
            "$web:8000": f"$web:{self.port}",
            "listen 80;": f"listen 127.0.0.1:{self.plain};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.tls} ssl;",
            "/etc/nginx/tls": str(self.folder),
            "$host$request_uri": f"$host:{self.tls}$request_uri",
        }
        for there, here in changes.items():
            assert there in site
            site = site.replace(there, here)
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST)
        authority.cert_pem.write_to_path(self.folder / "authority.pem")
        certificate.private_key_pem.write_to_path(self.folder / "privkey.pem")
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(self.folder / "fullchain.pem", append=True)
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, site=site))
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert nginx is not None, "This needs nginx."
        self.start("proxy", nginx, "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder))

    def get(self, path: str) -> requests.Response:
        place = f"https://{HOST}:{self.tls}{path}"
        return requests.get(place, verify=str(self.folder / "authority.pem"), timeout=20, allow_redirects=False)

    def log(self) -> str:
        return "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted(self.folder.glob("*.log")))

    def end(self) -> dict[str, int]:
        """How each ended that was told to."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        return {name: process.wait(timeout=180) for name, process in self.running.items()}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    server = databases.server_url("postgresql")
    assert server is not None, "This needs PostgreSQL."
    name = f"gq_{uuid.uuid4().hex[:12]}"
    started = Machine(tmp_path, databases.create("postgresql", server, name, tmp_path))
    yield started
    for process in started.running.values():
        process.kill()
        process.wait()
    databases.drop("postgresql", server, name)


def start(machine: Machine) -> None:
    """In the order in which they wait for one another."""
    machine.run(name="migrate")
    machine.start("web")
    web = machine.running["web"]
    job.await_answer(f"http://127.0.0.1:{machine.port}/livez", lambda: web.poll() is None, machine.log)
    machine.start("deliveries")
    machine.start_proxy()
    trusted = str(machine.folder / "authority.pem")
    alive = machine.running["proxy"]
    job.await_answer(f"https://{HOST}:{machine.tls}/readyz", lambda: alive.poll() is None, machine.log, trusted)


def test_a_job_is_graded_and_the_site_has_tls(machine: Machine) -> None:
    start(machine)
    moved = requests.get(
        f"http://127.0.0.1:{machine.plain}/admin/", headers={"Host": HOST}, timeout=20, allow_redirects=False
    )
    assert (moved.status_code, moved.headers["location"]) == (308, f"https://{HOST}:{machine.tls}/admin/")
    page = machine.get("/admin/login/")
    assert (page.status_code, page.headers["strict-transport-security"]) == (200, "max-age=31536000")

    number = job.hand_in(machine.run)
    (machine.folder / "token").write_text(job.token(machine.run))
    (machine.folder / "grade.py").write_text(job.GRADER)
    # As the container does, but to its end: `--once`, and no sandbox, which has its test in the image.
    first, *others = machine.words("worker")[1:]
    machine.run(first, "--once", "--sandbox", "none", *others, name="worker")
    assert job.graded(machine.run, number) == job.GRADED
    assert machine.end() == {"web": 0, "deliveries": 0, "proxy": 0}


def test_check_deploy_has_nothing_to_say(machine: Machine) -> None:
    machine.run(name="migrate")
    machine.run("check", "--deploy", "--fail-level", "WARNING")


def test_the_health_check_of_the_image_is_the_one_that_answers(machine: Machine) -> None:
    """Its words are run with the port of this machine."""
    line = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("  CMD ["))
    words: list[Any] = json.loads(line.removeprefix("  CMD "))
    machine.run(name="migrate")
    machine.start("web")
    web = machine.running["web"]
    job.await_answer(f"http://127.0.0.1:{machine.port}/livez", lambda: web.poll() is None, machine.log)
    healthy = [sys.executable, *(machine.here(word) for word in words[1:])]
    assert subprocess.run(healthy, timeout=60, check=False).returncode == 0
    assert machine.end() == {"web": 0}
    assert subprocess.run(healthy, capture_output=True, timeout=60, check=False).returncode == 1
