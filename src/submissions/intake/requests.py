"""What a platform hands in over HTTP, as text: XQueue's header and body, and what can be recognised in them.

Pure: it knows no tables and no HTTP. Header and body stay as they came; what is read out of them is for the people who
look for a job, and none of it is needed to grade it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from submissions.text import has_too_many_values, load_json, queue_name_of, storable

# Of a student item's columns (characters).
LONGEST_NAME = 255
# Copies of what stands in the body anyway, for who looks at a job; longer ones are left there (characters).
LONGEST_COPY = 64 * 1024
NOBODY = "unknown"


class BadSubmitRequest(ValueError):
    """Queue request has invalid format"""

    def __init__(self, why: str = "") -> None:
        super().__init__(f"{type(self).__doc__}: {why}" if why else str(type(self).__doc__))


@dataclass(frozen=True)
class SubmitRequest:
    """One submission of a platform. Raises BadSubmitRequest where it cannot be understood."""

    header: str
    """The xqueue_header, verbatim: it goes back with the result."""
    body: str
    """The xqueue_body, verbatim: it goes to the grader."""
    queue_name: str
    callback_url: str
    lms_key: str
    """The platform's own name for the attempt."""
    content: Mapping[str, object] = field(default_factory=dict)
    """The body's members, where it is a JSON object."""

    @property
    def learner(self) -> str | None:
        """The learner's id: in student_info, else in an LMS's callback URL; None where neither says."""
        info = _object(self.content.get("student_info"))
        return _name(info.get("anonymous_student_id")) or _name(_place(self.callback_url).get("user"))

    @property
    def student_item(self) -> dict[str, str]:
        """Learner, course and item; the host and the whole callback URL where it is not an LMS's."""
        place = _place(self.callback_url)
        return {
            "student_id": self.learner or NOBODY,
            "course_id": _name(place.get("course")) or _name(place.get("host")) or NOBODY,
            "item_id": _name(place.get("block")) or _name(self.callback_url) or NOBODY,
            "item_type": "problem",
        }

    @property
    def answer(self) -> object:
        """The student_response; the whole body where it has none."""
        response = self.content.get("student_response")
        return self.body if response is None else response

    @property
    def grader_payload(self) -> str | None:
        return _copy(self.content.get("grader_payload"))

    @property
    def student_info(self) -> str | None:
        return _copy(self.content.get("student_info"))

    @property
    def grader_file_name(self) -> str:
        """The payload's "grader", which the watchers' own graders go by; "" where there is none."""
        name = _object(self.content.get("grader_payload")).get("grader")
        return name[:128] if isinstance(name, str) and storable(name) else ""


def parse(header: object, body: object) -> SubmitRequest:
    """From the two fields of a submit request: texts, or, in JSON, objects. Raises BadSubmitRequest."""
    header, body = _as_text(header), _as_text(body)
    if header is None or body is None:
        raise BadSubmitRequest
    head = _object(header)
    names = [head.get(name) for name in ("queue_name", "lms_callback_url", "lms_key")]
    queue_name, callback_url, lms_key = (_as_word(name) for name in names)
    if queue_name is None or callback_url is None or lms_key is None:
        raise BadSubmitRequest
    for name, text in (("xqueue_header", header), ("xqueue_body", body), ("lms_callback_url", callback_url)):
        if not storable(text):
            raise BadSubmitRequest(f"{name} has characters that cannot be kept (NUL, or half of a surrogate pair)")
    return SubmitRequest(header, body, queue_name_of(queue_name), callback_url, lms_key, _object(body))


def _place(callback_url: str) -> dict[str, str]:
    """Host, and of an LMS's address (``/courses/<course>/xqueue/<user>/<block>/score_update``) course, user, block."""
    try:
        parts = urlsplit(callback_url)
        host = parts.hostname or ""
    except ValueError:
        return {}
    course, _, rest = parts.path.partition("/courses/")[2].partition("/xqueue/")
    user, _, rest = rest.partition("/")
    found = {"course": course, "user": user, "block": rest.rpartition("/")[0]}
    return {"host": host, **{name: unquote(text) for name, text in found.items() if all(found.values())}}


def _as_text(value: object) -> str | None:
    return _dump(value) if isinstance(value, Mapping) else value if isinstance(value, str) else None


def _dump(value: object) -> str | None:
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return None


def _as_word(value: object) -> str | None:
    """A text; numbers too, which other queues took."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else None
    return value if isinstance(value, str) else None


def _object(value: object) -> Mapping[str, object]:
    try:
        found = load_json(value) if isinstance(value, str) and not has_too_many_values(value) else value
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _name(value: object) -> str | None:
    """`value` as a column of a student item may hold it, shortened to what is still one name; None where it is none."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or not storable(text):
        return None
    if len(text) <= LONGEST_NAME:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[: LONGEST_NAME - len(digest) - 1]}~{digest}"


def _copy(value: object) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else _dump(value)
    return text if text is not None and len(text) <= LONGEST_COPY and storable(text) else None
