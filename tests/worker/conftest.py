"""Workers of a real server: `gradequeue-grader run`, with a token, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandboxes import why_none
from tests.server import Server

ROOT = Path(__file__).parents[2]
GRADERS = Path(__file__).parent / "graders"
# What a sandbox sees, whoever runs the tests.
PYTHON = "/usr/bin/python3"


class Workers:
    """Started, watched and ended together."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.running: list[subprocess.Popen[bytes]] = []

    def token(self, queue: str) -> str:
        """A file that holds the token of a new grader for this queue."""
        self.server.grader(queue, queue)
        (made,) = self.server.rows("token", "create", queue, "--scope", "claim", "--queue", queue, "--json")
        (self.folder / f"{queue}.token").write_text(made["token"])
        return f"{queue}.token"

    def words(self, queue: str, *options: str) -> list[str]:
        url = ["--url", self.server.url, "--token-file", f"{queue}.token", "--queue", queue]
        return [sys.executable, "-m", "gradequeue_grader", "run", *url, "--json", *options]

    def run(self, queue: str, *options: str) -> list[dict[str, Any]]:
        """One worker until nothing waits; its events."""
        words = self.words(queue, "--once", *options)
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def start(self, queue: str, *options: str) -> subprocess.Popen[bytes]:
        """One that goes on; what it says goes to a file."""
        with (self.folder / "workers.log").open("ab") as log:
            process = subprocess.Popen(self.words(queue, *options), cwd=self.folder, stdout=log, stderr=log)
        self.running.append(process)
        return process

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def bench() -> Iterator[Path]:
    """A folder with all graders. Root's sandboxes may read it, too: pytest's own folders are for their owner alone."""
    with tempfile.TemporaryDirectory(prefix="gradequeue-worker-") as made:
        place = Path(made)
        place.chmod(0o755)
        shutil.copytree(GRADERS, place, dirs_exist_ok=True)
        for folder in (place, *(place / kind for kind in ("gradescope", "prairielearn", "watcher"))):
            shutil.copy(ROOT / "examples" / "grader.py", folder)
        for name in ("json_grader.py", "c_grader.py", "curl-grader.sh"):
            shutil.copy(ROOT / "examples" / name, place)
        yield place


@pytest.fixture
def workers(server: Server, bench: Path) -> Iterator[Workers]:
    several = Workers(server, bench)
    yield several
    several.end()


def sandbox_options() -> tuple[str, ...]:
    """How the tests run graders: in a sandbox where there is one."""
    return ("--sandbox", "none") if why_none() else ()


@pytest.fixture(scope="session")
def student_programs() -> Path | None:
    """A course of real programs, where there is one: STUDENT_PROGRAMS, or beside the checkout."""
    usual = ROOT.parent / "shared" / "data" / "student-programs" / "data.zip"
    path = Path(os.environ.get("STUDENT_PROGRAMS", usual))
    return path if path.exists() else None
