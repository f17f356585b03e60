"""Read submissions from standard input, as JSON objects (one, or one per line), and enqueue them.

Each object: queue_name, course_id, item_id, student_id, answer; optionally item_type, grader_file_name, grader_payload,
points_possible, student_info, queue_key, and files (names to texts, or to http(s) addresses where graders fetch them).
Each gets a line with its ids or its error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import BinaryIO

from django.core.management.base import CommandParser

from submissions import api
from submissions.errors import QueueError, SubmissionError
from submissions.management.base import DataCommand
from submissions.models import ExternalGraderDetail

REQUIRED = ("queue_name", "course_id", "item_id", "student_id", "answer")
ITEM = ("course_id", "item_id", "student_id", "item_type")
OPTIONAL = ("queue_key", "grader_file_name", "grader_payload", "points_possible", "student_info", "files")


class Command(DataCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.epilog = "The output is JSON with or without --json."

    def handle(self, **_: object) -> None:
        refused = 0
        for found in objects(sys.stdin.buffer):
            row = _enqueue(found)
            refused += "error" in row
            self.say(row)
        if refused:
            raise SystemExit(1)


def objects(source: BinaryIO) -> Iterator[object]:
    """What stands in `source`, one value per line, or one value over many lines; ValueError for what is no JSON."""
    lines: Iterator[bytes] = (line for line in source if line.strip())
    first = next(lines, None)
    if first is None:
        return
    opening = _parse(first)
    if isinstance(opening, ValueError) and first.lstrip().startswith(b"{"):
        rest = list(lines)
        whole = _parse(first + b"".join(rest))
        if not isinstance(whole, ValueError):
            yield whole
            return
        lines = iter(rest)
    yield opening
    yield from map(_parse, lines)


def _parse(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return ValueError(f"This is not JSON: {error}")


def _enqueue(found: object) -> dict[str, object]:
    try:
        job = _create(found)
    except (SubmissionError, QueueError, ValueError) as refusal:
        return {"error": str(refusal)}
    return {"submission_id": job.submission_id, "uuid": str(job.submission.uuid)}


def _create(found: object) -> ExternalGraderDetail:
    if isinstance(found, ValueError):
        raise found
    if not isinstance(found, dict):
        raise ValueError(f"A submission must be a JSON object, not {type(found).__name__}.")
    if missing := [name for name in REQUIRED if name not in found]:
        raise ValueError(f"Missing: {', '.join(missing)}.")
    if unknown := sorted(set(found) - {*REQUIRED, *ITEM, *OPTIONAL}):
        raise ValueError(f"Not known: {', '.join(unknown)}.")
    files = {} if found.get("files") is None else found["files"]
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise ValueError("files must be an object of names and texts.")
    item = {"item_type": "problem", **{name: found[name] for name in ITEM if name in found}}
    given = {name: found[name] for name in OPTIONAL if name in found}
    return api.create_external_grader_detail(
        item, found["answer"], found["queue_name"], **{"queue_key": None, **given, "files": files}
    )
