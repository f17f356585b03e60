"""Where a web worker's time goes: py-spy looks at its stacks from outside, while the load goes on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure
from benchmarks.match import Contestant, Round

RATE = 250
"""Looks per second and worker."""

# The innermost frame that one of these fits names the layer; what lies below it (the standard library) is its doing.
LAYERS = (
    ("database driver", r"psycopg|MySQLdb|sqlite3"),
    ("Django: SQL from querysets", r"django/db/models/"),
    ("Django: connections, cursors, transactions", r"django/db/"),
    (
        "Django: sessions, accounts, signing",
        r"django/contrib/|django/core/signing|django/utils/crypto|gradequeue/accounts/",
    ),
    ("Django: requests, responses, middleware", r"django/|whitenoise/"),
    ("Django REST framework", r"rest_framework/"),
    ("submissions: dialect", r"submissions/xqueue/"),
    ("submissions: log lines", r"submissions/logs|logging/"),
    ("submissions: everything else", r"submissions/"),
    ("gradequeue", r"gradequeue/"),
    ("granian", r"granian/"),
)
FRAME = re.compile(r"^(?P<name>.*) \((?P<file>[^()]*)\)$")
# What every stack begins with says nothing.
FRAMES_OF_ALL = 0.985


@dataclass(frozen=True)
class Profile:
    """Shares of the samples of one kind of call, largest first."""

    milliseconds: float
    """CPU time of the web processes per call."""
    layers: dict[str, float]
    functions: dict[str, float]
    """With everything that they call."""


def during(one: Contestant, load: Callable[[], Round]) -> Profile:
    """What the workers of `one` do while `load` runs."""
    workers = [process.pid for process in measure.tree(one.pid) if process.pid != one.pid]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(pid) for pid in workers]
        watchers = [_watch(pid, file) for pid, file in zip(workers, files, strict=True)]
        round_ = load()
        for watcher in watchers:
            watcher.send_signal(2)  # as Ctrl-C: it writes what it has
            watcher.wait(timeout=60)
        stacks = [line for file in files if file.exists() for line in file.read_text().splitlines()]
    return _summed(stacks, round_.per_operation(round_.web) or 0.0)


def _watch(pid: int, file: Path) -> subprocess.Popen[bytes]:
    found = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{Path.home() / '.local/bin'}") or shutil.which(
        "py-spy"
    )
    if found is None:
        raise SystemExit("The profile needs py-spy: uv sync --inexact --group bench")
    command = [found, "record", "--pid", str(pid), "--rate", str(RATE), "--duration", "3600"]
    options = ["--format", "raw", "--function", "--nonblocking", "--gil", "--output", str(file)]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _summed(stacks: list[str], milliseconds: float) -> Profile:
    layers: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    total = 0
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = [frame for frame in stack.split(";") if FRAME.match(frame)]
        layers[_layer(frames)] += int(count)
        total += int(count)
        for frame in {_short(frame) for frame in frames}:
            functions[frame] += int(count)
    telling = {name: count for name, count in functions.items() if count < FRAMES_OF_ALL * total}
    return Profile(milliseconds, _shares(layers, total), _shares(Counter(telling), total))


def _shares(counts: Counter[str], total: int) -> dict[str, float]:
    return {name: count / total for name, count in counts.most_common()}


def _layer(frames: list[str]) -> str:
    for frame in reversed(frames):
        for layer, pattern in LAYERS:
            if re.search(pattern, frame):
                return layer
    return "the rest"


def _short(frame: str) -> str:
    """``name (package/module.py)`` without the path to the package."""
    return re.sub(r"\(.*?(?:site-packages/|/src/|/lib/python[\d.]+/)", "(", frame)
