"""The soak's own machinery, in seconds: what it finds in made-up records, and a run of some hundred cycles."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.soak.samples import Sample
from tests.soak.verdict import Record, Round, lines

pytestmark = pytest.mark.walk

ROOT = Path(__file__).parents[2]


def record(
    *, memory: float = 100, descriptors: int = 60, connections: int = 20, index: float = 300, rate: float = 500
) -> Record:
    """100 rounds of 10 jobs; what is given is reached at the end, on a straight line."""
    made = Record(learners=10)
    for number in range(100):
        share = number / 99
        noise = 1 + 0.02 * (-1) ** number
        cycles = (500 + share * (rate - 500)) * noise
        made.rounds.append(Round(10, cycles, 40, 4 * cycles))
        made.samples.append(
            Sample(
                seconds=10.0 * number,
                cycles=10 * number,
                memory={"serve 1": 50.0, "web worker 2": 100 + share * (memory - 100)},
                descriptors=round(60 + share * (descriptors - 60)),
                connections=round(20 + share * (connections - 20)),
                table=1000.0 * (number + 1),
                index=(10 * number + 10) * (300 + share * (index - 300)),
            )
        )
    return made


def broken(made: Record) -> list[str]:
    return [line.what for line in lines(made) if not line.fine]


@pytest.mark.once
def test_what_stays_as_it_is_holds() -> None:
    assert broken(record()) == []


@pytest.mark.once
@pytest.mark.parametrize(
    ("what", "grown"),
    [
        ("memory of the largest process", record(memory=120)),
        ("open file descriptors", record(descriptors=90)),
        ("connections to the database", record(connections=40)),
        ("indexes, for each job", record(index=360)),
    ],
)
def test_what_grows_does_not(what: str, grown: Record) -> None:
    assert broken(grown) == [what]


@pytest.mark.once
def test_what_becomes_slow_does_not_hold_and_noise_does() -> None:
    assert broken(record(rate=400)) == ["cycles", "polls"]
    assert broken(record(rate=480)) == []


@pytest.mark.once
def test_an_error_and_a_worker_that_was_replaced_are_told() -> None:
    made = record()
    made.errors = Counter({"get_submission: 500": 1})
    made.samples[-1].memory["web worker 3"] = made.samples[-1].memory.pop("web worker 2")
    assert broken(made) == ["processes of the service", "errors"]


@pytest.mark.once
def test_a_run_without_two_tenths_proves_nothing() -> None:
    with pytest.raises(ValueError, match="too short"):
        lines(Record(learners=10))


def soak(kind: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "tests.soak", "--database", kind, "--interval", "0.1", *words]


@pytest.mark.databases("postgresql")
def test_some_hundred_cycles(kind: str, tmp_path: Path) -> None:
    page = tmp_path / "soak.md"
    command = soak(kind, "--cycles", "400", "--polls", "800", "--graders", "2", "--report", str(page))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    # So short a run may find that memory grows, or that the machine had other things to do.
    assert done.returncode in (0, 1), done.stderr
    assert " of 400 cycles, " in done.stdout
    text = page.read_text()
    assert f"# Soak\n\n## {kind}\n" in text
    assert "\n400 cycles and 800 polls of an empty queue in 0.0 hours." in text
    assert "| errors | 0 | 0 |  | none | holds |" in text
    assert "the same ones | holds |" in text
    for what in ("the largest process", "serve", "web worker", "deliveries"):
        assert f"| memory of {what}" in text


@pytest.mark.databases("postgresql")
def test_it_stops_when_it_is_told_to(kind: str, tmp_path: Path) -> None:
    # The round under way comes to its end first: a hundredth of these.
    command = soak(kind, "--cycles", "50000", "--polls", "50000", "--graders", "2")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert " of 50,000 cycles" in process.stdout.readline()
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert "too short" in said
