"""What graders call a learner's files: names that cannot lead out of the folder they are written to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate
from pathlib import PurePosixPath

# What a file is called of whose name nothing is left.
UNNAMED = "file"


def name_for_graders(names: Iterable[str]) -> list[str]:
    """For each name as the learner's file was called, one that a grader may join to a folder of its own.

    Relative and without ``..``, drive letters and characters that cannot be printed; folders within stay. A name that
    has none of these stays as it is. Of two that would become one, the later is told apart by a number: ``a (2).py``;
    and so is one that is a file and another's folder (``a`` and ``a/b.py``), which no folder can hold together.
    """
    given = list(names)
    taken: set[str] = set()
    folders: set[str] = set()
    found: dict[int, str] = {}
    # What stays as it is comes first.
    for number, name in sorted(enumerate(given), key=lambda one: _inside(one[1]) != one[1]):
        found[number] = _free(_inside(name), taken, folders)
        taken.add(found[number])
        folders.update(_folders(found[number]))
    return [found[number] for number in range(len(given))]


def _inside(name: str) -> str:
    printable = "".join(letter for letter in name if letter.isprintable()).replace("\\", "/")
    parts = [re.sub(r"^([A-Za-z]:)+", "", part) for part in printable.split("/")]
    return "/".join(part for part in parts if part.strip(" .")) or UNNAMED


def _free(name: str, taken: set[str], folders: set[str]) -> str:
    # A folder that is a file already can hold nothing.
    if not taken.isdisjoint(_folders(name)):
        name = name.replace("/", "_")
    path, number = PurePosixPath(name), 1
    while name in taken or name in folders:
        number += 1
        name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
    return name


def _folders(name: str) -> list[str]:
    """``a`` and ``a/b`` of ``a/b/c.py``."""
    return list(accumulate(name.split("/")[:-1], "{}/{}".format))
