"""One run of the demonstration, step by step: account, submissions, waiting, and the names that belong to it alone."""

from __future__ import annotations

import io
import json
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import DatabaseError

from gradequeue.demo import report
from gradequeue.demo.course import Attempt
from gradequeue.demo.processes import Account, DidNotStart, Processes
from submissions import api

# Points of each problem; the grader gives a share of them.
POINTS = 10
LOOK_SECONDS = 0.25


def prepare() -> None:
    """Tables up to date, and the log of the queue limited to what is wrong: the demonstration shows the rest.

    Raises DidNotStart.
    """
    logging.getLogger("submissions").setLevel(logging.WARNING)
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise DidNotStart(f"The database cannot be used: {error}") from error


@contextmanager
def grader_account(url: str) -> Iterator[Account]:
    """A grader, as long as this lasts, for a queue of this run's own.

    Nobody else may pull from it: no other grader takes jobs of the demonstration, and no earlier run's jobs are in it.
    """
    name = f"demo-{secrets.token_hex(3)}"
    printed = io.StringIO()
    call_command("grader", "create", name, "--queue", name, "--server", url, "--json", stdout=printed)
    made = json.loads(printed.getvalue())
    try:
        yield Account(name, made["password"], name, _token(name), made["xqueue_servers"])
    finally:
        call_command("grader", "disable", name, "--json", stdout=io.StringIO())


def _token(name: str) -> str:
    printed = io.StringIO()
    call_command("token", "create", name, "--scope", "claim", "--queue", name, "--json", stdout=printed)
    return str(json.loads(printed.getvalue())["token"])


def submit(attempts: Iterable[Attempt], queue: str, done: Callable[[int], None]) -> dict[int, Attempt]:
    """Hand in each attempt as a submission of its own; their ids. `done` is told how many there are."""
    submitted: dict[int, Attempt] = {}
    for attempt in attempts:
        item = {"course_id": queue, "item_id": attempt.problem.name, "student_id": attempt.student}
        job = api.create_external_grader_detail(
            {**item, "item_type": "problem"},
            attempt.program,
            queue_name=queue,
            queue_key=None,
            points_possible=POINTS,
            grader_payload=attempt.problem.payload,
        )
        submitted[job.submission_id] = attempt
        done(len(submitted))
    return submitted


def wait(queue: str, total: int, processes: Processes, done: Callable[[int], None]) -> None:
    """Until each submission is over. Raises Died where the server or a grader is."""
    while (count := report.finished(queue)) < total:
        done(count)
        processes.check()
        time.sleep(LOOK_SECONDS)
    done(count)
