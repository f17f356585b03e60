"""Idempotency-Key: the same request again is the same request, and not a second one."""

from __future__ import annotations

import hashlib
import re

from django.http import HttpRequest

from submissions.rest.problems import IDEMPOTENCY_MISMATCH, Problem, invalid

HEADER = "Idempotency-Key"
FORM = re.compile(r"[\x21-\x7e]{1,255}")


def needed_key(request: HttpRequest, account: str, what: str) -> str:
    """The same, where there must be one."""
    key = request_key(request, account, what)
    if key is None:
        raise invalid({HEADER: ["This header is needed."]})
    return key


def request_key(request: HttpRequest, account: str, what: str) -> str | None:
    """The key as it is kept: unique for the account and for `what` it asks. Raises Problem."""
    given = request.headers.get(HEADER)
    if given is None:
        return None
    if not FORM.fullmatch(given):
        raise invalid({HEADER: ["Must be 1 to 255 visible ASCII characters."]})
    return hashlib.sha256("\0".join((what, account, given)).encode()).hexdigest()


def require_same(kept: str, digest: str) -> None:
    """Raises Problem where the key came with another request before."""
    if kept != digest:
        raise Problem(IDEMPOTENCY_MISMATCH, f"The {HEADER} was used before, with another request.")
