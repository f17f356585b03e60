"""``json``: the claim on standard input, a Result on standard output."""

from __future__ import annotations

import json
from typing import Any

from gradequeue_grader.protocols.job import Job, Setup, check_names
from gradequeue_grader.result import NotAResult, Result, loads
from gradequeue_grader.tasks import Outcome, Task

FILES = "files"


class Direct:
    """Each file of the claim has the `path` where it lies."""

    root = "/job"
    anywhere = True
    own_file = False

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def task(self, job: Job, root: str) -> Task:
        """The command starts where the worker did, or in the job's folder."""
        told = dict(job.claim.raw)
        for kind in ("files", "links"):
            told[kind] = [{**one, "path": f"{root}/{FILES}/{one['name']}"} for one in told.get(kind) or ()]
        check_names(job.files)
        return Task(
            words=self.setup.words,
            root=root,
            environment=self.setup.environment,
            folder=self.setup.folder or root,
            stdin=json.dumps(told).encode(),
            inputs={f"{FILES}/": b""} | {f"{FILES}/{name}": contents for name, contents in job.files.items()},
        )

    def result(self, outcome: Outcome, job: Job) -> Result:
        """All that it printed. Raises NotAResult."""
        if not outcome.stdout.whole:
            raise NotAResult(f"it printed {outcome.stdout.total} bytes")
        if not outcome.stdout.kept.strip():
            raise NotAResult("it printed nothing")
        found: Any = loads(outcome.stdout.kept)
        if not isinstance(found, dict):
            raise NotAResult("what it printed is no object")
        result: Result = found  # type: ignore[assignment]
        return result
