"""What is refused, as `application/problem+json` (RFC 9457): one table of types, and one of the queue's refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from submissions.errors import (
    AlreadyGraded,
    BadReply,
    LeaseLost,
    NotAllowed,
    QueueError,
    QueueFull,
    UnknownJob,
    UnknownQueue,
)

OEP_69 = "https://docs.openedx.org/errors/"
OURS = "urn:gradequeue:problem:"

Errors = Mapping[str, list[str]]


@dataclass(frozen=True)
class Kind:
    """One type of problem."""

    name: str
    title: str
    status: int
    base: str = OURS

    @property
    def uri(self) -> str:
        return self.base + self.name


AUTHN = Kind("authn", "Authentication is needed", 401, OEP_69)
AUTHZ = Kind("authz", "The token does not allow this", 403, OEP_69)
NOT_FOUND = Kind("not-found", "Not found", 404, OEP_69)
VALIDATION = Kind("validation", "The request is not valid", 400, OEP_69)
RATE_LIMITED = Kind("rate-limited", "Too many requests", 429, OEP_69)
INTERNAL = Kind("internal", "Internal error", 500, OEP_69)
CONFLICT = Kind("conflict", "The state does not allow this", 409)
CLAIM_LOST = Kind("claim-lost", "The claim is not current", 409)
ALREADY_GRADED = Kind("already-graded", "The submission is graded already", 409)
INVALID_SCORE = Kind("invalid-score", "The result has no usable score", 422)
IDEMPOTENCY_MISMATCH = Kind("idempotency-mismatch", "The key was used for another request", 422)
QUEUE_FULL = Kind("queue-full", "The queue is full", 429)
TOO_LARGE = Kind("too-large", "Too large", 413)
METHOD = Kind("method", "The method is not allowed here", 405)
MEDIA_TYPE = Kind("media-type", "The media type is not read here", 415)
UNAVAILABLE = Kind("unavailable", "Not available for the moment", 503)

KINDS = (
    AUTHN, AUTHZ, NOT_FOUND, VALIDATION, RATE_LIMITED, INTERNAL, CONFLICT, CLAIM_LOST, ALREADY_GRADED, INVALID_SCORE,
    IDEMPOTENCY_MISMATCH, QUEUE_FULL, TOO_LARGE, METHOD, MEDIA_TYPE, UNAVAILABLE,
)  # fmt: skip

REFUSALS: dict[type[QueueError], tuple[Kind, str]] = {
    UnknownJob: (NOT_FOUND, "There is no such submission."),
    UnknownQueue: (NOT_FOUND, "There is no such queue."),
    LeaseLost: (CLAIM_LOST, "This is no current claim of this account."),
    AlreadyGraded: (ALREADY_GRADED, ""),
    NotAllowed: (CONFLICT, ""),
    BadReply: (INVALID_SCORE, ""),
    QueueFull: (QUEUE_FULL, ""),
}


class Problem(Exception):
    """A refusal on its way to the client."""

    def __init__(
        self, kind: Kind, detail: str = "", errors: Errors | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or kind.title)
        self.kind, self.errors, self.headers = kind, errors, dict(headers or {})
        self.detail = detail or f"{kind.title}."

    def body(self, instance: str | None = None) -> dict[str, object]:
        """`instance`: the address that was asked; none within a batch."""
        found: dict[str, object] = {
            "type": self.kind.uri,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
        }
        if instance is not None:
            found["instance"] = instance
        if self.errors:
            found["errors"] = dict(self.errors)
        return found


def invalid(errors: Errors) -> Problem:
    """Fields that are wrong, each with its sentences."""
    field, sentences = next(iter(errors.items()))
    return Problem(VALIDATION, f"{field}: {sentences[0]}", errors)


def of_refusal(refusal: QueueError) -> Problem:
    kind, detail = next(REFUSALS[one] for one in type(refusal).__mro__ if one in REFUSALS)
    headers = {"Retry-After": "30"} if kind is QUEUE_FULL else {}
    return Problem(kind, detail or str(refusal), headers=headers)
