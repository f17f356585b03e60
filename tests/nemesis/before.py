"""Another version of the service, from a working tree or a commit, to stand beside this one during an upgrade."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def working_tree(before: str) -> Iterator[Path]:
    """`before`: a folder, or a commit of this repository, which is checked out for as long as it is needed."""
    if Path(before).is_dir():
        yield Path(before).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="nemesis-before-") as folder:
        place = Path(folder) / "tree"
        _git("worktree", "add", "--detach", str(place), before)
        try:
            yield place
        finally:
            _git("worktree", "remove", "--force", str(place))


def program(tree: Path) -> list[str]:
    """Its `gradequeue`: in its own environment where it has one, else in this one."""
    own = tree / ".venv" / "bin" / "python"
    return [str(own if own.exists() else sys.executable), "-m", "gradequeue"]


def environment(tree: Path | None = None) -> dict[str, str]:
    """With a run's own settings, which stand on those of the service that is found first."""
    found = [str(tree / "src")] if tree else []
    return {
        "DJANGO_SETTINGS_MODULE": "tests.nemesis.settings",
        "PYTHONPATH": ":".join([*found, str(REPOSITORY)]),
    }


def _git(*words: str) -> None:
    subprocess.run(["git", "-C", str(REPOSITORY), *words], check=True, capture_output=True)
