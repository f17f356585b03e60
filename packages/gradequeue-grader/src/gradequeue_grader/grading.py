"""Grades one claim: its files, its run, what the run says."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from gradequeue_grader.claims import Claim
from gradequeue_grader.endings import Ending, Failed, judged
from gradequeue_grader.execution import run
from gradequeue_grader.formats import Ungradable
from gradequeue_grader.protocols import GraderProtocol, Job, NotForThisGrader
from gradequeue_grader.sandbox import Box, stage
from gradequeue_grader.tasks import Limits, Outcome

# As xqueue-watcher draws them.
SEEDS = 20_000


@dataclass(frozen=True)
class Bench:
    """The grader, and where and how it runs."""

    protocol: GraderProtocol
    box: Box
    limits: Limits

    def grade(self, claim: Claim, files: Mapping[str, bytes], cancel: threading.Event, slot: int = 0) -> Ending:
        """How this claim ends; `slot` tells runs at the same time apart."""
        return self.grade_and_show(claim, files, cancel, slot)[0]

    def grade_and_show(
        self, claim: Claim, files: Mapping[str, bytes], cancel: threading.Event, slot: int = 0
    ) -> tuple[Ending, Outcome | None]:
        """The same, with what came of the run, where there was one."""
        job = Job(claim, files, random.randrange(SEEDS))  # noqa: S311 - no secret
        try:
            with stage() as folder:
                task = self.protocol.task(job, self.box.root(self.protocol.root, self.protocol.anywhere, folder))
                outcome = run(task, self.box, self.limits, folder, cancel, slot)
        except Ungradable as error:
            return Failed("ungradable", str(error)), None
        except NotForThisGrader as error:
            return Failed("grader", str(error)), None
        except OSError as error:
            return Failed("infrastructure", f"There is no folder for the run: {error}"), None
        return judged(outcome, lambda done: self.protocol.result(done, job), self.protocol.own_file), outcome
