"""``prairielearn``: /grade as PrairieLearn lays it out, the question's entry point, results.json."""

from __future__ import annotations

import base64
import json
from typing import Any

from gradequeue_grader import formats
from gradequeue_grader.protocols.job import Job, Setup, brought_along
from gradequeue_grader.result import NotAResult, Result
from gradequeue_grader.tasks import Outcome, Task


class PrairieLearn:
    """The program's folder is the question's tests/: it is seen as /grade/tests."""

    root = "/grade"
    anywhere = False
    own_file = True

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def task(self, job: Job, root: str) -> Task:
        """Raises Ungradable for a file's bad name."""
        words, copies = self.setup.words, {}
        if program := brought_along(words, root):
            copies = {"tests": program.parent}
            words = (f"{root}/tests/{program.name}", *words[1:])
        files = job.as_files(self.setup.answer_file)
        return Task(
            words=words,
            root=root,
            environment=self.setup.environment,
            folder=root,
            inputs={
                "student/": b"",
                "data/data.json": json.dumps(_data(job, files)).encode(),
                **{f"student/{name}": contents for name, contents in files.items()},
            },
            copies=copies,
            answer="results/results.json",
        )

    def result(self, outcome: Outcome, job: Job) -> Result:
        """Raises NotAResult, Ungradable."""
        if outcome.answer is None:
            raise NotAResult("there is no results/results.json")
        return formats.read("prairielearn", outcome.answer)


def _data(job: Job, files: dict[str, bytes]) -> dict[str, Any]:
    """What a question's `grade` is given; `params` and its like come from the payload, where it has them."""
    answers = {
        "answer": job.claim.answer,
        "_files": [{"name": name, "contents": base64.b64encode(text).decode()} for name, text in files.items()],
    }
    own = {name: job.payload.get(name, {}) for name in ("params", "correct_answers", "options")}
    return {
        **own,
        "submitted_answers": answers,
        "raw_submitted_answers": answers,
        "format_errors": {},
        "partial_scores": {},
        "feedback": {},
        "score": 0,
        "variant_seed": job.payload.get("variant_seed", job.seed),
        "gradable": True,
    }
