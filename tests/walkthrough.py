"""The console blocks of a page, run as its reader would run them: in an empty folder, against a real server.

In a block, `$ ` begins a command, `> ` goes on with it, and what follows is what it prints; `...` stands for any
lines. Text that differs from run to run (ids, times, keys) is compared by its form. What the reader leaves running in
another terminal runs on. A block whose first line names a file (```` ```python grader.py ````) is that file: the reader
saves it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.server import free_port

ROOT = Path(__file__).resolve().parents[1]
# Pages whose console blocks are followed from top to bottom, by `tests/test_docs.py`.
WALKED = [
    "README.md",
    "docs/backup.md",
    "docs/deliveries.md",
    "docs/graders.md",
    "docs/integration-guide.md",
    "docs/migrating.md",
    "docs/monitoring.md",
    "docs/operating.md",
    "docs/platforms.md",
    "docs/quickstart.md",
    "docs/rest.md",
    "docs/sessions.md",
    "docs/xqueue.md",
    "packages/gradequeue-grader/README.md",
]
# These stay in their terminal until they are stopped.
STAY = re.compile(r"gradequeue serve\b|python3 (?:examples/)?grader\.py\b")
# Where the pages say that the server is.
HOME = "127.0.0.1:8000"
# What a reader has not set; the suite has.
SETTINGS = ("GRADEQUEUE_", "DATABASE_URL", "CACHE_URL", "DJANGO_SETTINGS_MODULE")
END = "-- the command is over --"
# For what a grader beside us needs before the page can show it (seconds).
PATIENCE = 180

# In this order: a later one must not see what an earlier one left.
FORMS = {
    "<uuid>": r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    "<time>": r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:\+00:00)?",
    "<moment>": r"\b2\d{13}\b",
    "<expires>": r"(?<=expires=)\d+",
    "<secret>": r"(?<![\w-])(?:[\w-]{43}|[\w-]{32,33})(?![\w-])",
    "<process>": r"(?<=<time> )\d+(?= )",
    "<seconds>": r"(?<=, in )\d+(?:\.\d+)?(?= s$)",
    "<age>": r'(?<="oldest_age_seconds": )\d+(?:\.\d+)?',
    "<ago>": r"\b\d+(?:\.\d)? (?:s|min)(?= ago\b)",
    "<duration>": r"\b\d+(?:\.\d)? (?:s|min)\b(?= +- )",
    " ": r" +",
}


@dataclass
class Step:
    """A command, and what the page shows of what it prints."""

    command: str
    shown: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    file: str
    """The name under which the reader saves it, if any."""
    text: str
    above: str
    """The line of text above it."""
    line: int
    """Where it begins."""


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in re.finditer(r"^( *)```(\S*) ?(.*)\n((?:.*\n)*?) *```$", text, re.MULTILINE):
        indent, language, file, inside = found.groups()
        above = text[: found.start()].rstrip("\n").rpartition("\n")[2].strip()
        line = text.count("\n", 0, found.start()) + 1
        yield Block(language, file, re.sub(f"^{indent}", "", inside, flags=re.MULTILINE), above, line)


def steps(page: Path) -> Iterator[Step]:
    """Every command in the page's console blocks, and every file that is to be saved, in their order."""
    for block in blocks(page):
        if block.file:
            yield Step(f"cat > {block.file} <<'END OF THE FILE'\n{block.text}END OF THE FILE")
        elif block.language == "console" and not is_left_out(block):
            yield from _commands(block.text)


def is_left_out(block: Block) -> bool:
    """Whether the page says that its tests do not run it."""
    return block.above.startswith("*Not run by a test: ")


def _commands(text: str) -> Iterator[Step]:
    for first, *lines in (one.splitlines() for one in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]):
        more = list(itertools.takewhile(lambda line: line == ">" or line.startswith("> "), lines))
        yield Step("\n".join([first, *(line[2:] for line in more)]), lines[len(more) :])


def fits(shown: list[str], printed: list[str]) -> bool:
    """Whether `printed` reads as the page shows it."""
    parts = [r"[^\0]*" if line == "..." else re.escape(_formed(line)) for line in shown]
    return re.fullmatch("\n".join(parts), "\n".join(map(_formed, printed))) is not None


def _formed(line: str) -> str:
    for form, pattern in FORMS.items():
        line = re.sub(pattern, form, line)
    return line.rstrip()


class Reader:
    """A shell in an empty folder, with what it left running. Only the port of the server is another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[int] = []
        self.address = f"127.0.0.1:{free_port()}"
        # The pages are read in a clone; of the clone, they need the examples only.
        (folder / "examples").symlink_to(ROOT / "examples")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment["HOME"] = str(folder / "home")
        (folder / "home").mkdir()
        environment["GRADEQUEUE_BASE_URL"] = f"http://{self.address}"
        pipe = subprocess.PIPE
        self.shell = subprocess.Popen(
            ["bash"], cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )

    def follow(self, step: Step) -> list[str]:
        """The lines that are printed where the page shows `step.shown`."""
        stays = STAY.search(step.command) is not None
        printed = self._start(step.command) if stays else self._type(step.command)
        until = time.monotonic() + PATIENCE
        while not fits(step.shown, printed) and time.monotonic() < until:
            if not stays and not step.command.startswith("gradequeue show"):
                break  # a second try of another command would be another thing than the first
            time.sleep(0.3)
            printed = self._log(len(self.running) - 1) if stays else self._type(step.command)
        return printed

    def _type(self, command: str) -> list[str]:
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{command.replace(HOME, self.address)}\necho; echo '{END}'\n")
        self.shell.stdin.flush()
        # A command that waits for more input, or for ever, ends with the shell that it is in.
        patience = threading.Timer(PATIENCE * 2, self.shell.kill)
        patience.start()
        lines = [line.rstrip("\n") for line in itertools.takewhile(lambda line: line != f"{END}\n", self.shell.stdout)]
        patience.cancel()
        assert self.shell.poll() is None, f"$ {command}\nnever ended:\n" + "\n".join(lines)
        # Our echo ends a last line that had no end, else it is an empty line of its own.
        return [line.replace(self.address, HOME) for line in (lines if lines[-1] else lines[:-1])]

    def _start(self, command: str) -> list[str]:
        number = len(self.running)
        serves = "gradequeue serve" in command
        port = f" --port {self.address.rpartition(':')[2]}" if serves else ""
        # The shell goes on before the one in the background opens its log.
        (pid,) = self._type(f": > log{number}; {command}{port} >> log{number} 2>&1 & echo $!")
        self.running.append(int(pid))
        if serves:
            self._await_server()
        return self._log(number)

    def _log(self, number: int) -> list[str]:
        return (self.folder / f"log{number}").read_text().replace(self.address, HOME).splitlines()

    def _await_server(self) -> None:
        for _ in range(PATIENCE * 10):
            try:
                requests.get(f"http://{self.address}/xqueue/status/", timeout=1)
                return
            except requests.RequestException:
                time.sleep(0.1)

    def close(self) -> None:
        for pid in reversed(self.running):
            os.kill(pid, signal.SIGTERM)
        with contextlib.suppress(BrokenPipeError):
            self.shell.communicate("wait\n", timeout=40)
