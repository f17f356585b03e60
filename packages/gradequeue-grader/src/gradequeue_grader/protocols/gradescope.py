"""``gradescope``: /autograder as Gradescope lays it out, `run_autograder`, results.json."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from gradequeue_grader import formats
from gradequeue_grader.protocols.job import Job, Setup, brought_along
from gradequeue_grader.result import HIDDEN, NotAResult, Result, total
from gradequeue_grader.tasks import Outcome, Task


class Gradescope:
    """The program's folder is the autograder's zip, unpacked: it is seen as /autograder/source."""

    root = "/autograder"
    anywhere = False
    own_file = True

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def task(self, job: Job, root: str) -> Task:
        """Raises Ungradable for a file's bad name."""
        words, copies = self.setup.words, {}
        if program := brought_along(words, root):
            copies = {"source": program.parent, "run_autograder": program}
            words = (f"{root}/run_autograder", *words[1:])
        files = job.as_files(self.setup.answer_file)
        return Task(
            words=words,
            root=root,
            environment=self.setup.environment,
            folder=root,
            inputs={
                "submission/": b"",
                "results/": b"",
                "submission_metadata.json": json.dumps(_metadata(job)).encode(),
                **{f"submission/{name}": contents for name, contents in files.items()},
            },
            copies=copies,
            answer="results/results.json",
        )

    def result(self, outcome: Outcome, job: Job) -> Result:
        """Raises NotAResult."""
        if outcome.answer is None:
            raise NotAResult("there is no results/results.json")
        found = formats.read("gradescope", outcome.answer)
        printed = outcome.stdout.kept + outcome.stderr.kept
        if printed or "stdout" in found:
            word = found.get("stdout", {}).get("visibility", HIDDEN)
            found["stdout"] = {"text": outcome.stdout.text + outcome.stderr.text, "visibility": word}
        if self.setup.out_of and (points := _points(found)) is not None:
            found.pop("points_earned", None)
            found["score"] = points / self.setup.out_of
        return found


def _points(found: Result) -> float | None:
    """What it earned, where it does not say of how many."""
    if "points_earned" in found:
        return found["points_earned"]
    scored = [test for test in found.get("tests", []) if "points" in test]
    return None if all("max_points" in test for test in scored) else total(scored, "points")


def _metadata(job: Job) -> dict[str, Any]:
    told = job.claim.raw["submission"]
    learner = told.get("learner_id")
    return {
        "id": job.claim.submission,
        "created_at": datetime.now(UTC).isoformat(),
        "assignment": {
            "id": told.get("item_id"),
            "title": told.get("item_id"),
            "course_id": told.get("course_id"),
            "due_date": None,
            "late_due_date": None,
            "release_date": None,
            "group_size": None,
            "group_submission": False,
            "total_points": str(job.claim.points_possible),
        },
        "submission_method": "upload",
        "users": [{"id": learner, "name": learner, "email": None}],
        "previous_submissions": [],
    }
