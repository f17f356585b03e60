"""A reply of the XQueue protocol: ``{"correct", "score", "msg"}``, where the score is a share and `msg` is HTML."""

from __future__ import annotations

from html import escape
from typing import Any

from gradequeue_grader.formats.parts import name_of, text_of, told, verdict
from gradequeue_grader.result import NotAResult, Result, Test, learners, share


def read(found: dict[str, Any]) -> Result:
    """Raises NotAResult where there is no score."""
    result = verdict(found)
    if found.get("msg"):
        result["feedback"] = {"format": "html", "text": text_of(found["msg"])}
    return result


def write(result: Result, points_possible: float | None) -> dict[str, Any]:
    """Feedback and visible tests become `msg`. Raises NotAResult where the share is not known."""
    earned = share(result, points_possible or 0)
    if earned is None:
        raise NotAResult("a share of the points is wanted: say how many are possible")
    return {"correct": result.get("correct", earned >= 1), "score": earned, "msg": _message(result)}


def _message(result: Result) -> str:
    seen = learners(result)
    parts = []
    if "feedback" in seen:
        text = seen["feedback"].get("text", "")
        parts.append(text if seen["feedback"].get("format") == "html" else f"<pre>{escape(text)}</pre>")
    if seen["tests"]:
        parts.append(f"<ul>{''.join(map(_line, seen['tests']))}</ul>")
    html_alone = len(parts) == 1 and seen.get("feedback", {}).get("format") == "html"
    return parts[0] if html_alone else f"<div>{''.join(parts)}</div>"


def _line(test: Test) -> str:
    said = told(test)
    more = "" if said is None else f"<pre>{escape(said)}</pre>"
    return f"<li>{escape(name_of(test))}: {test['status']}{more}</li>"
