"""A web node: `gradequeue serve` on a machine of its own, and an operator's commands there."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import Any

import requests

from tests.ha.machines import Machine
from tests.server import GRADEQUEUE

PORT = 8000


class WebHost:
    def __init__(self, machine: Machine, database_url: str, environment: dict[str, str]) -> None:
        self.machine = machine
        self.place = (machine.front, PORT)
        self.log = machine.folder / "gradequeue.log"
        self.environment = os.environ | {
            "DATABASE_URL": database_url,
            "GRADEQUEUE_DATA": str(machine.folder / "data"),
            "GRADEQUEUE_SECRET_KEY": "the same on each web node, as operating.md says",
            "GRADEQUEUE_LOG_LEVEL": "WARNING",
            "GRADEQUEUE_ALLOWED_HOSTS": "*",
            "GRADEQUEUE_OUTBOUND_NETWORKS": "10.78.0.0/24",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        words = ("serve", "--host", "0.0.0.0", "--port", str(PORT), "--workers", "1")
        self.process = self.machine.start(GRADEQUEUE, *words, environment=self.environment)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            try:
                if requests.get(f"http://{self.machine.front}:{PORT}/livez", timeout=1).ok:
                    return
            except requests.RequestException:
                time.sleep(0.2)
        raise AssertionError(f"{self.machine.name} does not serve:\n{self.log.read_text()[-4000:]}")

    @property
    def still_the_same(self) -> bool:
        """Whether the `serve` that was started still runs."""
        return self.process is not None and self.process.poll() is None

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = self.machine.command(GRADEQUEUE, *words)
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=300, check=False)
        assert not check or done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def rows(self, *words: str, check: bool = True) -> list[dict[str, Any]]:
        """The JSON objects that a command prints, one per line."""
        return [json.loads(line) for line in self.run(*words, "--json", check=check).stdout.splitlines()]
