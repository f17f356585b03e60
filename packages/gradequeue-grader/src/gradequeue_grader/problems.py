"""What can go wrong between a grader and the queue.

GraderError
  Unreachable       no answer came: it may pass
  Busy              408, 429 or 5xx: it may pass, perhaps after `retry_after` seconds
  NotGradequeue     somebody answered, but no gradequeue
  Refused           any other 4xx: asked again, it would be the same
    NotAllowed      401, 403: the token
    ClaimLost       409: the claim is over, somebody else may have it
    AlreadyGraded   409: another result stands
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

# What may pass by itself, and what is worth the same request again.
PASSING = {408, 429}
# However long somebody in front of the server asks to stay away (seconds).
LONGEST_WAIT = 600.0


@dataclass(frozen=True)
class Problem:
    """`application/problem+json`, as the server sent it."""

    status: int
    type: str
    title: str
    detail: str

    @classmethod
    def read(cls, found: dict[str, Any], status: int) -> Problem:
        """From a problem's object; what is missing is empty."""
        text = {name: str(found.get(name) or "") for name in ("type", "title", "detail")}
        errors = found.get("errors")
        if isinstance(errors, dict):
            text["detail"] = " ".join([text["detail"], *_sentences(errors)]).strip()
        own = found.get("status")
        return cls(status=own if isinstance(own, int) and own else status, **text)

    @property
    def name(self) -> str:
        """The last part of its type: ``claim-lost``, ``validation``..."""
        return self.type.rpartition("/")[2].rpartition(":")[2]

    def __str__(self) -> str:
        return f"{self.detail or self.title or self.name} (HTTP {self.status})"


def _sentences(errors: dict[str, Any]) -> list[str]:
    return [f"{name}: {' '.join(map(str, said)) if isinstance(said, list) else said}" for name, said in errors.items()]


class GraderError(Exception):
    """Something went wrong between a grader and the queue."""


class Unreachable(GraderError):
    """No answer came."""


class Busy(GraderError):
    """The server cannot answer now."""

    def __init__(self, problem: Problem, retry_after: float | None) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.retry_after = retry_after
        """Seconds, where the server has said so."""


class NotGradequeue(GraderError):
    """Somebody answered, but no gradequeue."""


class Refused(GraderError):
    """The server understood, and said no."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem

    @property
    def status(self) -> int:
        """Of HTTP."""
        return self.problem.status


class NotAllowed(Refused):
    """The token is not good, or not good for this."""


class ClaimLost(Refused):
    """The claim is over: its lease has ended and somebody else has the job, or it was given back."""


class AlreadyGraded(Refused):
    """The job has another result."""


NAMED: dict[str, type[Refused]] = {"claim-lost": ClaimLost, "already-graded": AlreadyGraded}


def refusal(problem: Problem) -> Refused:
    """The exception that goes with a problem."""
    if problem.status in (401, 403):
        return NotAllowed(problem)
    return NAMED.get(problem.name, Refused)(problem)


def check(answer: httpx.Response) -> None:
    """Raises Busy, Refused or NotGradequeue where the answer is not a success."""
    if answer.is_success:
        return
    problem = _problem(answer)
    if answer.status_code >= 500 or answer.status_code in PASSING:
        raise Busy(problem or Problem(answer.status_code, "", answer.reason_phrase, ""), _retry_after(answer))
    if problem is None:
        onward = f"; it sends on to {answer.headers['Location']}" if answer.has_redirect_location else ""
        raise NotGradequeue(f"{answer.url}: this is no address of a gradequeue (HTTP {answer.status_code}){onward}.")
    raise refusal(problem)


def _problem(answer: httpx.Response) -> Problem | None:
    if not answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        return None
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return None
    return Problem.read(found, answer.status_code) if isinstance(found, dict) else None


def _retry_after(answer: httpx.Response) -> float | None:
    # The other form, a date, is not one that gradequeue sends.
    text = answer.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdigit() else None
