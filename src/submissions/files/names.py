"""What graders call a learner's files: names that cannot lead out of the folder they are written to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

# What a file is called of whose name nothing is left.
UNNAMED = "file"


def name_for_graders(names: Iterable[str]) -> list[str]:
    """For each name as the learner's file was called, one that a grader may join to a folder of its own.

    Relative and without ``..``, drive letters and characters that cannot be printed; folders within stay. A name that
    has none of these stays as it is. Of two that would become one, the later is told apart by a number: ``a (2).py``.
    """
    given = list(names)
    taken = {name for name in given if _inside(name) == name}
    found: list[str] = []
    for name in given:
        inside = _inside(name)
        if inside != name:
            inside = _free(inside, taken)
            taken.add(inside)
        found.append(inside)
    return found


def _inside(name: str) -> str:
    printable = "".join(letter for letter in name if letter.isprintable()).replace("\\", "/")
    parts = [re.sub(r"^([A-Za-z]:)+", "", part) for part in printable.split("/")]
    return "/".join(part for part in parts if part.strip(" .")) or UNNAMED


def _free(name: str, taken: set[str]) -> str:
    path, number = PurePosixPath(name), 1
    while name in taken:
        number += 1
        name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
    return name
