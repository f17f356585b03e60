"""`gradequeue demo --seed-history`: believable, whole, and the same again."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gradequeue.demo.history import write
from gradequeue.demo.history.courses import COURSES, choose
from gradequeue.demo.history.lives import simulate
from gradequeue.demo.history.waves import arrivals
from submissions.models import Delivery, DepthSample, ExternalGraderDetail, QueueMinute, Score
from tests.server import Server

NOW = datetime(2026, 11, 24, 21, tzinfo=UTC)


@pytest.fixture
def seeded(fresh_database: str, tmp_path: Path) -> Server:
    return Server(fresh_database, tmp_path)


def test_a_day_is_written_whole_and_only_once(seeded: Server) -> None:
    done = seeded.run("demo", "--seed-history", "--days", "1", "--queues", "4")
    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    passwords = [json.loads(line)["password"] for line in done.stdout.splitlines()]
    assert names == ["demo-staff", "demo-observer"]
    assert len(set(passwords)) == 2
    assert min(map(len, passwords)) >= 32
    queues = {row["queue_name"]: row for row in seeded.rows("queues", "--json")}
    assert len(queues) == 4
    # How many depends on the time of day.
    assert queues["cs201-java"]["waiting"] > 0
    assert queues["algo-cpp"]["failed"] > 0
    (counted,) = seeded.rows("audit", "--json")
    assert counted["problems"] == 0
    assert counted["jobs"] == sum(counted["states"].values()) > 1500
    again = seeded.run("demo", "--seed-history", "--days", "1", "--queues", "4", check=False)
    assert again.returncode == 1
    assert "There are queues of these names already: algo-cpp, cs101-exam" in again.stderr
    # What it wrote is counted for the plots, but for the last minutes, which are counted when somebody looks.
    ask = "print(sum(QueueMinute.objects.values_list('completed', flat=True)), Score.objects.count())"
    shown = seeded.run("shell", "-c", f"from submissions.models import QueueMinute, Score; {ask}")
    in_plots, scores = map(int, shown.stdout.split()[-2:])
    assert 0.9 * scores < in_plots <= scores


@pytest.mark.django_db
def test_it_is_written_in_batches_and_looks_of_the_past_are_few() -> None:
    with CaptureQueriesContext(connection) as asked:
        jobs = write.write_history(7, 3, lambda done: None, share=0.1)
    rows = sum(model.objects.count() for model in (Delivery, DepthSample, ExternalGraderDetail, QueueMinute, Score))
    assert jobs > 1500
    assert rows > 6000
    # SQLite takes about thirty rows of the widest table in one statement.
    assert len(asked) < rows / 30
    # Each minute for two hours, each quarter of an hour for two days, each hour before that; for three queues and all.
    assert DepthSample.objects.filter(queue_name="").count() == pytest.approx(2 * 60 + 46 * 4 + 5 * 24, abs=3)


@pytest.mark.once
def test_it_is_refused_in_production(tmp_path: Path) -> None:
    production = {
        "GRADEQUEUE_ENV": "production",
        "GRADEQUEUE_SECRET_KEY": "x" * 60,
        "GRADEQUEUE_ALLOWED_HOSTS": "queue.example.org",
    }
    server = Server(f"sqlite:///{tmp_path / 'x.sqlite3'}", tmp_path, **production)
    refused = server.run("demo", "--seed-history", check=False)
    assert refused.returncode == 1
    assert "not for production" in refused.stderr


@pytest.mark.once
def test_the_same_numbers_make_the_same_history() -> None:
    course = COURSES[3]

    def lives() -> list[object]:
        random = Random("the same")
        return list(simulate(course, arrivals(course, NOW - timedelta(days=2), NOW, random), NOW, random))

    assert lives() == lives()
    assert len(lives()) > 500


@pytest.mark.once
def test_there_are_as_many_queues_as_one_asks_for() -> None:
    names = [course.queue for course in choose(30)]
    assert len(set(names)) == 30
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)
