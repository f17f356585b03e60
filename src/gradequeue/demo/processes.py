"""The server and the graders of the demonstration: real processes, started, watched and ended together."""

from __future__ import annotations

import contextlib
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

START_SECONDS = 60
# A grader finishes the job in hand, the server its requests.
END_SECONDS = 10


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

    def check(self) -> None:
        """Raises Died where a process is over."""
        for name, process in self.running.items():
            if process.poll() is not None:
                raise Died(f"The {name} ended (exit status {process.returncode}). {self._last_words(name)}")

    def watch(self) -> NoReturn:
        """Until one of them is over: raises Died."""
        while True:
            self.check()
            time.sleep(1)

    def serve(self, host: str, port: int) -> str:
        """Start the server, wait until it answers, return its address. Raises DidNotStart."""
        url = address(host, port)
        hosts = {*settings.ALLOWED_HOSTS, "127.0.0.1", "localhost", "[::1]", host}
        environment = os.environ | {"GRADEQUEUE_ALLOWED_HOSTS": ",".join(sorted(hosts))}
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
        environment = {name: os.environ[name] for name in ("LANG", "PATH", "TMPDIR") if name in os.environ}
        command = [sys.executable, "-P", str(grader_file()), "--url", url, "--name", account.name]
        self.start(
            f"grader {number}",
            [*command, "--queue", account.queue],
            environment | {"GRADER_PASSWORD": account.password},
        )

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
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound here
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"


def _answers(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/xqueue/status/", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def grader_file() -> Path:
    """``examples/grader.py``: a wheel brings a copy along, a checkout has the file itself."""
    packaged = Path(str(resources.files("gradequeue.demo") / "grader.py"))
    return packaged if packaged.exists() else Path(gradequeue.__file__).parents[2] / "examples" / "grader.py"
