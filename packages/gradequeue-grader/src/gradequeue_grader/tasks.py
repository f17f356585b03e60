"""What is run for one submission, under which limits, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gradequeue_grader.result import Usage

MIB = 1024**2

# What an exit status says beside "it failed" (sysexits.h).
UNGRADABLE = 65  # EX_DATAERR: this submission can never be graded
TRY_AGAIN = 75  # EX_TEMPFAIL: the machine is to blame, not the grader
NOT_STARTED = (126, 127)  # of a shell: the command is not there, or cannot be run
INFRASTRUCTURE = (TRY_AGAIN, *NOT_STARTED)


@dataclass(frozen=True)
class Limits:
    """What a command may use."""

    seconds: float = 20
    """Of real time."""
    cpu_seconds: int = 20
    """Of processor time, each process."""
    memory: int = 512 * MIB
    """Bytes, all processes together."""
    processes: int = 64
    disk: int = 256 * MIB
    """Bytes that it may write, in one file or all; without a sandbox, in one."""


@dataclass(frozen=True)
class Task:
    """One run of the command."""

    words: tuple[str, ...]
    root: str
    """The folder that `inputs` and `copies` are laid out in; it may write there."""
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    """Where it starts; None: where the worker did."""
    stdin: bytes = b""
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    """Files: path below the root to contents. A path that ends with a slash is an empty folder."""
    copies: Mapping[str, Path] = field(default_factory=dict)
    """Files and folders of this machine: path below the root to where it lies here."""
    answer: str | None = None
    """A file that it leaves, below the root."""


@dataclass(frozen=True)
class Printed:
    """The beginning of what it printed."""

    kept: bytes
    total: int
    """Bytes, with those that were not kept."""

    @property
    def whole(self) -> bool:
        """Whether all of it was kept."""
        return self.total == len(self.kept)

    @property
    def text(self) -> str:
        """What was kept, with a mark where that is not all."""
        text = self.kept.decode("utf-8", "replace")
        return text if self.whole else f"{text}\n[cut: {len(self.kept)} of {self.total} bytes]"


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    status: int | None
    """Its exit status, minus the signal where one ended it; None where it was stopped or never began."""
    stopped: str
    """Why it was stopped, or did not begin; empty where it ended by itself."""
    began: bool
    """False where this machine is to blame."""
    stdout: Printed
    stderr: Printed
    answer: bytes | None
    usage: Usage
