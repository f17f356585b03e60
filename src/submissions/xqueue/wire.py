"""The codec of the dialect: text in, frozen data out, and back. It knows no database and no HTTP.

Three layers of JSON in JSON: see ``docs/xqueue.md``. What cannot be understood raises Malformed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from submissions.text import LARGEST_ID, MOST_VALUES, has_too_many_values, is_complete_reply, load_json, made_storable

NO_OBJECT = "The reply is not a JSON object."
NO_SCORE = "The reply has no score."
TOO_LONG = "The reply is longer than {} bytes."
TOO_MANY = f"The reply has more than {MOST_VALUES:,} values."
# A byte order mark, as some editors and languages put it before a text.
MARK = "\ufeff"
# How much of a reply that is too long is kept for the operator (characters).
KEPT_OF_TOO_LONG = 10_000


class Malformed(ValueError):
    """Incorrect reply format"""

    def __init__(self, why: str = "") -> None:
        super().__init__(f"{type(self).__doc__}: {why}" if why else str(type(self).__doc__))


@dataclass(frozen=True)
class Result:
    """What a grader posts to put_result."""

    submission_id: int
    key: str
    reply: str
    """The grader's reply, verbatim but for what no database can keep (`submissions.text.made_storable`)."""
    score: object = None
    """What stands there as the score: anything that JSON can say."""
    flaw: str | None = None
    """Why no score can be in the reply, in words; None where one may be."""
    is_complete: bool = field(default=True, compare=False)
    """Whether it has all that platforms insist on, besides the score."""


def envelope(return_code: int, content: str | int) -> dict[str, str | int]:
    return {"return_code": return_code, "content": content}


def parse_result(fields: object, *, longest: int) -> Result:
    """The fields of a put_result request, from a form or from JSON (there also as nested objects).

    `longest`: up to which length replies are kept (bytes of UTF-8).
    """
    if not isinstance(fields, Mapping):
        raise Malformed
    header = _header(fields.get("xqueue_header"))
    body = fields.get("xqueue_body")
    if isinstance(body, Mapping):
        body = json.dumps(body)
    key = header.get("submission_key")
    if not isinstance(body, str) or not isinstance(key, str):
        raise Malformed
    return read_reply(_id(header.get("submission_id")), key, made_storable(body), longest)


def read_reply(submission_id: int, key: str, reply: str, longest: int) -> Result:
    """What a reply (storable text) says, as far as it is understood."""
    if len(reply.encode()) > longest:
        return Result(submission_id, key, reply[:KEPT_OF_TOO_LONG], flaw=TOO_LONG.format(longest))
    # Not kept: the platform that gets the reply could not read it.
    reply = reply.removeprefix(MARK)
    if has_too_many_values(reply):
        return Result(submission_id, key, reply[:KEPT_OF_TOO_LONG], flaw=TOO_MANY)
    found = _object_or_none(reply)
    if found is None:
        where = place_of_error(reply)
        return Result(submission_id, key, reply, flaw=NO_OBJECT if where is None else f"{NO_OBJECT[:-1]}: {where}.")
    if "score" not in found:
        return Result(submission_id, key, reply, flaw=NO_SCORE)
    return Result(submission_id, key, reply, score=found["score"], is_complete=is_complete_reply(found))


def refusal(flaw: str) -> str:
    """What a grader is told of a reply with this flaw."""
    if not flaw.startswith(NO_OBJECT[:-1]):
        return flaw
    return str(Malformed(flaw.removeprefix(NO_OBJECT[:-1]).strip(" :.")))


def parse_request(text: str) -> object:
    """A request's body that is JSON. Raises Malformed, which says where, and ValueError for NaN and Infinity."""
    text = text.removeprefix(MARK)
    if has_too_many_values(text):
        raise Malformed(f"more than {MOST_VALUES:,} values")
    try:
        return load_json(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Malformed(place_of_error(text) or "") from None


def place_of_error(text: str) -> str | None:
    """What is wrong with a text that was to be a JSON object, and where; None where it is none at all, or breaks off.

    Of texts that were glued together by hand, most of all: a line end or a quote that nobody escaped.
    """
    if not text.lstrip().startswith("{") or has_too_many_values(text):
        return None
    try:
        load_json(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text):
            return None
        what = _WORDS.get(error.msg.removesuffix(" at"), error.msg[:1].lower() + error.msg[1:])
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        return f"{what}, {line}column {error.colno}"
    except (ValueError, RecursionError):  # numbers of thousands of digits; nested beyond all reason
        pass
    return None


# Python's words for it, which speak to who writes the parser.
_WORDS = {
    "Invalid control character": "control character in a text",
    "Unterminated string starting": "a text without its end",
    "Invalid \\escape": "a backslash that escapes nothing",
    "Expecting ',' delimiter": "a comma or the end is missing, or a quote in a text has no backslash",
    "Expecting property name enclosed in double quotes": "a name in double quotes is missing",
    "Expecting value": "a value is missing",
    "Extra data": "there is more after the end",
}


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _header(value: object) -> Mapping[str, object]:
    found = value if isinstance(value, Mapping) else _object_or_none(value)
    if found is None:
        where = place_of_error(value) if isinstance(value, str) else None
        raise Malformed(f"xqueue_header: {where}" if where else "")
    return found


def _object_or_none(text: object) -> Mapping[str, object] | None:
    if not isinstance(text, str) or has_too_many_values(text):
        return None
    try:
        # NaN and Infinity stay in, so that the queue can say what is wrong with such a score.
        found = load_json(text.removeprefix(MARK))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _id(value: object) -> int:
    """An int or a string of digits; 0 stands for every id that is too large to exist."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]+", value):
        value = int(value) if len(value) <= len(str(LARGEST_ID)) else 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise Malformed
    return value if 0 < value <= LARGEST_ID else 0


def submission(*, submission_id: int, key: str, body: str, files: Mapping[str, str]) -> str:
    """The content of a successful get_submission: an object of three JSON texts, as JSON text."""
    return json.dumps(
        {
            "xqueue_header": json.dumps({"submission_id": submission_id, "submission_key": key}),
            "xqueue_body": body,
            "xqueue_files": json.dumps(dict(files)),
        }
    )


def body(*, student_response: object, grader_payload: str, student_info: str) -> str:
    """An xqueue_body, where the platform sent none of its own."""
    response = student_response if isinstance(student_response, str) else json.dumps(student_response)
    return json.dumps({"student_info": student_info, "grader_payload": grader_payload, "student_response": response})


def payload(verbatim: str | None, grader_file_name: str) -> str:
    """The author's grader_payload where the platform sent it, else what edx-submissions makes of it."""
    return json.dumps({"grader": grader_file_name}) if verbatim is None else verbatim


def student_info(student_id: str, submitted_at: datetime) -> str:
    """What a grader is told of the learner where the platform sent nothing of its own."""
    submitted = submitted_at.astimezone(UTC).strftime("%Y%m%d%H%M%S")
    return json.dumps({"anonymous_student_id": student_id, "submission_time": submitted, "random_seed": 1})
