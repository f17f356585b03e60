"""A run as a section of a Markdown page."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import psutil

from tests.nemesis.run import Options, Outcome


def section(outcome: Outcome, command: str) -> str:
    options, ledger = outcome.options, outcome.ledger
    left_out = f" Not run: {', '.join(outcome.not_run)}." if outcome.not_run else ""
    lines = [
        f"## {options.kind}",
        "",
        f"`{command}`",
        "",
        f"{options.kind} {outcome.version}; {_size(options)}. {machine()}{left_out}",
        "",
        "```",
        ledger.text(),
        "```",
        "",
        *[f"* **{found.sort}**: {found.sentence}" for found in ledger.disagreements],
    ]
    return "\n".join(lines).rstrip() + "\n"


def _size(options: Options) -> str:
    return (
        f"{options.seconds:g} seconds of faults, {options.graders} graders, {options.workers} web workers, "
        f"leases of {options.lease} seconds, seed {options.seed}"
    )


def machine() -> str:
    """Cores, memory and versions, in a sentence."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB; Python {platform.python_version()}, Django {version('Django')}, "
        f"granian {version('granian')}, Linux {platform.release().split('-')[0]}."
    )


def written(page: Path, kind: str, section: str, *, title: str = "# The ledger under faults") -> str:
    """The page's text with the section of this database replaced, or added at the end."""
    text = page.read_text() if page.exists() else f"{title}\n"
    old = re.compile(rf"^## {kind}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if old.search(text):
        return old.sub(lambda _: section + "\n", text, count=1).rstrip() + "\n"
    return f"{text.rstrip()}\n\n{section}"
