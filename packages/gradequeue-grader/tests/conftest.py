"""A peer for each test, and the command as a person starts it."""

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
from hypothesis import settings

from gradequeue_grader.sandbox import Bubblewrap, NoSandbox, probe
from peer import TOKEN, Peer

# The gate draws the same examples each time, so that a change is judged by what it changed.
settings.register_profile("gate", derandomize=True)
settings.load_profile("gate")

BWRAP = shutil.which("bwrap")
# What the sandboxes of the tests run: the system's, which every user can read.
PYTHON = "/usr/bin/python3"


def why_no_sandbox() -> str:
    """Empty where there are sandboxes."""
    if BWRAP is None:
        return "bubblewrap is not installed"
    try:
        probe(Bubblewrap(BWRAP, (), ()), PYTHON)
    except NoSandbox as error:
        return str(error)
    return ""


WHY = why_no_sandbox()


class Failures:
    """A plugin that names each failure as it comes: otherwise a run of several processes names it at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter is not None:
            crash = getattr(report.longrepr, "reprcrash", None)
            reason = (str(crash.message) if crash else report.longreprtext).strip().partition("\n")[0]
            reporter.write(f"\nFAILED {report.nodeid} - {reason}\n", flush=True, red=True)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(config))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if WHY:
        terminalreporter.write_line(f"!!! NOT RUN: the tests of the sandbox: {WHY}", red=True)


@pytest.fixture
def sandboxed() -> None:
    """This test needs sandboxes."""
    if WHY:
        pytest.skip(f"NOT RUN: {WHY}")


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as running:
        yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that root's sandboxes can read, too: pytest's own are for their owner alone."""
    with tempfile.TemporaryDirectory(prefix="gradequeue-tests-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


class Typed:
    """The command line, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "token").write_text(TOKEN + "\n")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("GRADEQUEUE_")}

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "gradequeue_grader", *words]

    def run(self, *words: str, given: bytes = b"", **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.words(*words),
            cwd=self.folder,
            input=given,
            capture_output=True,
            env=self.environment | variables,
            timeout=100,
            check=False,
        )
        return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            self.words(*words), cwd=self.folder, stdout=pipe, stderr=pipe, env=self.environment, text=True
        )

    def program(self, name: str, text: str) -> str:
        """A Python program in the folder; its path."""
        (self.folder / name).write_text(f"#!{PYTHON}\n{text}")
        (self.folder / name).chmod(0o755)
        return f"./{name}"


@pytest.fixture
def typed(folder: Path) -> Typed:
    return Typed(folder)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
