"""Without a sandbox: one folder of the platform's on this machine, laid out anew for each job."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from conftest import PYTHON
from gradequeue_grader.execution import run
from gradequeue_grader.sandbox import Bare, remove_leftovers, stage
from gradequeue_grader.tasks import Limits, Outcome, Task


def attempt(root: Path, program: str, **inputs: bytes) -> Outcome:
    with stage() as folder:
        named = {name.replace("__", "/"): contents for name, contents in inputs.items()}
        task = Task((PYTHON, "-c", program), root=str(root), folder=str(root), inputs=named, answer="results.json")
        return run(task, Bare(), Limits(), folder, threading.Event())


def test_the_next_start_removes_what_a_killed_worker_left_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    hold = "from gradequeue_grader.sandbox import stage\nwith stage() as folder: print(folder, flush=True); input()"
    run_one = [sys.executable, "-c", hold]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": {"TMPDIR": str(tmp_path)}}
    killed, living, young = (subprocess.Popen(run_one, **pipes) for _ in range(3))  # type: ignore[call-overload]
    left, held, fresh = (Path(process.stdout.readline().strip()) for process in (killed, living, young))
    for process in (killed, young):
        process.kill()
        process.communicate(timeout=60)
    others = tmp_path / "gradequeue-grader.txt"
    others.write_text("somebody's own")
    for place in (left, held, others):
        os.utime(place, (1, 1))
    remove_leftovers()
    assert sorted(tmp_path.iterdir()) == sorted([held, fresh, others])
    living.communicate("\n", timeout=60)
    assert sorted(tmp_path.iterdir()) == sorted([fresh, others])


def test_nothing_of_the_last_job_is_left(folder: Path) -> None:
    root = folder / "grade"
    writes = "import shutil; shutil.copy('student/a.py', 'results.json')"
    first = attempt(root, writes, student__a=b"", **{"student__a.py": b"first"})
    assert (first.status, first.answer) == (0, b"first")
    silent = attempt(root, "print(1)", **{"student__b.py": b"second"})
    assert (silent.status, silent.answer) == (0, None)
    assert [path.name for path in (root / "student").iterdir()] == ["b.py"]


def test_a_folder_in_the_place_of_its_result_stops_no_other_job(folder: Path) -> None:
    root = folder / "grade"
    made = attempt(root, "import os; os.makedirs('results.json/deep')")
    assert (made.status, made.answer) == (0, None)
    after = attempt(root, "open('results.json', 'w').write('here')")
    assert (after.status, after.answer) == (0, b"here")


def test_a_link_that_a_job_left_is_not_followed(folder: Path) -> None:
    root, mine = folder / "grade", folder / "mine.txt"
    mine.write_text("mine")
    attempt(root, f"import os, shutil; shutil.rmtree('student'); os.symlink({str(mine)!r}, 'student')", student__a=b"x")
    attempt(
        root, f"import os, shutil; shutil.rmtree('student'); os.symlink({str(folder)!r}, 'student')", student__a=b"x"
    )
    attempt(root, "print(1)", student__a=b"next")
    assert mine.read_text() == "mine"
    assert (root / "student" / "a").read_bytes() == b"next"
    assert sorted(path.name for path in folder.iterdir()) == ["grade", "mine.txt"]


def test_a_limit_of_the_machine_that_is_lower_stays(folder: Path) -> None:
    script = 'ulimit -f 100; exec "$@"'
    program = "import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE)[0])"
    with stage() as place:
        task = Task((PYTHON, "-c", program), root=str(place / "in"), folder=str(folder))
        launch = Bare().launch(task, Limits(), place, 0)
        launch.words[:0] = ["/bin/sh", "-c", script, "sh"]
        done = subprocess.run(launch.words, capture_output=True, text=True, check=False, **launch.options)
    assert (done.stdout, done.returncode) == ("51200\n", 0), done.stderr
