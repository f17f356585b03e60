"""The server and the graders of the demonstration: real processes, started, watched and ended together."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NoReturn

from django.conf import settings

import gradequeue
from gradequeue.processes.readiness import near

START_SECONDS = 60
# A grader finishes the job in hand, the server its requests.
END_SECONDS = 10
WORKER = "gradequeue_grader"


class DidNotStart(RuntimeError):
    """A process did not start."""


class Died(RuntimeError):
    """A process ended that should go on."""


@dataclass(frozen=True)
class Account:
    """With what a grader logs in, and where it pulls."""

    name: str
    password: str
    queue: str
    token: str
    """For REST."""
    servers: Mapping[str, object]
    """The same as a watcher's ``xqueue_servers.json``."""


class Processes:
    """All of them end with this context, whatever happened. What they write goes to files in `logs`."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        # The graders first: their last results need the server.
        groups = [[name for name in self.running if name != "server"], ["server"]]
        try:
            for names in groups:
                self._end([self.running[name] for name in names if name in self.running])
        finally:
            # Reached at once by whoever asks a second time.
            for process in self.running.values():
                _signal(process, signal.SIGKILL)
                process.wait()

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        # A session of its own: Ctrl-C is for us, and we end the others in order.
        with self._log(name).open("wb") as log:
            self.running[name] = subprocess.Popen(  # noqa: S603 - our own words
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def run_ours(self, name: str, words: list[str], **environment: str) -> None:
        """Start a module of ours, which gets nothing of this process but what is given here."""
        self.start(name, [sys.executable, "-P", "-m", *words], _environment() | environment)

    def check(self, *names: str) -> None:
        """Raises Died where a process is over: one of `names`, or any."""
        for name, process in self.running.items():
            if name in (names or self.running) and process.poll() is not None:
                raise Died(f"The {name} ended (exit status {process.returncode}). {self._last_words(name)}")

    def watch(self) -> NoReturn:
        """Until one of them is over: raises Died."""
        while True:
            self.check()
            time.sleep(1)

    def serve(self, host: str, port: int, **settings_too: str) -> str:
        """Start the server, wait until it answers, return its address. Raises DidNotStart."""
        url = address(host, port)
        hosts = {*settings.ALLOWED_HOSTS, "127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host}
        environment = os.environ | {"GRADEQUEUE_ALLOWED_HOSTS": ",".join(sorted(hosts)), **settings_too}
        command = [sys.executable, "-m", "gradequeue", "serve", "--host", host, "--port", str(port)]
        self.start("server", command, environment)
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            if self.running["server"].poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(f"The server did not start. {self._last_words('server')}")
            time.sleep(0.1)
        return url

    def grade(self, url: str, account: Account, number: int) -> None:
        """Start a grader. It gets what any grader gets, an address, a name and a password, and nothing of ours."""
        command = [sys.executable, "-P", str(example("grader.py")), "--url", url, "--name", account.name]
        self.start(
            f"grader {number}",
            [*command, "--queue", account.queue],
            _environment() | {"GRADER_PASSWORD": account.password},
        )

    def work(self, url: str, account: Account) -> None:
        """Start a worker, which speaks REST and runs the same grader. The programs are this machine's own course."""
        command = [sys.executable, "-P", "-m", WORKER, "run", "--url", url, "--queue", account.queue]
        options = ["--sandbox", "none", "--time-limit", "240", "--wait", "1"]
        grader = [sys.executable, str(example("json_grader.py"))]
        # Its account ends with the run, and the token with it.
        token = self.logs / "demo-worker.token"
        token.touch(0o600)
        token.write_text(account.token)
        self.start("worker", [*command, "--token-file", str(token), *options, "--", *grader], _environment())

    def _end(self, processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + END_SECONDS
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0))

    def _log(self, name: str) -> Path:
        return self.logs / f"demo-{name.replace(' ', '-')}.log"

    def _last_words(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'It said nothing.'} ({self._log(name)})"


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("LANG", "PATH", "TMPDIR") if name in os.environ}


def has_worker() -> bool:
    """It is a distribution of its own, and need not be there."""
    return importlib.util.find_spec(WORKER) is not None


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)


def require_free(host: str, port: int) -> None:
    """Raises DidNotStart where nothing can listen there. (A server may share a port with another without a word.)"""
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DidNotStart(f"Port {port} of {host} cannot be had: {reason}. Choose another with --port.") from error


def address(host: str, port: int) -> str:
    """Where a client on this machine reaches a server that listens on `host`."""
    there = near(host)
    return f"http://[{there}]:{port}" if ":" in there else f"http://{there}:{port}"


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/xqueue/status/", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def example(name: str) -> Path:
    """A file of ``examples/``: a wheel brings a copy along, a checkout has the file itself."""
    packaged = Path(str(resources.files("gradequeue.demo") / name))
    return packaged if packaged.exists() else Path(gradequeue.__file__).parents[2] / "examples" / name
