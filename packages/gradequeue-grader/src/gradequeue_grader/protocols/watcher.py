"""``watcher``: a grader's container of xqueue-watcher. Words: GRADER SEED; the answer in the environment; the last line
that it prints is the reply."""

from __future__ import annotations

from pathlib import PurePosixPath

from gradequeue_grader import formats
from gradequeue_grader.protocols.job import NAME_BYTES, Job, NotForThisGrader, Setup, encoded, is_sayable
from gradequeue_grader.result import NotAResult, Result
from gradequeue_grader.tasks import Outcome, Task

# What the kernel takes of one variable (bytes), with its name.
VARIABLE_BYTES = 131_072 - len("SUBMISSION_CODE=") - 1
TRUE = ("1", "true", "yes")


class Watcher:
    """The payload names the grader: ``{"grader": "ps1/double/grader.py"}``, below ``--grader-root``."""

    root = "/job"
    anywhere = True
    own_file = False

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def task(self, job: Job, root: str) -> Task:
        """Raises Ungradable for an answer that no variable can hold, NotForThisGrader without a grader's name."""
        code = encoded(job.answer)
        if len(code) > VARIABLE_BYTES or b"\0" in code:
            raise formats.Ungradable(
                f"The answer has {len(code)} bytes. This grader takes up to {VARIABLE_BYTES}, and no NUL."
            )
        hide = str(job.payload.get("hide_output", "")).lower() in TRUE
        variables = {
            "SUBMISSION_CODE": code.decode(),
            "GRADER_LANGUAGE": _text(job.payload.get("lang"), "en"),
            "HIDE_OUTPUT": "1" if hide else "0",
            "GRADER_DEBUG": "0",
        }
        return Task(
            words=(*self._words(job), self._grader(job), str(job.seed)),
            root=root,
            environment=variables | dict(self.setup.environment),
            folder=self.setup.folder or root,
        )

    def _words(self, job: Job) -> tuple[str, ...]:
        if str(job.payload.get("skip_grader", "")).lower() in TRUE:
            return ("/bin/sh", "-c", """echo '{"errors": [], "tests": [], "correct": true, "score": 1}'""", "skip")
        return self.setup.words

    def _grader(self, job: Job) -> str:
        named = job.payload.get("grader")
        if not isinstance(named, str) or not named:
            raise NotForThisGrader('The payload names no grader; this one wants {"grader": "path/to/grader.py"}.')
        path = PurePosixPath(named)
        if path.is_absolute() or ".." in path.parts or not _is_short(named):
            raise NotForThisGrader(f"The payload's grader {named[:300]!r} does not lie below the folder of graders.")
        return str(self.setup.grader_root / path)

    def result(self, outcome: Outcome, job: Job) -> Result:
        """The last line that it printed. Raises NotAResult."""
        if not outcome.stdout.whole:
            raise NotAResult(f"it printed {outcome.stdout.total} bytes")
        lines = outcome.stdout.kept.strip().splitlines()
        if not lines:
            raise NotAResult("it printed nothing")
        return {**formats.read("watcher", lines[-1]), "grader": {"seed": job.seed}}


def _text(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) and value and _is_short(value) else otherwise


def _is_short(text: str) -> bool:
    return is_sayable(text) and len(encoded(text)) <= NAME_BYTES
