"""Sends what must arrive: again after whatever passes, until it is answered for good."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from gradequeue_grader.client import Client
from gradequeue_grader.endings import Ending, Failed, Graded
from gradequeue_grader.problems import Busy, GraderError, NotGradequeue, Refused, Unreachable
from gradequeue_grader.verbs import Request, fail, put_result

T = TypeVar("T")
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
# A result that still finds nobody is given up; its lease is over by then, and the job goes to another grader.
PATIENCE_SECONDS = 900.0
# Asked to stop, a worker tries this long.
LAST_SECONDS = 20.0
# What the server says of a body that it will never take.
UNTAKEN = (400, 413, 415)
MESSAGE_CHARACTERS = 4000


class GivenUp(GraderError):
    """It was sent again and again, and never answered."""


def pause_after(tries: int, asked: float | None = None) -> float:
    """Seconds until the next try; what the server asked for comes first. Random: not all workers come at once."""
    if asked is not None:
        return asked + random.random()  # noqa: S311 - no secret
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries, 10)) * (0.5 + random.random() / 2)  # noqa: S311


def insist(client: Client, request: Request[T], stop: threading.Event, tell: Callable[[str], object]) -> T:
    """Send it until it is answered. Raises Refused for an answer that is final, GivenUp."""
    begun = time.monotonic()
    stopped_at: float | None = None
    tries = 0
    while True:
        try:
            return client.send(request)
        except (Unreachable, Busy, NotGradequeue) as error:
            # What stands before a server, and answers while it is away, is no gradequeue either.
            pause = pause_after(tries, error.retry_after if isinstance(error, Busy) else None)
            trouble = error
        if stop.is_set() and stopped_at is None:
            stopped_at = time.monotonic()
        until = begun + PATIENCE_SECONDS if stopped_at is None else stopped_at + LAST_SECONDS
        # However long the server asked to wait, it is asked once more before that is given up.
        pause = min(pause, until - time.monotonic())
        if pause <= 0:
            raise GivenUp(str(trouble)) from trouble
        tell(f"{trouble}; again in {pause:.1f} s")
        tries += 1
        # Asked to stop meanwhile, it tries at once.
        time.sleep(pause) if stop.is_set() else stop.wait(pause)


def deliver(
    client: Client, claim_id: str, ending: Ending, stop: threading.Event, tell: Callable[[str], object]
) -> tuple[Ending, Any]:
    """Tell the queue how a claim ended; what it was told in the end, and its answer. Raises Refused, GivenUp."""
    if isinstance(ending, Graded):
        try:
            return ending, insist(client, put_result(claim_id, ending.result), stop, tell)
        except ValueError as error:
            ending = Failed("grader", f"The result is no JSON: {error}")
        except Refused as error:
            if error.status not in UNTAKEN:
                raise
            ending = Failed("grader", f"The queue does not take the result: {error}")
    return ending, insist(client, fail(claim_id, ending.kind, _as_text(ending.message)), stop, tell)


def _as_text(message: str) -> str:
    """As much as is sent, without what the server takes in no message: a grader may print anything."""
    whole = message.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole[:MESSAGE_CHARACTERS] or "No reason was given."
