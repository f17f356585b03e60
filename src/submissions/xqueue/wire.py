"""The codec of the dialect: text in, frozen data out, and back. It knows no database and no HTTP.

Three layers of JSON in JSON: see ``docs/xqueue.md``. What cannot be understood raises Malformed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from submissions.text import LARGEST_ID, made_storable

NO_OBJECT = "The reply is not a JSON object."
NO_SCORE = "The reply has no score."
TOO_LONG = "The reply is longer than {} bytes."
# How much of a reply that is too long is kept for the operator (characters).
KEPT_OF_TOO_LONG = 10_000


class Malformed(ValueError):
    """Incorrect reply format"""


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


def envelope(return_code: int, content: str | int) -> dict[str, str | int]:
    return {"return_code": return_code, "content": content}


def parse_result(fields: object, *, longest: int) -> Result:
    """The fields of a put_result request, from a form or from JSON (there also as nested objects).

    `longest`: up to which length replies are kept (bytes of UTF-8).
    """
    if not isinstance(fields, Mapping):
        raise Malformed
    header = _object(fields.get("xqueue_header"))
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
    found = _object_or_none(reply)
    if found is None:
        return Result(submission_id, key, reply, flaw=NO_OBJECT)
    if "score" not in found:
        return Result(submission_id, key, reply, flaw=NO_SCORE)
    return Result(submission_id, key, reply, score=found["score"])


def _object(value: object) -> Mapping[str, object]:
    found = value if isinstance(value, Mapping) else _object_or_none(value)
    if found is None:
        raise Malformed
    return found


def _object_or_none(text: object) -> Mapping[str, object] | None:
    try:
        # NaN and Infinity stay in, so that the queue can say what is wrong with such a score.
        found = json.loads(text) if isinstance(text, str) else None
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
