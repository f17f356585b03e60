"""`ops/backup`: each night a backup of its own, the newest stay, and one that failed costs no older one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import Server
from tests.walkthrough import ROOT

pytestmark = pytest.mark.walk

SCRIPT = ROOT / "ops" / "backup" / "gradequeue-backup"


@pytest.fixture
def server(fresh_database: str, tmp_path: Path) -> Server:
    made = Server(fresh_database, tmp_path)
    made.run("migrate", "-v", "0")
    made.enqueue({"queue_name": "q", "files": {"a.txt": "hello"}})
    return made


def back_up(server: Server, folder: Path, keep: str) -> subprocess.CompletedProcess[str]:
    environment = server.env | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        [SCRIPT, folder, keep], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_newest_backups_stay(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    for name in ("2026-01-01T000000Z", "2026-01-02T000000Z", "unfinished", "mine"):
        (folder / name).mkdir(parents=True)
    done = back_up(server, folder, "2")
    assert done.returncode == 0, done.stderr
    (made,) = {path.name for path in folder.iterdir()} - {"2026-01-02T000000Z", "mine"}
    assert done.stdout == f"{folder / made}\n"
    assert b"hello" in [path.read_bytes() for path in (folder / made / "files").rglob("*") if path.is_file()]
    assert oct((folder / made).stat().st_mode & 0o777) == "0o700"


def test_one_that_failed_costs_no_older_one(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    (folder / "2026-01-01T000000Z").mkdir(parents=True)
    server.env["DATABASE_URL"] = f"sqlite:///{tmp_path}/nowhere/gone.sqlite3"
    done = back_up(server, folder, "1")
    assert done.returncode == 1
    assert "gradequeue-backup: not finished; older backups stay" in done.stderr
    # Nor does it fill the disk with what is of no use.
    assert [path.name for path in folder.iterdir()] == ["2026-01-01T000000Z"]


def test_one_without_a_file_is_kept_and_costs_no_whole_one(server: Server, tmp_path: Path) -> None:
    """Else a file that is gone for good would end all backups: each night's would take the place of the last one's."""
    folder = tmp_path / "backups"
    for name in ("2026-01-01T000000Z", "2026-01-02T000000Z-incomplete"):
        (folder / name).mkdir(parents=True)
    (lost,) = [path for path in Path(server.env["GRADEQUEUE_DATA"], "files").rglob("*") if path.is_file()]
    lost.unlink()
    done = back_up(server, folder, "1")
    assert done.returncode == 1
    assert "'a.txt'" in done.stderr
    assert "gradequeue-backup: without the files named above; older backups that are whole stay" in done.stderr
    (made,) = {path.name for path in folder.iterdir()} - {"2026-01-01T000000Z"}
    assert made.endswith("Z-incomplete")
    assert made != "2026-01-02T000000Z-incomplete"
    assert (folder / made / "backup.json").is_file()


@pytest.mark.once
@pytest.mark.parametrize("words", [[], ["folder"], ["folder", "0"], ["folder", "many"]])
def test_wrong_words_are_refused(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run([SCRIPT, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "usage: gradequeue-backup FOLDER KEEP")
    assert list(tmp_path.iterdir()) == []
