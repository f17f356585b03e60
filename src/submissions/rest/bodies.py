"""A request's body as data: strict JSON, and no more of it than a resource takes."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from django.http import HttpRequest

from submissions.rest.problems import MEDIA_TYPE, TOO_LARGE, VALIDATION, Problem
from submissions.text import has_too_many_values

DEEPEST = 64
# More than the largest batch of results has.
MOST_VALUES = 500_000
KIBI, MEBI = 1024, 1024 * 1024
USUAL_BYTES = 256 * KIBI
RESULT_BYTES = MEBI
BATCH_BYTES = 8 * MEBI
SUBMISSION_BYTES = 10 * MEBI


def read_bytes(request: HttpRequest, most: int, what: str = "The request") -> bytes:
    """The body, where it has at most `most` bytes. Raises Problem."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    declared = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else 0
    # read(), not body: how much is too much is not what a host allows its own forms.
    body = b"" if declared > most else request.read(most + 1)
    if max(declared, len(body)) > most:
        raise Problem(TOO_LARGE, f"{what} is larger than {most} bytes.")
    return body


def read_json(request: HttpRequest, most: int = USUAL_BYTES, *, needed: bool = False) -> Any:
    """The body's JSON value; an empty object where there is no body and none is needed. Raises Problem."""
    body = read_bytes(request, most)
    if not body:
        if needed:
            raise Problem(VALIDATION, "The body is empty.")
        return {}
    if request.content_type != "application/json":
        raise Problem(MEDIA_TYPE, "The body must be application/json.", headers={"Accept": "application/json"})
    return parse(body)


def parse(body: bytes) -> Any:
    """Strict JSON: UTF-8, no member twice, no NaN, nested to DEEPEST at the most. Raises Problem."""
    try:
        text = body.decode()
        if has_too_many_values(text, MOST_VALUES):
            raise _Refused(f"The body has more than {MOST_VALUES:,} values.")
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_not_finite,
            parse_float=_finite,
            parse_int=_whole,
        )
    except UnicodeDecodeError:
        raise Problem(VALIDATION, "The body is not UTF-8.") from None
    except RecursionError:
        raise Problem(VALIDATION, TOO_DEEP) from None
    except _Refused as refused:
        raise Problem(VALIDATION, str(refused)) from None
    except ValueError as error:
        raise Problem(VALIDATION, f"The body is malformed JSON: {str(error)[:200]}.") from None
    if _depth_is_over(value, DEEPEST):
        raise Problem(VALIDATION, TOO_DEEP)
    return value


TOO_DEEP = f"The body is nested deeper than {DEEPEST}."


class _Refused(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise _Refused(f"The member {twice[:100]!r} stands twice in one object.")
    return found


def _not_finite(word: str) -> float:
    raise _Refused(f"{word} is no number of JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused(f"The number {text[:40]} is too large.")
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python reads so many digits and no more
        raise _Refused(f"The number {text[:40]}... is too large.") from None


def _depth_is_over(value: Any, left: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if not left:
        return True
    parts = value.values() if isinstance(value, dict) else value
    return any(_depth_is_over(part, left - 1) for part in parts)
