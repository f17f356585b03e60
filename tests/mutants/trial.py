"""A mutant at work: a copy of the source with its defect, and its tests run on that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.mutants.mutants import Mutant

REPOSITORY = Path(__file__).parents[2]
# What pytest ends with where tests ran and some failed; anything else is a mutant that does not even start.
FAILED = 1
# Longer than any mutant's tests take where they pass (seconds).
PATIENCE = 600


class Verdict(NamedTuple):
    caught: bool
    seconds: float
    output: str


def applied(mutant: Mutant, source: Path) -> None:
    """Write the defect into the folder `source`. Raises ValueError where its lines are not there exactly once."""
    for edit in mutant.edits:
        path = source / edit.file
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise ValueError(f"{mutant.name}: {edit.file} has {edit.old!r} {text.count(edit.old)} times")
        path.write_text(text.replace(edit.old, edit.new))


def try_out(mutant: Mutant) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        source = Path(folder) / "src"
        # With its compiled files, which know when their sources were changed.
        shutil.copytree(REPOSITORY / "src", source)
        applied(mutant, source)
        return run(mutant.tests, mutant.database, source)


def run(tests: tuple[str, ...], database: str, source: Path = REPOSITORY / "src") -> Verdict:
    """These tests up to the first that fails, with the packages of the folder `source`."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(source), "TEST_DATABASE": database}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.returncode not in (0, FAILED):
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return Verdict(done.returncode == FAILED, time.monotonic() - began, done.stdout)
