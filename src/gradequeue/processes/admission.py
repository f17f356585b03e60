"""How many requests may be under way in a web worker, and the threads that stay free for probes.

Where the database stands still each request waits for it. Without this soon all threads would, and nobody could hear
that the node is not ready; and what the web server had kept meanwhile would be answered when its senders have gone.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from gradequeue.http import addresses, bodies
from submissions.rest.problems import UNAVAILABLE, Problem

# More threads than requests that may be under way.
SPARE_THREADS = 2
# Where none may begin, none has ended for so long, and this process had next to nothing to do meanwhile (as a share of
# the time), the next ones are refused at once. One that is busy is only slow (seconds).
STILL_SECONDS = 0.75
NEXT_TO_NOTHING = 0.05
# Neither waits for the database for longer than a probe does.
# For how long a refused request's body is read off: the spare threads have probes to answer (seconds).
DROP_SECONDS = 2.0
PROBES = {"/livez", "/readyz"}


class Admission:
    """`application`, for up to `most` requests at once besides the probes."""

    def __init__(self, application: WSGIApplication, most: int) -> None:
        self._application = application
        # A token for each that may begin: to take and to put back one costs less than any lock of Python's.
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(most):
            self._tokens.put(None)
        self._stands_still = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").rstrip("/") in PROBES:
            return self._application(environ, start_response)
        if not self._may_begin():
            return _refused(environ, start_response)
        try:
            return self._application(environ, start_response)
        finally:
            self._tokens.put(None)

    def _may_begin(self) -> bool:
        try:
            self._tokens.get_nowait()
        except queue.Empty:
            return self._may_begin_soon()
        self._stands_still = False
        return True

    def _may_begin_soon(self) -> bool:
        while not self._stands_still:
            used = time.process_time()
            try:
                self._tokens.get(timeout=STILL_SECONDS)
            except queue.Empty:
                self._stands_still = time.process_time() - used < NEXT_TO_NOTHING * STILL_SECONDS
            else:
                return True
        return False


def _refused(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    bodies.drop(environ, seconds=DROP_SECONDS)
    kind, body = _busy(environ.get("PATH_INFO", ""))
    start_response(
        "503 Service Unavailable", [("Content-Type", kind), ("Retry-After", "5"), ("Cache-Control", "no-store")]
    )
    return [body]


def _busy(path: str) -> tuple[str, bytes]:
    """In the words of whom it is told to."""
    sentence = "All is busy; please try again"
    if addresses.is_meant_for_graders(path):
        return "application/json", json.dumps({"return_code": 1, "content": sentence}).encode()
    if path.startswith("/api/"):
        return "application/problem+json", json.dumps(Problem(UNAVAILABLE, f"{sentence}.").body(path)).encode()
    return "text/plain; charset=utf-8", f"{sentence}\n".encode()
