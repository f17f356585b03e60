"""`audit` holds a batch of rows, however many there are.

What a database's driver holds of a result is not Python's, so it is the process's own peak that is looked at.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import seed
from benchmarks.databases import Database
from submissions.upkeep import numbers
from tests.server import Server

FEW, MANY = 1_000, 10_000
# 9,000 rows more, each with a reply of 4 KB and a file: held at once, they would be 36 and more (MiB).
MOST_MORE = 10.0
REPLY = json.dumps({"score": 0.7, "msg": "x" * 4_000})
CODE = """
import resource
from django.core.management import call_command
try:
    call_command("audit")
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(server: Server, jobs: int) -> float:
    """Of a process that recounts so many graded jobs, each with a file (MiB)."""
    done = subprocess.run(
        [sys.executable, "-m", "gradequeue", "shell", "-v", "0", "-c", CODE],
        env=server.env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    assert f"{jobs:,} jobs: {jobs:,} retired. 0 problems." in done.stdout.replace(f"{jobs} ", f"{jobs:,} ")
    found = re.search(r"^peak (\d+)$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return int(found[1]) / 1024


def fill(database: Database, folder: Path, jobs: int) -> None:
    seed.fill(database, waiting=0, finished=jobs, ours=True)
    database.run(f"UPDATE {seed.JOBS} SET grader_reply = '{REPLY}'")
    for number in range(1, jobs + 1):
        (folder / f"file-{number}").write_bytes(b"x")


def test_its_memory_does_not_grow_with_the_rows(
    fresh_database: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "FILES_EVERY", 1)
    server = Server(fresh_database, tmp_path)
    server.run("migrate", "--verbosity", "0")
    folder = tmp_path / "data" / "files" / seed.QUEUE
    folder.mkdir(parents=True)
    database = Database(kind, fresh_database)
    try:
        fill(database, folder, FEW)
        few = peak(server, FEW)
        fill(database, folder, MANY)
        many = peak(server, MANY)
    finally:
        database.close()
    assert many - few < MOST_MORE


@pytest.mark.django_db
def test_long_replies_are_read_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.make import make

    monkeypatch.setattr(numbers, "LARGEST", 100)
    monkeypatch.setattr(numbers, "BATCH", 3)
    lengths = [10, 10, 10, 10, 60, 60, 500, 10, 10]
    jobs = [make(student=f"s{number}") for number in range(len(lengths))]
    for job, length in zip(jobs, lengths, strict=True):
        type(job).objects.filter(pk=job.pk).update(grader_reply="x" * length)
    first = jobs[0].pk
    spans = [(begin - first, end - first) for begin, end in numbers._spans(type(jobs[0]).objects.all())]
    assert spans == [(0, 2), (3, 4), (5, 5), (6, 6), (7, 8)]
