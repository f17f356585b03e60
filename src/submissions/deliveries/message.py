"""What a destination is told, as text. No tables, no network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from submissions.text import has_message, is_complete_reply

_DECODER = json.JSONDecoder()
_SPACE = " \t\n\r"

NO_SCORE = (
    "<div><p>Your answer could not be graded. This is not your fault: the grader did not give a usable result. "
    "Please tell the course staff.</p></div>"
)
# Parsable as XML and not empty: an LMS takes no other.
NO_MESSAGE = "<p>The grader sent no message.</p>"


@dataclass(frozen=True)
class Message:
    """One result for one destination."""

    delivery_id: int
    attempt: int
    transport: str
    destination: str
    header: str | None
    result: str
    """score or failure."""
    points_earned: float
    points_possible: float
    reply: str
    """The grader's reply with the score in points; for a failure, one that says that there is none."""
    submission_id: int
    submission_uuid: str
    course_id: str
    item_id: str
    student_id: str
    queue_name: str
    queue_key: str
    grader: str
    ready_at: datetime


def no_score() -> str:
    """A reply in the form that platforms know, for a job that ended without a score."""
    return json.dumps({"correct": False, "score": 0, "msg": NO_SCORE})


def in_points(reply: str, points: float) -> str:
    """`reply` with its score as `points`; nothing else in the text is touched, and nothing at all where they agree.

    Parsed and written again, the reply would not be verbatim: large numbers, duplicate names, escapes, spaces, NaN. So
    the value's own text is replaced, wherever the outermost object has a `score`: readers differ in which one counts.
    No regular expression: `msg` may quote one. `points` are those recorded with the score: settings may have changed.
    """
    try:
        spans = list(_members(reply, "score"))
    except (ValueError, IndexError, RecursionError):
        return reply  # no JSON object: it was scored by somebody who knows more of it
    for start, end in reversed(spans):
        found = json.loads(reply[start:end])
        if isinstance(found, bool) or found != points:
            reply = reply[:start] + json.dumps(points) + reply[end:]
    return reply


def completed(reply: str, *, correct: bool) -> str:
    """`reply` with the members ``correct`` and ``msg``, as an LMS insists: of a reply without them it takes nothing,
    and its learner waits forever. Nothing else in the text is touched."""
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        return reply
    if not isinstance(found, dict) or is_complete_reply(found):
        return reply
    if not has_message(found):
        reply = _with_member(reply, "msg", NO_MESSAGE)
    return reply if "correct" in found else _with_member(reply, "correct", correct)


def _with_member(reply: str, name: str, value: object) -> str:
    spans = list(_members(reply, name))
    for start, end in reversed(spans):
        reply = reply[:start] + json.dumps(value) + reply[end:]
    if spans:
        return reply
    at = _past_space(reply, 0) + 1
    rest = "" if reply[_past_space(reply, at)] == "}" else ", "
    return f"{reply[:at]}{json.dumps(name)}: {json.dumps(value)}{rest}{reply[at:]}"


def _members(text: str, wanted: str) -> Iterator[tuple[int, int]]:
    """Where the values of the members of this name of the object stand: readers differ in which of several counts."""
    at = _past_space(text, 0) + 1
    while text[(at := _past_space(text, at))] != "}":
        name, at = _DECODER.raw_decode(text, at)
        start = _past_space(text, _past_space(text, at) + 1)
        _, at = _DECODER.raw_decode(text, start)
        if name == wanted:
            yield start, at
        at = _past_space(text, at)
        at += text[at] == ","


def _past_space(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at
