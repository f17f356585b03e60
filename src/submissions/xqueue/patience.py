"""How long a grader waits for its answer, and what we do when ours took longer.

A database that stood still answers all at once when it goes on, also what was asked by graders that hung up long ago.
A job that is handed to one of these waits a whole lease for nobody, and is then charged with a failure.
"""

from __future__ import annotations

import threading
import time

# No grader waits longer for the answer to a poll (seconds).
PATIENCE = 5.0
# For how long after such a wait this process takes each poll for one whose grader has gone: those that the web server
# kept waiting meanwhile are answered now (seconds).
QUIET = 3.0


class _Request(threading.local):
    """The request that this thread handles."""

    since: float | None = None


class _Process:
    quiet_until = 0.0


_request = _Request()


def begin() -> None:
    """Call it when a request begins, and again when what its sender was slow at is over."""
    _request.since = time.monotonic()


def seconds() -> float:
    """For how long the grader that sent this request has waited."""
    return 0.0 if _request.since is None else time.monotonic() - _request.since


def is_over() -> bool:
    """Whether the grader that sent this request has gone, or may have. A wait that was too long is remembered."""
    now = time.monotonic()
    if _request.since is not None and now - _request.since > PATIENCE:
        _Process.quiet_until = now + QUIET
    return now < _Process.quiet_until
