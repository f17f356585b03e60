"""How many results a second reach a platform, with one worker process or several.

    python -m benchmarks.deliveries --databases postgresql --results 2000
    python -m benchmarks.deliveries --databases sqlite --results 10000 --outage 60

The platform is a process of its own that answers 200 at once. Each result is taken from the database, posted over HTTP,
and recorded, as `gradequeue deliver` does it, which is what runs. With an outage, the platform is not there for so many
seconds, while the results are due and the workers run; then it comes back.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from tests import databases
from tests.platform_stub import Call, Platform
from tests.server import GRADEQUEUE, free_port

COLUMNS = ("database", "workers", "results", "per second", "sent twice", "at once", "first after", "last after")
# Nothing has come for so long: it was the last one. Longer than workers that are put off for a moment.
QUIET_SECONDS = 8.0

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
        return _platform(given.platform)
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)
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
                row = [kind, workers, *_run(environment, workers, given)]
                print(f"| {' | '.join(map(str, row))} |", flush=True)
        finally:
            databases.drop(kind, server, name)


def _run(environment: dict[str, str], workers: int, given: argparse.Namespace) -> list[Any]:
    port = free_port()
    fill = [sys.executable, "-c", f"import django; django.setup()\n{FILL}", f"http://127.0.0.1:{port}"]
    django = environment | {"DJANGO_SETTINGS_MODULE": "gradequeue.settings"}
    subprocess.run([*fill, str(given.results)], env=django, check=True)
    platform = None if given.outage else _started(port)
    deliver = [GRADEQUEUE, "deliver", "--threads", str(given.threads)]
    running = [subprocess.Popen(deliver, env=environment, stderr=subprocess.DEVNULL) for _ in range(workers)]
    if platform is None:
        time.sleep(given.outage)
        platform = _started(port)
    back = time.monotonic()
    assert platform.stdout is not None
    found = json.loads(platform.stdout.readline())
    for process in running:
        process.terminate()
        process.wait()
    platform.wait()
    rate = found["calls"] / max(found["last"] - found["first"], 0.001)
    waited = f"{found['first'] - back:.0f} s" if given.outage else "-"
    twice = found["calls"] - found["distinct"]
    return [f"{found['distinct']:,}", f"{rate:,.0f}", twice, found["at_once"], waited, f"{found['last'] - back:.0f} s"]


def _started(port: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.deliveries", "--platform", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _platform(port: int) -> int:
    """Says when it listens, and what arrived once nothing has for three seconds."""
    busy, most, lock = [0], [0], threading.Lock()

    def count(_: Call) -> int:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.002)
        with lock:
            busy[0] -= 1
        return 200

    platform = Platform()
    platform.port, platform.answer = port, count
    with platform:
        print("listening", flush=True)
        while not platform.calls or time.monotonic() - platform.calls[-1].at < QUIET_SECONDS:
            time.sleep(0.1)
    times = [call.at for call in platform.calls]
    distinct = len({call.path for call in platform.calls})
    found = {"calls": len(times), "distinct": distinct, "first": min(times), "last": max(times), "at_once": most[0]}
    print(json.dumps(found), flush=True)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deliveries", description=__doc__.split("\n")[0])
    parser.add_argument("--databases", nargs="+", choices=databases.KINDS, default=list(databases.KINDS))
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4], help="processes at once")
    parser.add_argument("--results", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=16, help="of each process (default: %(default)s)")
    parser.add_argument("--outage", type=float, default=0, help="how long the platform is away at first (seconds)")
    parser.add_argument("--platform", type=int, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
