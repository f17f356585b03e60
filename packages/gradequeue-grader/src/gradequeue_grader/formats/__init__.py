"""Formats of results: each can be read as a Result, and all but TAP can be written.

What a format has no place for goes with it and comes back (`leftovers`), where it lets others add something. The
watcher's and XQueue's do not: what they lose is in `LOSSES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from gradequeue_grader.formats import ctrf, gradescope, junit, leftovers, prairielearn, tap, watcher, xqueue
from gradequeue_grader.formats.prairielearn import Ungradable
from gradequeue_grader.result import NotAResult, Result, loads, misfits

__all__ = ["FORMATS", "LOSSES", "Format", "NotAResult", "Ungradable", "read", "write"]

OURS = "gradequeue"

LOSSES = {
    "watcher": "points, visibility, groups, ids, tags, times and formats of tests, statuses but passed and failed, "
    "feedback (unless it came as errors), stdout, usage, grader; tests that are not visible are left out, "
    "output stands as actual where there is no actual",
    "xqueue": "everything but score and correct becomes one HTML message; what is not visible is left out",
}


def _load_object(text: bytes) -> dict[str, Any]:
    found = loads(text)
    if not isinstance(found, dict):
        raise NotAResult("this is no object")
    return found


def _dump_object(found: dict[str, Any]) -> str:
    try:
        text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise NotAResult("it has numbers that are beyond all numbers") from error
    # Half surrogates stand in JSON only as escapes.
    return (text if text.isascii() or _encodes(text) else json.dumps(found, indent=2, allow_nan=False)) + "\n"


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class Format:
    """Text to plain data to a result, and back."""

    read: Callable[[dict[str, Any]], Result]
    write: Callable[[Result, float | None], dict[str, Any]]
    load: Callable[[bytes], dict[str, Any]] = _load_object
    dump: Callable[[dict[str, Any]], str] = _dump_object
    extension: tuple[str, ...] | None = None
    """Where the format lets others add something."""


FORMATS = {
    "gradescope": Format(gradescope.read, gradescope.write, extension=("extra_data", OURS)),
    "prairielearn": Format(prairielearn.read, prairielearn.write, extension=(OURS,)),
    "ctrf": Format(ctrf.read, ctrf.write, extension=("extra", OURS)),
    "junit": Format(junit.read, junit.write, junit.load, junit.dump, extension=("properties", OURS)),
    "watcher": Format(watcher.read, watcher.write),
    "xqueue": Format(xqueue.read, xqueue.write),
}


def read(name: str, text: bytes) -> Result:
    """A report of the format `name` (``json`` is a Result itself). Raises NotAResult, Ungradable."""
    if name == "json":
        return cast(Result, _load_object(text))
    result = tap.read(text) if name == "tap" else _whole(name, FORMATS[name].load(text))
    if "score" not in result and "points_earned" not in result and not _scored(result):
        raise NotAResult("it has neither a score, nor points, nor a test that ran")
    return result


def _scored(result: Result) -> bool:
    return any("points" in test for test in result.get("tests", []))


def _whole(name: str, found: dict[str, Any]) -> Result:
    """With what of the result had no place in the format; without it where somebody else has written that."""
    ours = _taken(found, FORMATS[name].extension)
    plain = _plainly(name, found)
    if not isinstance(ours, dict):
        return plain
    try:
        whole = cast(Result, leftovers.into_result(plain, ours))
    except TypeError:
        return plain
    return plain if misfits(whole) else whole


def _plainly(name: str, found: dict[str, Any]) -> Result:
    """Read by the format's own members alone; what has no place in a result goes to its `extra`."""
    kind = FORMATS[name]
    result = kind.read(found)
    left = leftovers.missing(found, kind.write(result, None))
    if left:
        result["extra"] = {name: left}
    return result


def write(name: str, result: Result, points_possible: float | None = None) -> str:
    """`result` in the format `name`. Raises NotAResult where the format needs to know more, KeyError for ``tap``."""
    if name == "json":
        return _dump_object(dict(result))
    kind = FORMATS[name]
    theirs = result.get("extra", {}).get(name, {})
    try:
        found = leftovers.restored(kind.write(result, points_possible), theirs)
        back = _plainly(name, kind.load(kind.dump(found).encode()))
    except (NotAResult, TypeError, ValueError, AttributeError, KeyError):
        # Somebody else wrote that; it is not what was left over from this format.
        found = kind.write(result, points_possible)
        back = _plainly(name, kind.load(kind.dump(found).encode()))
    if kind.extension and (left := leftovers.of_result(result, back)):
        _put(found, kind.extension, left)
    return kind.dump(found)


def _put(found: dict[str, Any], path: tuple[str, ...], left: dict[str, Any]) -> None:
    *parents, last = path
    for name in parents:
        if not isinstance(found.get(name), dict):
            found[name] = {}
        found = found[name]
    # In XML a value is text.
    found[last] = json.dumps(left) if parents == ["properties"] else left


def _taken(found: dict[str, Any], path: tuple[str, ...] | None) -> Any:
    """What `_put` put, taken out again; None where there is nothing."""
    if path is None:
        return None
    *parents, last = path
    inner: Any = found
    for name in parents:
        inner = inner.get(name)
        if not isinstance(inner, dict):
            return None
    ours = inner.pop(last, None)
    if parents and not inner:
        del found[parents[0]]
    try:
        return loads(ours) if isinstance(ours, str) else ours
    except NotAResult:
        return None
