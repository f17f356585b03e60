"""Worker and server are killed at random while jobs run: each job ends with exactly one score.

``WORKER_KILLS=200`` is the long form: so many kills, with jobs to match.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.server import Server
from tests.worker.conftest import Workers, sandbox_options

pytestmark = pytest.mark.walk

KILLS = int(os.environ.get("WORKER_KILLS", "6"))
JOBS_FOR_EACH_KILL = 20
WORKERS = 3
COMMAND = ("sh", "-c", """sleep 0.2; echo '{"score": 0.5}'""")
# Counted where it is stored, beside every command of ours.
COUNT = """
from collections import Counter
from submissions.models import Score
print(sorted(Counter(Counter(Score.objects.values_list("submission_id", flat=True)).values()).items()))
"""


class Crew:
    """A server and some workers, each of which may be killed and is started again."""

    def __init__(self, server: Server, workers: Workers, chance: random.Random) -> None:
        self.server, self.workers, self.chance = server, workers, chance
        self.slots = [self.start(place) for place in range(WORKERS)]

    def start(self, place: int) -> subprocess.Popen[bytes]:
        sandbox = sandbox_options() if place == 0 else ("--sandbox", "none")
        return self.workers.start("kills", *sandbox, "--jobs", "4", "--", *COMMAND)

    def kill_one(self) -> None:
        """At once, with all that it has started."""
        place = self.chance.randrange(WORKERS + 1)
        if place == WORKERS:
            assert self.server.process is not None
            kill(self.server.process)
            self.server.start(workers=1)
        else:
            kill(self.slots[place])
            self.slots[place] = self.start(place)


def kill(process: subprocess.Popen[bytes]) -> None:
    """The first process first: it would mend what happens to the others."""
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for child in below:
        # It may have ended by itself, or with its parent, a millisecond ago.
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait(10)


@pytest.mark.databases("postgresql")
def test_each_job_ends_with_one_score(fresh_database: str, workers: Workers, tmp_path: Path) -> None:
    # A lease that is soon over, and a limit that bad luck does not reach.
    settings = {"GRADEQUEUE_LEASE_SECONDS": "3"}
    server = workers.server = Server(fresh_database, tmp_path, **settings).start(workers=1)
    workers.token("kills")
    count = KILLS * JOBS_FOR_EACH_KILL
    ids = server.enqueue(*({"queue_name": "kills", "student_id": f"s{number}"} for number in range(count)))
    crew = Crew(server, workers, random.Random(7))
    try:
        for _ in range(KILLS):
            time.sleep(crew.chance.uniform(0.5, 1.5))
            crew.kill_one()
        deadline = time.monotonic() + 60 + KILLS * 5
        while {row["status"] for row in server.show(*ids)} != {"retired"}:
            assert time.monotonic() < deadline, [row for row in server.show(*ids) if row["status"] != "retired"]
            time.sleep(1)
        rows = server.show(*ids)
        assert {(row["points_earned"], row["points_possible"]) for row in rows} == {(0.5, 1)}
        assert server.run("shell", "-v", "0", "-c", COUNT).stdout.strip() == f"[(1, {count})]"
        assert server.run("audit").returncode == 0
    finally:
        workers.end()
        server.stop()
