"""Who is measured: our service, and edx-submissions on two servers, each started and ended as an operator would."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from benchmarks import environment
from tests.server import free_port

PASSWORD = "benchmark"
ACCOUNTS = """
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
group, _ = Group.objects.get_or_create(name="xqueue")
password = make_password({password!r})
for name in {names!r}:
    User.objects.get_or_create(username=name, defaults={{"password": password}})[0].groups.add(group)
"""
OUR_QUEUE = "from submissions.models import GraderQueue; GraderQueue.objects.get_or_create(name={queue!r})\n"


@dataclass(frozen=True)
class Side:
    """One contestant. `name` is what the command line calls it."""

    name: str
    title: str
    ours: bool = False
    server: str = "granian"


SIDES = {
    side.name: side
    for side in (
        Side("ours", "gradequeue, granian", ours=True),
        Side("gunicorn", "edx-submissions 4.0.2, gunicorn", server="gunicorn"),
        Side("granian", "edx-submissions 4.0.2, granian"),
    )
}


class Instance:
    """One side at work on one database, in a folder of its own."""

    def __init__(self, side: Side, kind: str, url: str = "") -> None:
        self.side, self.kind, self.url = side, kind, url
        self.folder = Path(tempfile.mkdtemp(prefix="gradequeue-bench-"))
        self.log = self.folder / "server.log"
        self.port = free_port()
        self.bin = Path(sys.executable).parent if side.ours else environment.peer_bin()
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self, queue: str, graders: list[str]) -> None:
        """Tables, the queue, and the graders' accounts."""
        if self.kind == "mariadb" and not self.side.ours:
            # This migration fails on an empty MariaDB: it changes columns that two of its tables never had.
            self._manage("migrate", "--verbosity", "0", "submissions", "0001_squashed_0005_CreateTeamModel")
            self._manage("migrate", "--verbosity", "0", "--fake", "submissions", "0006_mariadb_uuid_conversion")
        self._manage("migrate", "--verbosity", "0")
        code = ACCOUNTS.format(names=graders, password=PASSWORD)
        self._manage("shell", "--command", code + (OUR_QUEUE.format(queue=queue) if self.side.ours else ""))

    def start(self, *, workers: int, url: str = "") -> None:
        """Serve, and wait until the first answer. `url`: another way to the same database."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(workers),
                env=self._env(url or self.url),
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.side.title} did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/xqueue/login/", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _command(self, workers: int) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        if self.side.ours:
            return [str(self.bin / "gradequeue"), "serve", *address, "--workers", str(workers)]
        if self.side.server == "gunicorn":
            bind = ["--workers", str(workers), "--bind", f"127.0.0.1:{self.port}"]
            return [str(self.bin / "gunicorn"), *bind, "benchmarks.peer.wsgi"]
        # As `gradequeue serve` sets it up.
        options = ["--interface", "wsgi", "--workers", str(workers), "--blocking-threads", "32", "--no-ws"]
        return [
            str(self.bin / "granian"),
            *options,
            *address,
            "--log-level",
            "error",
            "benchmarks.peer.wsgi:application",
        ]

    def _manage(self, *words: str) -> None:
        command = [str(self.bin / "gradequeue")] if self.side.ours else [str(self.bin / "python"), "-m", "django"]
        done = subprocess.run(
            [*command, *words],
            env=self._env(self.url),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{words[0]} of {self.side.title} ended with {done.returncode}:\n{done.stderr[-3000:]}")

    def _env(self, url: str) -> dict[str, str]:
        variables = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        variables["DATABASE_URL"] = url
        if self.side.ours:
            # Claims alone must not come back within a long turn.
            return variables | {"GRADEQUEUE_DATA": str(self.folder / "data"), "GRADEQUEUE_LEASE_SECONDS": "86400"}
        # Of this repository the peer sees its own host project alone.
        linked = self.folder / "path"
        if not linked.exists():
            linked.mkdir()
            (linked / "benchmarks").symlink_to(environment.ROOT / "benchmarks")
        return variables | {
            "PYTHONPATH": str(linked),
            "PYTHONSAFEPATH": "1",
            "DJANGO_SETTINGS_MODULE": "benchmarks.peer.settings",
        }
