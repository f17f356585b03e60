"""The four protocols: how a grader of one kind is told of a job, and tells of its result."""

from __future__ import annotations

from collections.abc import Callable

from gradequeue_grader.protocols.direct import Direct
from gradequeue_grader.protocols.gradescope import Gradescope
from gradequeue_grader.protocols.job import GraderProtocol, Job, NotForThisGrader, Setup
from gradequeue_grader.protocols.prairielearn import PrairieLearn
from gradequeue_grader.protocols.watcher import Watcher

__all__ = ["PROTOCOLS", "GraderProtocol", "Job", "NotForThisGrader", "Setup"]

PROTOCOLS: dict[str, Callable[[Setup], GraderProtocol]] = {
    "json": Direct,
    "watcher": Watcher,
    "gradescope": Gradescope,
    "prairielearn": PrairieLearn,
}
