"""A real `gradequeue serve` on a real database, and its commands, as an operator runs them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

from tests.commands import LONGEST, Commands

GRADEQUEUE = str(Path(sys.executable).parent / "gradequeue")


class Server:
    """Start it, stop it, ask it. Its data folder, database and environment are its own."""

    def __init__(self, database_url: str, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "serve.log"
        self.env = os.environ | {
            "DATABASE_URL": database_url,
            "GRADEQUEUE_DATA": str(folder / "data"),
            "GRADEQUEUE_LOG_LEVEL": "INFO",
            # All tests come from one address.
            "GRADEQUEUE_LOGIN_FREE_FAILURES": "100000",
            # The platforms that are told of results are here, too.
            "GRADEQUEUE_OUTBOUND_NETWORKS": "127.0.0.0/8",
            **environment,
        }
        self.env.pop("DJANGO_SETTINGS_MODULE", None)
        # Where bytecode is not kept, each command compiles all of Django again.
        self.env.pop("PYTHONDONTWRITEBYTECODE", None)
        self.program = [GRADEQUEUE]
        """The command, or another version's."""
        self.process: subprocess.Popen[bytes] | None = None
        self._commands: Commands | None = None
        # The most open files of each of its processes; None: as many as the tests may have.
        self.most_files: int | None = None

    def start(self, *words: str, workers: int = 2) -> Server:
        limited = [] if self.most_files is None else ["prlimit", f"--nofile={self.most_files}"]
        usual = ["--migrate", "--port", str(self.port), "--workers", str(workers)]
        command = [*limited, *self.program, "serve", *usual, *words]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        # A new environment has no bytecode yet, and a machine may be busy.
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if requests.get(f"{self.url}/livez", timeout=1).ok:
                    return self
            except requests.RequestException:
                time.sleep(0.1)
        raise AssertionError(f"The server did not answer:\n{self.log.read_text()}")

    def stop(self) -> int:
        """SIGTERM, and the exit code that follows."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=40)

    def run(self, *words: str, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command of the command line, with `given` on its standard input."""
        done = self._done(list(words), given)
        assert not check or done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def _done(self, words: list[str], given: str) -> subprocess.CompletedProcess[str]:
        commands = self._loaded() if self.program == [GRADEQUEUE] else None
        if commands and commands.ready:
            return commands.run(words, given)
        command = [*self.program, *words]
        return subprocess.run(
            command, env=self.env, input=given, capture_output=True, text=True, timeout=LONGEST, check=False
        )

    def _loaded(self) -> Commands:
        """Commands in the environment of now."""
        if self._commands is None or self._commands.environment != self.env:
            self._commands = Commands(self.env)
        return self._commands

    def rows(self, *words: str, given: str = "", check: bool = True) -> list[dict[str, Any]]:
        """The JSON objects that a command prints, one per line."""
        return [json.loads(line) for line in self.run(*words, given=given, check=check).stdout.splitlines()]

    def enqueue(self, *submissions: dict[str, Any]) -> list[int]:
        """The ids of new submissions; fields that are not given are made up."""
        usual = {"course_id": "course", "item_id": "item", "student_id": "student", "answer": "print(1)"}
        lines = "\n".join(json.dumps(usual | submission) for submission in submissions)
        return [row["submission_id"] for row in self.rows("enqueue", given=lines)]

    def show(self, *ids: int) -> list[dict[str, Any]]:
        return self.rows("show", "--json", *map(str, ids))

    def grader(self, name: str, *queues: str) -> str:
        """The password of a new grader's account."""
        grants = [word for queue in queues for word in ("--queue", queue)]
        return str(self.rows("grader", "create", name, "--json", *grants)[0]["password"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
