"""Who is measured: our service, our app in a platform's host project, and edx-submissions in that host, each started
and ended as an operator would."""

from __future__ import annotations

import json
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
from functools import partial
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


SUBMITTER = "platform"
SUBMITTER_ACCOUNT = """
from django.contrib.auth.models import Group, User
group, _ = Group.objects.get_or_create(name="xqueue-submitters")
User.objects.create_user({name!r}, password={password!r}).groups.add(group)
"""
CALLBACK_HOST = "platform.invalid"
"""Where the results of what is submitted over HTTP would go; nothing is graded there, so nobody is called."""


@dataclass(frozen=True)
class Side:
    """One contestant. `name` is what the command line calls it."""

    name: str
    title: str
    checkout: Path | None = None
    """The working tree of our app; None for edx-submissions."""
    host: str = "platform"
    """The project around the app: our own "service", or the "platform" of `benchmarks.peer`."""
    server: str = "granian"
    event: bool = False
    """Whether a job's result goes out as Open edX's event, as edx-submissions sends it."""

    @property
    def ours(self) -> bool:
        return self.checkout is not None

    @property
    def bin(self) -> Path:
        """The folder of the programs of the environment that it runs in."""
        if self.checkout is None:
            return environment.peer_bin()
        if self.host == "platform":
            return environment.host_bin(self.checkout)
        return Path(sys.executable).parent if self.checkout == environment.ROOT else self.checkout / ".venv" / "bin"


_service = partial(Side, host="service", server="granian")
_embedded = partial(Side, checkout=environment.ROOT, server="gunicorn")
SIDES = {
    side.name: side
    for side in (
        _service("ours", "gradequeue, granian", environment.ROOT),
        _embedded("embedded", "gradequeue embedded, gunicorn", event=True),
        Side("gunicorn", "edx-submissions 4.0.2, gunicorn", server="gunicorn"),
        Side("granian", "edx-submissions 4.0.2, granian"),
        _embedded("embedded-quiet", "gradequeue embedded, gunicorn, no event"),
    )
}
USUAL = ("ours", "embedded", "gunicorn", "granian")


def before(checkout: Path) -> Side:
    """The service in another working tree with a .venv of its own: what it was before a change."""
    checkout = checkout.resolve()
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return _service("before", f"gradequeue {commit}, granian", checkout)


class Instance:
    """One side at work on one database, in a folder of its own."""

    def __init__(self, side: Side, kind: str, url: str = "") -> None:
        self.side, self.kind, self.url = side, kind, url
        self.folder = Path(tempfile.mkdtemp(prefix="gradequeue-bench-"))
        self.log = self.folder / "server.log"
        self.port = free_port()
        self.bin = side.bin
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self, queues: list[str], graders: list[str]) -> None:
        """Tables, the queues, and accounts of graders and a platform."""
        if self.kind == "mariadb" and not self.side.ours:
            # This migration fails on an empty MariaDB: it changes columns that two of its tables never had.
            self._manage("migrate", "--verbosity", "0", "submissions", "0001_squashed_0005_CreateTeamModel")
            self._manage("migrate", "--verbosity", "0", "--fake", "submissions", "0006_mariadb_uuid_conversion")
        self._manage("migrate", "--verbosity", "0")
        code = ACCOUNTS.format(names=graders, password=PASSWORD)
        if self.side.ours:
            code += "".join(OUR_QUEUE.format(queue=queue) for queue in queues)
            code += SUBMITTER_ACCOUNT.format(name=SUBMITTER, password=PASSWORD)
        self._manage("shell", "--command", code)

    def make_tokens(self, queue: str, accounts: dict[str, str]) -> list[str]:
        """Tokens of ours. `accounts`: the scope of each account."""
        made = [
            self._manage("token", "create", account, "--scope", scope, "--queue", queue, "--json")
            for account, scope in accounts.items()
        ]
        return [json.loads(line)["token"] for line in made]

    def start(self, *, workers: int, url: str = "", more: tuple[str, ...] = ()) -> None:
        """Serve, and wait until the first answer. `url`: another way to the database. `more`: options of `serve`."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._command(workers), *more],
                env=self.environment(url),
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
        if self.side.host == "service":
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

    def _manage(self, *words: str) -> str:
        done = subprocess.run(
            [str(self.bin / "python"), "-m", "django", *words],
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{words[0]} of {self.side.title} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done.stdout

    def environment(self, url: str = "") -> dict[str, str]:
        """The variables of every process of this side. `url`: another way to the same database."""
        variables = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        # Of the repository that measures, the process sees this package alone: never another working tree's app.
        linked = self.folder / "path"
        if not linked.exists():
            linked.mkdir()
            (linked / "benchmarks").symlink_to(environment.ROOT / "benchmarks")
        variables |= {"PYTHONPATH": str(linked), "PYTHONSAFEPATH": "1", "DATABASE_URL": url or self.url}
        if self.side.host == "platform":
            transports = "auto" if self.side.event else ""
            return variables | {"DJANGO_SETTINGS_MODULE": "benchmarks.peer.settings", "TRANSPORTS": transports}
        return variables | {
            "DJANGO_SETTINGS_MODULE": "gradequeue.settings",
            "GRADEQUEUE_DATA": str(self.folder / "data"),
            # Claims alone must not come back within a long turn.
            "GRADEQUEUE_LEASE_SECONDS": "86400",
            "GRADEQUEUE_CALLBACK_HOSTS": CALLBACK_HOST,
            "GRADEQUEUE_METRICS_NETWORKS": "127.0.0.1",
        }
