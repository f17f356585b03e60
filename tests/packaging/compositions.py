"""compose.yaml as Compose reads it: with the values of `.env` in the place of its variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
# ${NAME}, ${NAME:-usual} or ${NAME:?what to do}.
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def variables(text: str) -> set[str]:
    return {found[1] for found in VARIABLE.finditer(text)}


def read(path: Path, values: Mapping[str, str]) -> dict[str, Any]:
    """Raises KeyError for a variable that must be set and is not."""

    def value(found: re.Match[str]) -> str:
        name, kind, word = found.groups()
        if kind == "-":
            return values.get(name) or word
        if not values.get(name):
            raise KeyError(name)
        return values[name]

    # Its comments have no variables; a value with a quote or a colon would be another document.
    loaded: dict[str, Any] = yaml.safe_load(VARIABLE.sub(value, path.read_text()))
    return loaded


def example() -> dict[str, str]:
    """The lines of `.env.example`, without those that are commented out."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
