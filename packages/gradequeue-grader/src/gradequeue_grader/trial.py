"""One submission without a server: what would the learner see?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradequeue_grader.claims import Claim
from gradequeue_grader.endings import Ending, Failed
from gradequeue_grader.formats.parts import name_of
from gradequeue_grader.result import HIDDEN, VISIBLE, Result, Test, faults, learners, share, word

SIGNS = {"passed": "✓", "failed": "✗", "error": "!", "timeout": "!", "skipped": "-"}


def claim_of(files: dict[str, bytes], answer: str, payload: Any, points_possible: float, seconds: float) -> Claim:
    """A claim as a server would make it, of what lies in a folder."""
    submission = {"uuid": "00000000-0000-4000-8000-000000000000", "attempt_number": 1, "learner_id": "learner"}
    submission |= {"course_id": "course", "item_id": "item", "item_type": "problem"}
    told = {
        "id": "00000000-0000-4000-8000-000000000001",
        "submission": submission,
        "queue_name": "try",
        "answer": answer,
        "grader_payload": payload,
        "student_info": None,
        "files": [{"name": name, "url": "", "size": len(text), "sha256": ""} for name, text in files.items()],
        "links": [],
        "points_possible": points_possible,
        "score_meaning": "ratio",
        "lease_seconds_left": seconds,
        "next_heartbeat_seconds": seconds,
        "previous_claims": 0,
        "last_error": None,
    }
    return Claim.read(told)


def read_submission(path: Path, answer_file: str) -> tuple[dict[str, bytes], str]:
    """The files of a folder, and the answer: what `answer_file` says, or the only file, as text. Raises OSError."""
    if path.is_file():
        return {}, path.read_text("utf-8", "replace")
    files = {file.relative_to(path).as_posix(): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
    named = answer_file if answer_file in files else next(iter(files)) if len(files) == 1 else None
    return files, files[named].decode("utf-8", "replace") if named else ""


def payload_of(path: Path | None) -> Any:
    """JSON where it is JSON, else text. Raises OSError."""
    if path is None:
        return None
    text = path.read_text("utf-8", "replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def shown(ending: Ending, points_possible: float) -> Iterator[str]:
    """What the learner would see, line by line; what is wrong with the result comes first."""
    if isinstance(ending, Failed):
        yield f"No result ({ending.kind}): {ending.message}"
        return
    result = ending.result
    if wrong := faults(result):
        yield "The queue would not take this result:"
        yield from (f"  {fault}" for fault in wrong)
        return
    yield _score(result, points_possible)
    seen = learners(result)
    if "feedback" in seen:
        yield from ("", seen["feedback"].get("text", ""))
    yield ""
    for test in seen["tests"]:
        yield from _test(test)
    if "stdout" in seen:
        yield from ("", seen["stdout"].get("text", ""))
    yield from _hidden(result)


def _score(result: Result, points_possible: float) -> str:
    found = share(result, points_possible)
    if found is None:
        return f"Score: {result.get('points_earned')} points"
    warning = "" if 0 <= found <= 1 + 1e-9 else "  (out of range: the queue refuses it)"
    return f"Score: {found * points_possible:g} of {points_possible:g} ({found:.0%}){warning}"


def _test(test: Test) -> Iterator[str]:
    points = f"  {test['points']:g}" if "points" in test else ""
    most = f" of {test['max_points']:g}" if "points" in test and "max_points" in test else ""
    yield f"{SIGNS[test['status']]} {name_of(test)}{points}{most}"
    for name in ("message", "output", "expected", "actual"):
        if test.get(name):
            label = f"{name}: " if name in ("expected", "actual") else ""
            yield from (f"    {line}" for line in f"{label}{test[name]}".splitlines())


def _hidden(result: Result) -> Iterator[str]:
    words = [word(result, test.get("visibility")) for test in result.get("tests", [])]
    later = [found for found in words if found != VISIBLE]
    if later:
        kinds = ", ".join(f"{later.count(kind)} {kind}" for kind in dict.fromkeys(later))
        yield f"Tests that are not shown: {kinds}"
    if "stdout" in result and result["stdout"].get("visibility", HIDDEN) != VISIBLE:
        yield f"What it printed is not shown: {len(result['stdout'].get('text', ''))} characters"
