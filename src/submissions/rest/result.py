"""The codec of results: data in, checked and cut; XQueue's form and a learner's view out. It knows no tables.

`result.schema.json` beside this file says what a Result is made of; here stands what a schema cannot say.
"""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from submissions.markup import sanitised

# The longest texts (bytes of UTF-8); what is longer is cut.
TEXT_BYTES = 65_536
FEEDBACK_BYTES = 256 * 1024
CUT_OF_TEST = ("message", "output", "expected", "actual")
# How far score and points_earned may differ and still say the same (share of the maximum).
TOLERANCE = 1e-9
# Beyond it no number is finite.
LARGEST = 10**300
# So much of the tests is told in XQueue's message (characters).
MESSAGE_LENGTH = 500_000
# A platform reads that message as XML: it has no place for these characters, nor for elements without an end.
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ufffd\U00010000-\U0010ffff]")
WITHOUT_END = re.compile(r"<((?:br|hr|wbr|col)\b[^>]*)>")
VISIBLE, HIDDEN = "visible", "hidden"
LATER = ("after_due_date", "after_published")
WORDS = (VISIBLE, *LATER, HIDDEN)

Data = dict[str, Any]


class BadResult(ValueError):
    """It is no Result; `errors` says why, by the member's path."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name}: {sentences[0]}" for name, sentences in errors.items()))
        self.errors = errors


@dataclass(frozen=True)
class Result:
    """A Result that was read."""

    data: Data
    """As it is kept: as it was sent, but for what was cut, and for characters that no text can have."""
    digest: str
    """SHA-256 of the JSON value as it was sent, as hex."""
    score: float | None
    """The share of the points, or the points; None: there is none."""
    is_share: bool

    @property
    def text(self) -> str:
        return json.dumps(self.data, ensure_ascii=True, separators=(",", ":"))


@cache
def schema() -> Data:
    """The JSON Schema of a Result."""
    found: Data = json.loads((Path(__file__).parent / "result.schema.json").read_text())
    return found


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def read(sent: object, possible: float | None) -> Result:
    """`sent`: JSON as Python has it. `possible`: the maximum; None where only the platform knows it.

    Raises BadResult.
    """
    if errors := _errors(sent) or _too_large(sent, ""):
        raise BadResult(errors)
    data: Data = _made_text(sent)
    score, is_share = _score(data, possible)
    _cut(data)
    return Result(data, digest_of(sent), score, is_share)


def digest_of(value: object) -> str:
    """SHA-256 of a JSON value, however it is spelled."""
    text = json.dumps(_plain(value), ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    """1.0 is 1: one number of JSON."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


# What is wrong. ------------------------------------------------------------------------------------------------------


def _errors(sent: object) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for error in _validator().iter_errors(sent):
        for name, sentence in _in_words(error):
            found.setdefault(name, []).append(sentence)
        if len(found) >= 20:
            break
    return found


KINDS = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


def _in_words(error: ValidationError) -> Iterator[tuple[str, str]]:
    place = ".".join(map(str, error.absolute_path))
    limit: Any = error.validator_value
    instance: Any = error.instance
    schema_here: Any = error.schema
    if error.validator == "additionalProperties":
        known = schema_here["properties"]
        for name in [name for name in instance if name not in known][:20]:
            yield _path(place, _made_text(name)[:100]), "There is no such member."
    elif error.validator == "required":
        for name in limit:
            if name not in instance:
                yield _path(place, name), "This member is needed."
    else:
        kinds = limit if isinstance(limit, list) else [limit]
        sentences = {
            "type": lambda: f"Must be {' or '.join(KINDS[kind] for kind in kinds)}.",
            "enum": lambda: f"Must be one of {', '.join(limit)}.",
            "minimum": lambda: f"Must be {limit} or more.",
            "maxItems": lambda: f"Must have {limit} entries at the most.",
            "maxLength": lambda: f"Must have {limit} characters at the most.",
        }
        yield place or "result", sentences[str(error.validator)]()


def _path(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _too_large(value: Any, place: str) -> dict[str, list[str]]:
    """Whole numbers beyond every float; in `extra` nobody counts with them."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return {place: ["Must be a finite number."]}
    if not isinstance(value, dict | list):
        return {}
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    found = (_too_large(inner, _path(place, str(name))) for name, inner in parts if (place, name) != ("", "extra"))
    return next(filter(None, found), {})


def _made_text(value: Any) -> Any:
    """With the replacement character for NUL and for half of a surrogate pair."""
    if isinstance(value, str):
        # Of most texts a look is enough.
        if "\0" not in value and value.isascii():
            return value
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_made_text(name): _made_text(inner) for name, inner in value.items()}
    return [_made_text(inner) for inner in value] if isinstance(value, list) else value


# The score. ----------------------------------------------------------------------------------------------------------


def _score(data: Data, possible: float | None) -> tuple[float | None, bool]:
    """The score, and whether it is a share. Raises BadResult."""
    score, points = data.get("score"), data.get("points_earned")
    if score is not None and points is not None:
        if possible is not None and not math.isclose(
            score * possible, points, rel_tol=TOLERANCE, abs_tol=TOLERANCE * possible
        ):
            raise BadResult({"points_earned": ["Must agree with score, or one of them be left out."]})
        return (score, True) if possible is not None else (points, False)
    if score is not None:
        return score, True
    if points is not None:
        return points, False
    return _sum_of_tests(data.get("tests", []))


def _sum_of_tests(tests: list[Data]) -> tuple[float | None, bool]:
    """The quotient of the sums where each test with points has a maximum; else the points alone. Raises BadResult."""
    scored = [test for test in tests if "points" in test]
    if not scored:
        return None, True
    earned = _sum(scored, "points")
    if not all("max_points" in test for test in scored):
        return earned, False
    possible = _sum(scored, "max_points")
    return (earned / possible if possible else None), True


def _sum(tests: list[Data], name: str) -> float:
    """Raises BadResult."""
    try:
        return math.fsum(test[name] for test in tests)
    except OverflowError:
        raise BadResult({"tests": [f"The {name} must have a finite sum."]}) from None


# What is too long. ---------------------------------------------------------------------------------------------------


def _cut(data: Data) -> None:
    for test in data.get("tests", []):
        for name in CUT_OF_TEST:
            if name in test:
                test[name] = cut(test[name], TEXT_BYTES)
    for name, most in (("stdout", TEXT_BYTES), ("feedback", FEEDBACK_BYTES)):
        if name in data:
            data[name]["text"] = cut(data[name]["text"], most)


def cut(text: str, most: int) -> str:
    """`text`, or as much of it as has `most` bytes of UTF-8, and a mark that says so."""
    if len(text) * 4 <= most:
        return text
    encoded = text.encode()
    if len(encoded) <= most:
        return text
    kept = encoded[:most].decode(errors="ignore")
    return f"{kept}\n[cut: {len(kept.encode())} of {len(encoded)} bytes]"


# Who may see what. ---------------------------------------------------------------------------------------------------


def visibility_of(part: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Of a part of the result; an unknown word means hidden."""
    word = part.get("visibility", data.get("visibility", VISIBLE))
    return word if word in WORDS else HIDDEN


def visibility_of_stdout(data: Mapping[str, Any]) -> str:
    """Hidden, unless it says so itself."""
    return visibility_of({"visibility": HIDDEN} | dict(data.get("stdout", {})), data)


def view(data: Mapping[str, Any], *, with_hidden: bool) -> Data:
    """What may be told, its HTML sanitised; parts that come later with their word: when, the platform decides."""
    found = {name: value for name, value in data.items() if name not in ("tests", "feedback", "stdout")}
    if "feedback" in data and (with_hidden or visibility_of({}, data) != HIDDEN):
        found["feedback"] = _safe(data["feedback"], ("text",))
    if "tests" in data:
        shown = [test for test in data["tests"] if with_hidden or visibility_of(test, data) != HIDDEN]
        found["tests"] = [_safe(test, CUT_OF_TEST) for test in shown]
    if "stdout" in data and (with_hidden or visibility_of_stdout(data) != HIDDEN):
        found["stdout"] = data["stdout"]
    if not with_hidden:
        # Kept for operators: a grader may put there what learners must not see.
        found.pop("extra", None)
    return found


def _safe(part: Mapping[str, Any], names: tuple[str, ...]) -> Data:
    if part.get("format") != "html":
        return dict(part)
    return {name: sanitised(value) if name in names else value for name, value in part.items()}


def kept(text: str | None) -> Data | None:
    """The Result that a job's row keeps; None where it has none."""
    return json.loads(text) if text else None


# As XQueue's graders say it. -----------------------------------------------------------------------------------------

MARKS = {"passed": "✓", "failed": "✗", "error": "✗", "timeout": "✗", "skipped": "-"}


def xqueue_reply(result: Result, score: object, *, correct: bool) -> str:
    """``{"correct", "score", "msg"}``; `score` and `correct` as far as the result itself does not say."""
    said = {"correct": result.data.get("correct", correct), "score": score, "msg": message(result.data)}
    return json.dumps(said, ensure_ascii=True)


def message(data: Mapping[str, Any]) -> str:
    """What the learner is shown, as one well-formed element: feedback and visible tests."""
    parts = ["<div>"]
    if "feedback" in data and visibility_of({}, data) == VISIBLE:
        parts.append(_as_html(data["feedback"]["text"], data["feedback"].get("format", "text")))
    shown = [test for test in data.get("tests", []) if visibility_of(test, data) == VISIBLE]
    length = 0
    for position, test in enumerate(shown):
        row = _row(test)
        length += len(row)
        if length > MESSAGE_LENGTH:
            parts.append(f"<p>... and {len(shown) - position} more tests</p>")
            break
        parts.append(row)
    if "stdout" in data and visibility_of_stdout(data) == VISIBLE:
        parts.append(_as_html(data["stdout"]["text"], "text"))
    return NOT_IN_XML.sub("", "".join([*parts, "</div>"]))


def _row(test: Mapping[str, Any]) -> str:
    name = html.escape(test.get("name") or test.get("id") or "Test")
    points = f" ({_points(test)})" if "points" in test else ""
    head = f"<p>{MARKS[test['status']]} {name}: {test['status']}{points}</p>"
    texts = [
        (f"<p>{name.capitalize()}:</p>" if name in ("expected", "actual") else "")
        + _as_html(test[name], test.get("format", "text"))
        for name in CUT_OF_TEST
        if test.get(name)
    ]
    return "".join([head, *texts])


def _points(test: Mapping[str, Any]) -> str:
    return f"{test['points']:g} of {test['max_points']:g}" if "max_points" in test else f"{test['points']:g}"


def _as_html(text: str, kind: str) -> str:
    if kind != "html":
        return f"<pre>{html.escape(text)}</pre>" if text else ""
    # XML knows no names for characters either. Within an attribute the library writes `>` by its name.
    clean = WITHOUT_END.sub(r"<\1/>", sanitised(text))
    return f"<div>{clean.replace('&nbsp;', '&#160;')}</div>"


# Of what an XQueue grader said. --------------------------------------------------------------------------------------


def of_reply(reply: str | None) -> Data:
    """A Result made of XQueue's reply; without a score, which stands elsewhere."""
    try:
        said = json.loads(reply or "")
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return {}
    found: Data = {}
    if isinstance(said.get("correct"), bool):
        found["correct"] = said["correct"]
    if isinstance(said.get("msg"), str) and said["msg"]:
        found["feedback"] = {"format": "html", "text": _made_text(said["msg"])}
    return found
