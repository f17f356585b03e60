"""The same calls to edx-submissions 4.0.2 and to ours, side by side: the same results, errors, signals."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compat import environment

pytestmark = pytest.mark.once

SCRIPT = ("-m", "tests.compat.old.both")

# Where ours gives something else on purpose, and why.
DIFFERENT = {
    "create an empty item": "an item that is not named completely could be anybody's; theirs errs only by chance",
    "get those of nobody": "the same: theirs finds whatever item the learner has",
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("theirs")
    printed = environment.run(*SCRIPT, database_url=f"sqlite:///{folder / 'theirs.sqlite3'}", media=folder)
    found: dict[str, Any] = json.loads(printed)
    return found


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("ours")
    done = environment.attempt(
        *SCRIPT, database_url=f"sqlite:///{folder / 'ours.sqlite3'}", media=folder, python=Path(sys.executable)
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_both_were_asked(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert list(ours) == list(theirs)
    assert theirs["get malformed"] == ["submissions.errors.SubmissionInternalError"]
    assert theirs["top 1"] == [{"score": 7, "content": {"text": "Bob's"}}]
    assert len(theirs) > 100


def test_they_give_the_same(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    differing = {name: (theirs[name], ours[name]) for name in theirs if ours[name] != theirs[name]}
    assert {name: both for name, both in differing.items() if name not in DIFFERENT} == {}
    assert sorted(differing) == sorted(DIFFERENT)
