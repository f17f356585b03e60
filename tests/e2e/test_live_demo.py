"""`gradequeue demo --live`: data at once, graders that go on, one that is killed in front of people."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gradequeue.demo.live.platform import Platform
from tests.server import GRADEQUEUE, free_port

pytestmark = [pytest.mark.walk, pytest.mark.once]

LIMIT = 240


class Live:
    def __init__(self, folder: Path) -> None:
        self.env = os.environ | {"GRADEQUEUE_DATA": str(folder), "DATABASE_URL": f"sqlite:///{folder / 'live.sqlite3'}"}
        self.env.pop("DJANGO_SETTINGS_MODULE", None)
        self.said = folder / "said"
        words = [GRADEQUEUE, "demo", "--live", "--queues", "4", "--port", str(free_port())]
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(words, env=self.env, stdout=said, stderr=said)

    def wait_for(self, pattern: str) -> re.Match[str]:
        return until(lambda: re.search(pattern, self.said.read_text()), self.said)

    def graded(self) -> int:
        words = [GRADEQUEUE, "jobs", "--state", "graded", "--since", "10min", "--all", "--json"]
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, check=True)
        return len(done.stdout.splitlines())

    def due(self) -> list[dict[str, object]]:
        words = [GRADEQUEUE, "deliveries", "list", "--state", "due", "--json"]
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]


def until(look: Callable[[], re.Match[str] | None], said: Path) -> re.Match[str]:
    deadline = time.monotonic() + LIMIT
    while (found := look()) is None:
        assert time.monotonic() < deadline, said.read_text()
        time.sleep(0.5)
    return found


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    running = Live(tmp_path)
    yield running
    if running.process.poll() is None:
        children = psutil.Process(running.process.pid).children(recursive=True)
        for process in [*children, running.process]:
            process.kill()
        running.process.wait()


def test_it_lives_and_a_grader_can_be_killed(live: Live) -> None:
    pid = int(live.wait_for(r"kill -9 (\d+)")[1])
    assert "name demo-staff, password " in live.said.read_text()
    before = live.graded()
    deadline = time.monotonic() + LIMIT
    while live.graded() <= before:
        assert time.monotonic() < deadline
    # Nobody is told of what was made up: what is due is for the platform on this machine.
    assert {row["host"] for row in live.due()} <= {"127.0.0.1"}
    os.kill(pid, signal.SIGKILL)
    assert live.wait_for(r"py-01 is dead: (\S+) turns red soon, and heals in 180 s\.")[1] == "cs101-python"
    children = psutil.Process(live.process.pid).children(recursive=True)
    live.process.terminate()
    assert live.process.wait(60) == 0
    assert psutil.wait_procs(children, timeout=20)[1] == []


def test_the_platform_of_the_demonstration_can_be_down() -> None:
    platform = Platform()
    try:
        assert (told(platform), platform.told) == (200, 1)
        platform.is_down = True
        assert (told(platform), platform.told) == (503, 1)
    finally:
        platform.close()


def told(platform: Platform) -> int:
    try:
        with urllib.request.urlopen(platform.url, b"{}", timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
