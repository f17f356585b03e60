"""A course as a folder, or a zip file of one:

    PROBLEM/ans/input_XXX.txt       an expression to evaluate after the program was loaded
    PROBLEM/ans/output_XXX.txt      the value expected, or the output
    PROBLEM/code/correct/*.py       programs that are right
    PROBLEM/code/wrong/*.py         programs that are not
    PROBLEM/code/global.py          runs before each program; may be absent

The problems may lie in a folder ``data``. Other files and folders are left alone.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from gradequeue.demo.course import Attempt, Problem

Place = Path | zipfile.Path


class NotACourse(ValueError):
    """There is no course in this folder."""


def read(path: Path) -> list[Attempt]:
    """The attempts of all problems, by name. Raises NotACourse with a sentence."""
    try:
        attempts = [attempt for place in _problems(_open(path)) for attempt in _attempts(place)]
    except (OSError, zipfile.BadZipFile) as error:
        raise NotACourse(f"{path} cannot be read: {error}") from error
    if not attempts:
        raise NotACourse(f"{path} holds no programs in PROBLEM/code/correct/ or PROBLEM/code/wrong/.")
    return attempts


def _open(path: Path) -> Place:
    if not path.exists():
        raise NotACourse(f"There is no {path}.")
    return path if path.is_dir() else zipfile.Path(str(path))


def _problems(top: Place) -> list[Place]:
    inner = top / "data"
    places = (inner if inner.is_dir() else top).iterdir()
    return sorted((place for place in places if (place / "ans").is_dir()), key=lambda place: place.name)


def _attempts(place: Place) -> Iterator[Attempt]:
    problem = Problem(place.name, tuple(_tests(place / "ans")), _text(place / "code" / "global.py"))
    if not problem.tests:
        raise NotACourse(f"{place.name} has no tests in ans/.")
    for name, right in (("correct", True), ("wrong", False)):
        folder = place / "code" / name
        for file in _files(folder, ".py") if folder.is_dir() else ():
            yield Attempt(problem, file.name.removesuffix(".py"), _text(file), f"in {name}/", right)


def _tests(folder: Place) -> Iterator[dict[str, str]]:
    for file in _files(folder, ".txt"):
        if file.name.startswith("input"):
            expected = folder / file.name.replace("input", "output", 1)
            if not expected.is_file():
                raise NotACourse(f"{file.name} has no {expected.name} beside it.")
            yield {"call": _text(file).strip(), "expect": _text(expected).strip()}


def _files(folder: Place, ending: str) -> Iterable[Place]:
    return sorted((file for file in folder.iterdir() if file.name.endswith(ending)), key=lambda file: file.name)


def _text(file: Place) -> str:
    # Students' files come in any encoding; what is not UTF-8 then shows as such and does not stop the course.
    return file.read_bytes().decode("utf-8", "replace") if file.is_file() else ""
