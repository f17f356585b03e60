"""`make test` names failures as they come."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[1]
CONFTEST = "from tests import failures\ndef pytest_configure(config): failures.name_them(config)\n"
SUITE = """
import time
from pathlib import Path
import pytest

def test_a():
    assert 1 == 2, "one is not two"

@pytest.fixture
def broken():
    raise LookupError("nothing there")

def test_b(broken): ...

@pytest.mark.parametrize("number", range(6))
def test_others(number): ...

def test_c():
    for _ in range(600):
        if Path("seen").exists(): return
        time.sleep(0.1)
    raise AssertionError("not seen")
"""


def test_a_failure_is_named_while_others_still_run(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SUITE)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "--dist",
        "worksteal",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:django",
    ]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        named: list[str] = []
        for line in run.stdout:
            named += [line.strip()] if line.startswith("FAILED") else []
            if len(named) == 2:
                (tmp_path / "seen").touch()
                break
        rest = run.stdout.read()
    assert sorted(named) == [
        "FAILED test_some.py::test_a - AssertionError: one is not two",
        "FAILED test_some.py::test_b - LookupError: nothing there",
    ]
    assert "7 passed" in rest
