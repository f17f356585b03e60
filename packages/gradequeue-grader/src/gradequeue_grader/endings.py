"""How one job ends: with a result, or with a failure of one of three kinds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradequeue_grader.formats import Ungradable
from gradequeue_grader.result import NotAResult, Result, fit
from gradequeue_grader.tasks import INFRASTRUCTURE, UNGRADABLE, Outcome
from gradequeue_grader.verbs import Kind

# Of what it printed, in a failure's message (characters).
LAST_WORDS = 2000


@dataclass(frozen=True)
class Graded:
    """It has a result."""

    result: Result


@dataclass(frozen=True)
class Failed:
    """It has none."""

    kind: Kind
    message: str


Ending = Graded | Failed


def judged(outcome: Outcome, read: Callable[[Outcome], Any], own_file: bool) -> Ending:
    """What came of a run. `read` finds the result, and raises NotAResult or Ungradable.

    `own_file`: a result that was left in its file counts, whatever the exit status, as on the platforms that such a
    grader was written for.
    """
    if outcome.stopped:
        return Failed("grader" if outcome.began else "infrastructure", outcome.stopped)
    if outcome.status and not (own_file and outcome.answer):
        return _failed(outcome)
    try:
        found = read(outcome)
        if not isinstance(found, dict):
            raise NotAResult("it is no object")
        result: Result = {"usage": outcome.usage, **found}  # type: ignore[typeddict-item]
        return Graded(fit(result))
    except Ungradable as error:
        return Failed("ungradable", str(error))
    except NotAResult as error:
        return Failed("grader", with_last_words(f"The grader left no result: {error}.", outcome))


def _failed(outcome: Outcome) -> Failed:
    status = outcome.status or 0
    if status == UNGRADABLE:
        return Failed("ungradable", _last_words(outcome) or "The grader says that this cannot be graded.")
    how = f"signal {-status}" if status < 0 else f"signal {status - 128}" if status > 128 else f"status {status}"
    kind: Kind = "infrastructure" if status in INFRASTRUCTURE else "grader"
    return Failed(kind, with_last_words(f"The grader ended with {how}.", outcome))


def with_last_words(sentence: str, outcome: Outcome) -> str:
    """And what it wrote last to standard error."""
    words = _last_words(outcome)
    return f"{sentence}\n{words}" if words else sentence


def _last_words(outcome: Outcome) -> str:
    return outcome.stderr.text.strip()[-LAST_WORDS:]
