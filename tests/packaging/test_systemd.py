"""`ops/systemd`: units that systemd understands, that lock in what they start, and do not lock out what it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests
from django.core.management import load_command_class

from tests.server import Server
from tests.walkthrough import ROOT

pytestmark = pytest.mark.once

FOLDER = ROOT / "ops" / "systemd"
BIN = Path(sys.executable).parent
SERVICES = sorted(path.name for path in FOLDER.glob("*.service"))
TIMERS = sorted(path.name for path in FOLDER.glob("*.timer"))
GRADER = "gradequeue-grader@.service"
# The folders of `docs/systemd.md`, and where the same programs are here.
PLACES = {
    "/opt/gradequeue/bin/gradequeue-backup": str(ROOT / "ops" / "backup" / "gradequeue-backup"),
    "/opt/gradequeue/bin": str(BIN),
    "/opt/gradequeue-grader/bin": str(BIN),
}


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)


def values(name: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", (FOLDER / name).read_text(), re.MULTILINE)


def test_these_are_the_units() -> None:
    assert SERVICES == [
        "gradequeue-backup.service",
        "gradequeue-clearsessions.service",
        "gradequeue-deliver.service",
        GRADER,
        "gradequeue-prune.service",
        "gradequeue.service",
    ]
    assert TIMERS == ["gradequeue-backup.timer", "gradequeue-clearsessions.timer", "gradequeue-prune.timer"]


def test_systemd_understands_each_unit(tmp_path: Path) -> None:
    for name in (*SERVICES, *TIMERS):
        text = (FOLDER / name).read_text()
        for there, here in PLACES.items():
            text = text.replace(there, here)
        (tmp_path / name).write_text(text)
    done = analyze("verify", "--man=no", *sorted(tmp_path.iterdir()))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", SERVICES)
def test_little_is_exposed(name: str) -> None:
    """2.9 at the most, by systemd's own count: 10 is everything, 0 nothing."""
    done = analyze("security", "--no-pager", "--offline=true", "--threshold=29", FOLDER / name)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_all_but_the_worker_are_locked_in_alike() -> None:
    blocks = {
        (FOLDER / name).read_text().split("# Nothing but its folder")[1].split("\n[Install]")[0].strip()
        for name in SERVICES
        if name != GRADER
    }
    assert len(blocks) == 1


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in (GRADER, "gradequeue-backup.service")])
def test_what_a_unit_starts_is_a_command(name: str) -> None:
    (line,) = values(name, "ExecStart")
    program, command, *words = line.split()
    assert program == "/opt/gradequeue/bin/gradequeue"
    app = {"serve": "gradequeue", "clearsessions": "django.contrib.sessions"}.get(command, "submissions")
    load_command_class(app, command).create_parser("gradequeue", command).parse_args(words)


@pytest.mark.parametrize("name", TIMERS)
def test_a_timer_has_its_service_and_a_time(name: str) -> None:
    assert name.replace(".timer", ".service") in SERVICES
    (when,) = values(name, "OnCalendar")
    assert analyze("calendar", when).returncode == 0
    assert values(name, "Persistent") == ["yes"]


def test_nothing_is_pruned_during_a_backup() -> None:
    (after,) = values("gradequeue-prune.service", "After")
    assert "gradequeue-backup.service" in after.split()


def test_commands_by_hand_leave_the_folder_closed() -> None:
    """systemd sets the mode of a state folder at each start, to 0755 where it is told nothing."""
    page = (ROOT / "docs" / "systemd.md").read_text()
    (mode,) = values("gradequeue.service", "StateDirectoryMode")
    (by_hand,) = re.findall(r"queue\(\) \{.*?\}", page, re.DOTALL)
    assert f"--property=StateDirectoryMode={mode} " in by_hand
    # Else systemd describes the unit, and so the journal, by the command line: `import-xqueue` has a password there.
    assert '--description="gradequeue $1" ' in by_hand


def test_accounts_and_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for command, file in ((["systemd-sysusers"], "sysusers"), (["systemd-tmpfiles", "--create"], "tmpfiles")):
        text = (FOLDER / f"gradequeue.{file}").read_text()
        subprocess.run([*command, f"--root={tmp_path}", "-"], input=text, text=True, check=True, timeout=60)
    accounts = re.findall(r"^(gradequeue[a-z-]*):x:(\d+)", (tmp_path / "etc" / "passwd").read_text(), re.MULTILINE)
    assert sorted(name for name, _ in accounts) == ["gradequeue", "gradequeue-grader"]
    kept = {place: (tmp_path / place).stat() for place in ("etc/gradequeue", "var/backups/gradequeue", "srv/graders")}
    assert {place: oct(stat.st_mode & 0o777) for place, stat in kept.items()} == {
        "etc/gradequeue": "0o700",
        "var/backups/gradequeue": "0o700",
        "srv/graders": "0o755",
    }
    assert str(kept["var/backups/gradequeue"].st_uid) == dict(accounts)["gradequeue"]


# What the filters let through. ---------------------------------------------------------------------------------------


def allowed(name: str) -> set[str]:
    """The system calls that a unit's filters leave."""
    calls: set[str] = set()
    for line in values(name, "SystemCallFilter"):
        found = {call for word in line.removeprefix("~").split() for call in members(word)}
        calls = calls - found if line.startswith("~") else calls | found
    return calls


def members(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    inside = analyze("syscall-filter", name).stdout.split("\n")[1:]
    words = [line.strip() for line in inside if line.strip() and not line.strip().startswith("#")]
    return {call for word in words for call in members(word)}


def made(trace: Path) -> set[str]:
    """The system calls in a trace of `strace -f`."""
    return set(re.findall(r"^\d+ +([a-z_0-9]+)\(", trace.read_text(errors="replace"), re.MULTILINE))


# The kernel's own refusal of memory that can be written and run, as MemoryDenyWriteExecute= makes it; it stays with
# whatever is started from here.
DENIED = (
    "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0; os.execv(sys.argv[1], sys.argv[1:])"
)


def test_the_service_runs_within_its_filters(tmp_path: Path) -> None:
    server = Server(f"sqlite:///{tmp_path / 'db.sqlite3'}", tmp_path)
    server.run("migrate", "-v", "0")
    words = ["serve", "--port", str(server.port), "--workers", "1", "--threads", "2"]
    trace = tmp_path / "trace"
    with server.log.open("ab") as log:
        process = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", trace, sys.executable, "-c", DENIED, BIN / "gradequeue", *words],
            env=server.env,
            stdout=log,
            stderr=log,
        )
    for _ in range(600):
        assert process.poll() is None, server.log.read_text()
        try:
            if requests.get(f"{server.url}/readyz", timeout=20).ok:
                break
        except requests.RequestException:
            time.sleep(0.2)
    assert requests.get(f"{server.url}/dashboard/login/", timeout=60).status_code == 200
    # The one below strace, which itself waits for the end of what it watches.
    psutil.Process(process.pid).children()[0].terminate()
    assert process.wait(timeout=120) == 0
    assert {"execve", "accept4", "futex"} <= made(trace)
    # SQLite gives its files to their owner only where it runs as root, as it may here.
    assert made(trace) - allowed("gradequeue.service") - {"fchown"} == set()


@pytest.mark.skipif(os.getuid() != 0, reason="NOT RUN: becoming another account needs root")
def test_a_sandboxed_run_stays_within_the_workers_filters(tmp_path: Path) -> None:
    folder = Path(f"/tmp/gradequeue-unit-{os.getpid()}")
    folder.mkdir()
    folder.chmod(0o777)
    try:
        (folder / "grade.py").write_text("import json, sys; json.load(sys.stdin); print(json.dumps({'score': 1}))")
        (folder / "answer.txt").write_text("42")
        nobody = [
            "setpriv",
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set=-all",
        ]
        command = [str(BIN / "gradequeue-grader"), "try", "--submission", "answer.txt", "--", "python3", "grade.py"]
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", folder / "trace", *nobody, *command],
            cwd=folder, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.stdout.startswith("Score: 1 of 1"), done.stderr
        assert "without a sandbox" not in done.stderr
        assert {"unshare", "mount", "pivot_root"} & made(folder / "trace")
        assert made(folder / "trace") - allowed(GRADER) == set()
    finally:
        shutil.rmtree(folder)
