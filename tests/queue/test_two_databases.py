"""Where a router keeps the queue in a database of its own, that one's transactions count."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import django
django.setup()
from django.core.management import call_command
from django.db import transaction
from submissions import queue, signals
from submissions.api import create_external_grader_detail

for alias in ("default", "queue"):
    call_command("migrate", database=alias, verbosity=0)
heard = []
for name in ("job_enqueued", "job_claimed", "job_completed"):
    getattr(signals, name).connect(lambda name=name, **_: heard.append(name), weak=False)
item = {"course_id": "c", "item_id": "i", "item_type": "t", "student_id": "s"}
create_external_grader_detail(item, "answer", queue_name="q", queue_key="k", points_possible=1)
[job] = queue.claim("q", grader="g")
try:
    with transaction.atomic(using="queue"):
        queue.complete(job.submission_id, job.pullkey, score=1, reply="{}")
        print(*heard)
        raise ValueError
except ValueError:
    print(*heard)
queue.complete(job.submission_id, job.pullkey, score=1, reply="{}")
print(*heard)
"""


@pytest.mark.once
def test_what_is_rolled_back_there_is_not_announced(tmp_path: Path) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.queue.two_databases",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'default.sqlite3'}",
        "GRADEQUEUE_DATA": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "job_enqueued job_claimed",
        "job_enqueued job_claimed",
        "job_enqueued job_claimed job_completed",
    ]
