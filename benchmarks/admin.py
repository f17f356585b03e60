"""Time the pages of admin and dashboard on a small and on a large table: they must not grow slower with it.

    python -m benchmarks.admin
    python -m benchmarks.admin --databases mariadb --rows 1000 100000

A page is asked for through the whole stack of middleware and templates, in one process, as a superuser. Uses the
database servers that the tests use, with databases of its own that it drops afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import report, seed
from benchmarks.databases import Database
from tests import databases

GRADEQUEUE = str(Path(sys.executable).parent / "gradequeue")
NAMES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB"}
TIMES = 20
# For one page, if it is slow (seconds).
PATIENCE = 5
LIST = "/admin/submissions/externalgraderdetail/"

# What an operator looks for is rare and old: an incident of three weeks ago, under everything that came since.
INCIDENT = [
    "status = 'failed', num_failures = 5, available_at = NULL, queue_name = 'rare', pullkey = NULL WHERE id <= 20",
    "status = 'failed', num_failures = 5, available_at = NULL, pullkey = NULL WHERE id > 20 AND id <= 60",
]


def pages(some: dict[str, Any]) -> dict[str, str]:
    """What is asked for; `some` describes one job."""
    return {
        "list": LIST,
        "list, page 10": f"{LIST}?p=10",
        "failed, of all queues": f"{LIST}?status__exact=failed",
        "finished, of all queues": f"{LIST}?status__exact=retired",
        "pulled (there are none)": f"{LIST}?status__exact=pulled",
        "a rare queue": f"{LIST}?queue_name=rare",
        "the large queue": f"{LIST}?queue_name={seed.QUEUE}",
        "failed in the large queue": f"{LIST}?queue_name={seed.QUEUE}&status__exact=failed",
        "with failures": f"{LIST}?failures=1",
        "created within 24 hours": f"{LIST}?created=1d",
        "search: id": f"{LIST}?q={some['submission_id']}",
        "search: uuid": f"{LIST}?q={some['uuid']}",
        "search: queue": f"{LIST}?q={seed.QUEUE}",
        "search: queue key": f"{LIST}?q={some['queue_key']}",
        "search: grader file (every job's)": f"{LIST}?q=ps1/double/grade.py",
        "search: student": f"{LIST}?q={some['student_id']}",
        "search: course (every job's)": f"{LIST}?q=course-v1:Bench%2BCS1%2B2026",
        "search: course, failed": f"{LIST}?q=course-v1:Bench%2BCS1%2B2026&status__exact=failed",
        "search: item (every 50th job's)": f"{LIST}?q=block-v1:Bench%2Bproblem@7",
        "search: nothing like it": f"{LIST}?q=nothing-like-it",
        "page of a job": f"{LIST}{some['pk']}/change/",
        "submissions": "/admin/submissions/submission/",
        "submissions of a course": "/admin/submissions/submission/?q=course-v1:Bench%2BCS1%2B2026",
        "page of a submission": f"/admin/submissions/submission/{some['submission_id']}/change/",
        "student items": "/admin/submissions/studentitem/",
        "scores": "/admin/submissions/score/",
        "score summaries": "/admin/submissions/scoresummary/",
        "files": "/admin/submissions/submissionfile/",
        "deliveries": "/admin/submissions/delivery/",
        "dashboard: overview": "/dashboard/",
        "dashboard: the large queue": f"/dashboard/queues/{some['queue']}/",
        "dashboard: a rare queue": f"/dashboard/queues/{some['rare_queue']}/",
        "dashboard: a job": f"/dashboard/submissions/{some['submission_id']}/",
        "dashboard: the large queue, four weeks": f"/dashboard/queues/{some['queue']}/?window=month",
        "dashboard: graders": "/dashboard/graders/",
        "dashboard: deliveries": "/dashboard/deliveries/",
        "dashboard: notifications": "/dashboard/notifications/",
        **{f"jobs: {words}": f"/dashboard/jobs/?{query}" for words, query in lists(some).items()},
        **{f"find: {words}": f"/dashboard/find/?q={text}" for words, text in FOUND.items()},
        **{f"activity: {words}": f"/dashboard/activity/?{query}" for words, query in ACTIVITY.items()},
        "metrics": "/metrics",
    }


FOUND = {
    "the large queue, failed": f"{seed.QUEUE}+failed",
    "a learner": "learner-17",
    "the beginning of a learner's id": "learner-",
    "a part of a queue's name": "ra",
    "the course": "course-v1:Bench%2BCS1%2B2026",
    "nothing like it": "nothing-like-it",
}
ACTIVITY = {
    "all": "",
    "of one with many": "person=bench",
    "of one with few": "person=ada",
    "of nobody": "person=nobody",
    "a rare move": "move=pause",
    "no such move": "move=give-up",
    "a rare move of one with many": "move=pause&person=bench",
    "in a rare queue": "queue=rare",
    "in the large queue": f"queue={seed.QUEUE}",
    "of the last hour": "time=hour",
}


def lists(some: dict[str, Any]) -> dict[str, str]:
    """Each filter of the list of jobs."""
    course, item = "course-v1:Bench%2BCS1%2B2026", "block-v1:Bench%2Bproblem@7"
    return {
        "all": "",
        **{f"state {state}": f"state={state}" for state in ("waiting", "grading", "failed", "graded", "ended")},
        "the large queue": f"queue={seed.QUEUE}",
        "failed in the large queue": f"state=failed&queue={seed.QUEUE}",
        "a rare queue": "queue=rare",
        "no such queue": "queue=nothing",
        "a learner": f"learner={some['student_id']}",
        "no such learner": "learner=nobody",
        "the course (every job's)": f"course={course}",
        "the course, failed": f"course={course}&state=failed",
        "an item (every 50th job's)": f"item={item}",
        "the grader of each finished one": "grader=grader-1",
        "no such grader": "grader=nobody",
        "of the last hour": "since=1h",
        "graded in the last hour": "state=graded&since=1h",
        "of four weeks": "since=30d",
        "no such cause": "cause=nothing",
        "no such platform's name": "reference=nothing",
        "a file (every job's)": "file=ps1/double/grade.py",
        "no such file": "file=nothing",
        "not delivered": "delivery=given_up",
        "overdue": "delivery=overdue&host=platform.invalid",
    }


def main(words: list[str] | None = None) -> int:
    given = _arguments().parse_args(words)
    if given.inside:
        print(json.dumps(_time_pages(given.pages)))
        return 0
    for kind in given.databases:
        server = databases.server_url(kind)
        if server is None:
            report.tell(f"{NAMES[kind]}: NOT MEASURED, no server was reachable")
            continue
        taken = {rows: _measured(kind, server, rows) for rows in given.rows}
        print(_table(kind, taken), flush=True)
    return 0


def _measured(kind: str, server: str, rows: int) -> dict[str, float]:
    """Milliseconds of each page with `rows` jobs, half of them finished."""
    report.tell(f"{NAMES[kind]}: {rows:,} jobs ...")
    name = f"gqb_{uuid.uuid4().hex[:10]}"
    with tempfile.TemporaryDirectory(prefix="gradequeue-bench-") as folder:
        url = databases.create(kind, server, name, Path(folder))
        environment = os.environ | {"DATABASE_URL": url, "GRADEQUEUE_DATA": folder, "GRADEQUEUE_LOG_LEVEL": "ERROR"}
        environment["DJANGO_SETTINGS_MODULE"] = "gradequeue.settings"
        environment["GRADEQUEUE_METRICS_NETWORKS"] = "127.0.0.1"
        try:
            subprocess.run([GRADEQUEUE, "migrate", "-v", "0"], env=environment, check=True)
            _fill(Database(kind, url), rows)
            command = [sys.executable, "-m", "benchmarks.admin", "--inside"]
            done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        finally:
            databases.drop(kind, server, name)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _fill(database: Database, rows: int) -> None:
    seed.fill(database, waiting=rows - rows // 2, finished=rows // 2, ours=True, transport="callback")
    add_incidents(database, rows)
    names = [(seed.QUEUE, "false"), ("rare", "false"), *((f"empty-{i}", "false") for i in range(10))]
    values = ", ".join(f"('{name}', 'ratio', {no}, {no}, 0, '', '')" for name, no in names)
    columns = "name, score_meaning, supersede, paused, initial_delay_seconds, push_url, last_polled_by"
    database.run(f"INSERT INTO submissions_graderqueue ({columns}) VALUES {values}")
    database.close()


def add_incidents(database: Database, moves: int) -> None:
    """What an operator looks for in a filled database, with so many moves of operators."""
    seed.add_moves(database, moves)
    late = f"UPDATE {seed.DELIVERIES} SET state = 'given_up', delivered_at = NULL WHERE id <= 40"
    database.run(late, *(f"UPDATE {seed.JOBS} SET {change}" for change in INCIDENT))
    database.run(f"{'ANALYZE' if database.kind == 'postgresql' else 'ANALYZE TABLE'} {seed.JOBS}")


def _time_pages(only: list[str] | None) -> dict[str, float]:
    """In a process whose settings name the filled database. `only`: these pages."""
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.test import Client

    from submissions.models import ExternalGraderDetail as Job
    from submissions.models import GraderQueue
    from submissions.statistics.rollup import roll_up, watermark

    # As `serve` does all the time. Where one is at it, this may find nothing to do before it is done.
    while roll_up(24 * 60) or ((state := watermark()) and state.until < state.now - timedelta(minutes=5)):
        pass
    client = Client(headers={"host": "127.0.0.1"})
    operator, _ = User.objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client.force_login(operator)
    job = Job.objects.select_related("submission__student_item").filter(status="retired").order_by("id")[100]
    some = {"pk": job.pk, "submission_id": job.submission_id, "uuid": job.submission.uuid, "queue_key": job.queue_key}
    some["student_id"] = job.submission.student_item.student_id
    some |= {
        "queue": GraderQueue.objects.get(name=seed.QUEUE).pk,
        "rare_queue": GraderQueue.objects.get_or_create(name="rare")[0].pk,
    }
    return {name: _milliseconds(client, url) for name, url in pages(some).items() if only is None or name in only}


def _milliseconds(client: Any, url: str) -> float:
    """The fastest of TIMES, or of what fits into PATIENCE: whatever else the machine does only adds. The first turns
    fill caches. A search counts with the page that it leads to."""
    taken: list[float] = []
    end = time.perf_counter() + PATIENCE
    expected = 404 if url.startswith("/dashboard/find/?q=nothing") else 200
    for turn in range(TIMES + 3):
        began = time.perf_counter()
        response = client.get(url, follow=True)
        if turn >= 3 or began > end:
            taken.append((time.perf_counter() - began) * 1000)
        if response.status_code != expected:
            raise SystemExit(f"{url} was answered with {response.status_code}")
        if taken and began > end:
            break
    return round(min(taken), 1)


def _table(kind: str, taken: dict[int, dict[str, float]]) -> str:
    small, large = min(taken), max(taken)
    lines = [f"| {NAMES[kind]} | {small:,} jobs (ms) | {large:,} jobs (ms) | ratio |", "| --- | --- | --- | --- |"]
    for name, few in taken[small].items():
        many = taken[large][name]
        lines.append(f"| {name} | {few} | {many} | {many / few:.1f} |")
    return "\n".join(lines)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin", description=__doc__.split("\n")[0])
    parser.add_argument("--databases", nargs="+", choices=list(NAMES), default=list(NAMES))
    parser.add_argument("--rows", nargs=2, type=int, default=[1_000, 1_000_000], metavar="N", help="few, and many")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--pages", nargs="+", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
