"""What a claim reads and locks of a queue with a history: its own end of one index (ADR 0090)."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction

from submissions import queue
from submissions.models import ExternalGraderDetail as Job
from submissions.models import GraderQueue
from submissions.queue import line
from submissions.queue.records import QueueView
from tests.make import make_history

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "mysql", reason="only there the server counts the rows that are locked"),
]

EACH = 3_000


def fill() -> int:
    """As many finished jobs as waiting ones; the submission of the one that is next."""
    ids = make_history(EACH)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE TABLE {Job._meta.db_table}")
        cursor.fetchall()
    return ids[EACH]


@pytest.mark.parametrize("others", [False, True])
def test_a_claim_locks_no_finished_job(others: bool) -> None:
    first = fill()
    with transaction.atomic():
        (found,) = line.lock_due(QueueView(GraderQueue(name="q"), others=others), "ada", 1)
        time.sleep(0.3)  # the server's own list of transactions is a tenth of a second old
        with connection.cursor() as cursor:
            question = "SELECT trx_rows_locked FROM information_schema.innodb_trx"
            cursor.execute(f"{question} WHERE trx_mysql_thread_id = CONNECTION_ID()")
            (locked,) = cursor.fetchone()
    assert found.locked.row.submission_id == first
    assert locked <= 5


def test_no_claim_of_many_graders_at_once_walks_what_is_finished() -> None:
    """Seen with prepared statements: from some execution on, each claim read and locked all of it (ADR 0090)."""
    fill()
    steps: list[int] = []
    graders = [threading.Thread(target=_claims, args=(f"g{number % 3}", steps)) for number in range(6)]
    for grader in graders:
        grader.start()
    for grader in graders:
        grader.join()
    assert len(steps) == 6 * 20
    assert max(steps) < EACH / 3


def _claims(grader: str, steps: list[int]) -> None:
    for _ in range(20):
        before = _steps()
        assert queue.claim("q", grader=grader)
        steps.append(_steps() - before)
    connection.close()


def _steps() -> int:
    """How many entries of indexes this connection has read."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS WHERE Variable_name IN ('Handler_read_next', 'Handler_icp_attempts')")
        return sum(int(value) for _, value in cursor.fetchall())
