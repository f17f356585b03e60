"""A platform as a process of its own, to be killed: writes down each result that it takes, and fails at some.

python -m tests.e2e.flaky_platform PORT JOURNAL SHARE
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

from tests.platform_stub import Answer, Call, Platform, Reply


class FlakyPlatform:
    """The process, from outside."""

    def __init__(self, port: int, journal: Path, share: float) -> None:
        self.port, self.journal, self.share = port, journal, share
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> FlakyPlatform:
        words = [str(self.port), str(self.journal), str(self.share)]
        self.process = subprocess.Popen([sys.executable, "-m", "tests.e2e.flaky_platform", *words])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                requests.get(f"http://127.0.0.1:{self.port}/up", timeout=2)
            except requests.RequestException:
                time.sleep(0.05)
            else:
                return self
        raise AssertionError("The platform did not start.")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def results(self) -> list[dict[str, Any]]:
        """What it took, in order, each as its path, header and reply; a line that was cut off was not answered."""
        lines = self.journal.read_text().split("\n")[:-1] if self.journal.exists() else []
        return [json.loads(line) for line in lines]


def main(port: int, journal: str, share: float) -> None:
    out = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    chance = random.Random(port)

    def answer(call: Call) -> Answer:
        if call.path == "/up":
            return Reply(404)
        if chance.random() < share:
            return Reply(chance.choice((500, 502, 503)))
        # Written before it is answered: who is not answered may send again, but nothing that was answered is missing.
        row = {"path": call.path, "header": call.header, "reply": call.reply}
        os.write(out, (json.dumps(row) + "\n").encode())
        return 200

    platform = Platform()
    platform.port = port
    platform.answer = answer
    platform.start()
    signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
