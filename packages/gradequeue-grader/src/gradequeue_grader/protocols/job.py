"""What every protocol is given, and what each has to say."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from gradequeue_grader.claims import Claim
from gradequeue_grader.formats import Ungradable
from gradequeue_grader.result import Result
from gradequeue_grader.tasks import Outcome, Task

# Of a file's name with its folders; the kernel takes 4,096, with where they lie.
NAME_BYTES = 1024


class NotForThisGrader(ValueError):
    """The job lacks something that this grader's protocol needs; the sentence says what."""


@dataclass(frozen=True)
class Setup:
    """The command, and how this worker was told to run it."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    """Where the command starts, if its protocol does not say."""
    answer_file: str = "answer.txt"
    """The name that an answer gets where a protocol wants files."""
    grader_root: Path = Path()
    """Where a watcher's graders lie."""
    out_of: float | None = None
    """What the points of a Gradescope score are out of."""


@dataclass(frozen=True)
class Job:
    """A claim, with its files fetched."""

    claim: Claim
    files: Mapping[str, bytes]
    """Name to contents, with those that were only linked."""
    seed: int

    @property
    def answer(self) -> str:
        """As text: null is empty, what else is no text is JSON."""
        answer = self.claim.answer
        return answer if isinstance(answer, str) else "" if answer is None else json.dumps(answer)

    @property
    def payload(self) -> dict[str, Any]:
        """The grader's payload, where it is an object or the JSON of one; else empty."""
        found = self.claim.grader_payload
        if isinstance(found, str):
            try:
                found = json.loads(found)
            except (ValueError, RecursionError):
                return {}
        return found if isinstance(found, dict) else {}

    def as_files(self, answer_file: str) -> dict[str, bytes]:
        """The answer among the files, unless it is empty and there are files. Raises Ungradable for a bad name."""
        own = {} if self.files and not self.answer else {answer_file: encoded(self.answer)}
        found = own | dict(self.files)
        check_names(found)
        return found


def encoded(text: str) -> bytes:
    """UTF-8; half surrogates, which JSON may hold, become question marks."""
    return text.encode("utf-8", "replace")


def check_names(names: Collection[str]) -> None:
    """Names may have folders. Raises Ungradable for one that could lead out of the files' folder, or that is a folder
    of another one."""
    folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
    for name in names:
        parts = name.split("/")
        if name in folders or len(encoded(name)) > NAME_BYTES or not all(map(_is_bare, parts)):
            raise Ungradable(f"{name[:300]!r} is no name for a file")


def _is_bare(name: str) -> bool:
    return name not in ("", ".", "..") and is_sayable(name) and len(encoded(name)) <= 255


def is_sayable(text: str) -> bool:
    """Whether a file may be called so, and a process told it: neither has NUL or half surrogates."""
    return "\0" not in text and encoded(text) == text.encode("utf-8", "surrogatepass")


class GraderProtocol(Protocol):
    """How a grader of one kind is told of a job, and tells of its result."""

    root: str
    """Where its files are laid out."""
    anywhere: bool
    """Whether that may be another folder."""
    own_file: bool
    """Whether the result is in a file."""

    def task(self, job: Job, root: str) -> Task:
        """What to run. Raises Ungradable, NotForThisGrader."""

    def result(self, outcome: Outcome, job: Job) -> Result:
        """What it says. Raises NotAResult, Ungradable."""


def brought_along(words: tuple[str, ...], root: str) -> Path | None:
    """The program, where it is given by its path and does not lie in `root` already."""
    program = Path(words[0])
    if "/" not in words[0] or program.is_relative_to(root) or not program.is_file():
        return None
    return program.absolute()
