"""The README says what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gradequeue_grader import formats
from gradequeue_grader.events import SENTENCES
from gradequeue_grader.protocols import PROTOCOLS
from gradequeue_grader.tasks import NOT_STARTED, TRY_AGAIN, UNGRADABLE

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.mark.parametrize("command", ["run", "try", "convert"])
def test_every_option_is_in_it(command: str) -> None:
    words = [sys.executable, "-m", "gradequeue_grader", command, "--help"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"--[a-z-]+[a-z]", told)) - {"--help"}
    assert {option for option in options if option not in README} == set()


def test_every_event_protocol_and_format_is_in_it() -> None:
    for name in (*SENTENCES, *PROTOCOLS, *formats.FORMATS, "tap"):
        assert f"`{name}`" in README, name


def test_each_protocol_and_each_format_has_its_line() -> None:
    assert names_below("## Protocols") == list(PROTOCOLS)
    assert sorted(names_below("## Formats")) == sorted([*formats.FORMATS, "tap"])


def test_each_limit_has_its_default() -> None:
    table = README.split("## The sandbox", 1)[1].split("\n## ", 1)[0]
    shown = re.findall(r"^\| `(--[a-z-]+)` \| .* \| (.*) \|$", table, re.MULTILINE)
    words = [sys.executable, "-m", "gradequeue_grader", "run", "--help"]
    told = " ".join(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    assert len(shown) == 5
    for option, default in shown:
        assert re.search(rf"{option} [A-Z]+ [^()]*\(?default: {default}\b", told), option


def test_each_exit_status_has_its_line() -> None:
    cells = re.findall(r"^\| ([0-9, ]+)", README.split("## How the command ends", 1)[1], re.MULTILINE)
    assert [int(number) for cell in cells for number in re.findall(r"\d+", cell)] == [
        0, UNGRADABLE, TRY_AGAIN, *NOT_STARTED,
    ]  # fmt: skip


def names_below(heading: str) -> list[str]:
    """What each line of the first table below it begins with."""
    table = README.split(heading, 1)[1].split("| ---", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `(\w+)`", table, re.MULTILINE)


def test_every_loss_is_in_it() -> None:
    for name, loss in formats.LOSSES.items():
        (row,) = (line for line in README.splitlines() if line.startswith(f"| `{name}` (a "))
        assert loss in row


def test_its_first_grader_works() -> None:
    program = re.search(r"```python[^\n]*\n(import json, sys\n.*?)```", README, re.DOTALL)
    assert program is not None
    done = subprocess.run(
        [sys.executable, "-c", program[1]], input='{"answer": "one two"}', capture_output=True, text=True, check=True
    )
    assert done.stdout == '{"score": 0.2, "feedback": {"text": "2 words."}}\n'
