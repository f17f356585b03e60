"""How many results a second reach a platform, with one worker process or several.

    python -m benchmarks.deliveries --databases postgresql --results 2000

The platform is a process of its own that answers 200 at once. Each result is taken from the database, posted over HTTP,
and recorded, as `gradequeue deliver` does it, which is what runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from tests import databases
from tests.platform_stub import Platform
from tests.server import GRADEQUEUE

FILL = """
import sys
from submissions import api, outbox, queue
from submissions.models import Delivery
url, count = sys.argv[1], int(sys.argv[2])
item = {"course_id": "c", "item_id": "i", "item_type": "problem", "student_id": "s"}
Delivery.objects.all().delete()
api.create_external_grader_detail(item, "print(1)", "bench", "key")
(job,) = queue.claim("bench", grader="g")
reply = '{"correct": true, "score": 1, "msg": "<p>10 of 10 tests passed</p>"}'
job = queue.complete(job.submission_id, job.pullkey, score=1, reply=reply)
now = job.returned_at
def row(number):
    place = f"{url}/{number}"
    return Delivery(job=job, transport="callback", destination=place, destination_key=outbox.key_of(place),
        host=outbox.host_of("callback", url), header='{"lms_key": "k"}', state="due", result="score", points=1,
        due_at=now, ready_at=now)
Delivery.objects.bulk_create([row(number) for number in range(count)], batch_size=500)
"""


def main(words: list[str] | None = None) -> int:
    given = _arguments().parse_args(words)
    if given.platform:
        return _platform()
    print("| database | workers | results | per second | sent twice |\n| --- | --- | --- | --- | --- |", flush=True)
    for kind in given.databases:
        server = databases.server_url(kind)
        if server is None:
            print(f"| {kind} | NOT MEASURED, no server was reachable | | | |")
            continue
        _measure(kind, server, given)
    return 0


def _measure(kind: str, server: str, given: argparse.Namespace) -> None:
    name = f"gq_bench_{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="gradequeue-bench-") as folder:
        environment = os.environ | {
            "DATABASE_URL": databases.create(kind, server, name, Path(folder)),
            "GRADEQUEUE_DATA": folder,
            "GRADEQUEUE_OUTBOUND_NETWORKS": "127.0.0.0/8",
            "GRADEQUEUE_LOG_LEVEL": "ERROR",
        }
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        try:
            subprocess.run([GRADEQUEUE, "migrate", "--verbosity", "0"], env=environment, check=True)
            for workers in given.workers:
                found = _run(environment, workers, given)
                rate = found["calls"] / max(found["seconds"], 0.001)
                twice = found["calls"] - found["distinct"]
                print(f"| {kind} | {workers} | {found['distinct']:,} | {rate:,.0f} | {twice} |", flush=True)
        finally:
            databases.drop(kind, server, name)


def _run(environment: dict[str, str], workers: int, given: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.deliveries", "--platform"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as platform:
        assert platform.stdin is not None
        assert platform.stdout is not None
        url = platform.stdout.readline().strip()
        fill = [sys.executable, "-c", f"import django; django.setup()\n{FILL}", url, str(given.results)]
        subprocess.run(fill, env=environment | {"DJANGO_SETTINGS_MODULE": "gradequeue.settings"}, check=True)
        deliver = [GRADEQUEUE, "deliver", "--once", "--threads", str(given.threads)]
        running = [subprocess.Popen(deliver, env=environment, stderr=subprocess.DEVNULL) for _ in range(workers)]
        for process in running:
            process.wait()
        platform.stdin.close()
        return dict(json.loads(platform.stdout.read()))


def _platform() -> int:
    """Prints its address; at the end of standard input, what arrived."""
    with Platform() as platform:
        print(platform.url, flush=True)
        sys.stdin.read()
        calls = platform.calls
    seconds = calls[-1].at - calls[0].at if calls else 0
    print(json.dumps({"calls": len(calls), "distinct": len({call.path for call in calls}), "seconds": seconds}))
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deliveries", description=__doc__.split("\n")[0])
    parser.add_argument("--databases", nargs="+", choices=databases.KINDS, default=list(databases.KINDS))
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4], help="processes at once")
    parser.add_argument("--results", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=16, help="of each process (default: %(default)s)")
    parser.add_argument("--platform", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
