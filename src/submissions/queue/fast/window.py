"""Where a busy queue's claims begin to look: behind the last one, instead of at the index's beginning (ADR 0090).

What was claimed leaves dead entries there, for the database to step over until they are cleaned away. Claims take the
first due job, so behind the last one is all that is left. Once a second somebody looks at all, for a job that came to
stand earlier; and where there are few claims, all of them do.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import NamedTuple

from submissions.queue.line import BEGINNING

# How long claims may look only behind the last one (seconds), and after how many claims in such a time they do.
LOOK_AT_ALL_SECONDS = 1.0
MANY_CLAIMS = 32
# More queues than a server has.
MOST_REMEMBERED = 2000


class _Window(NamedTuple):
    """One process's claims in one queue since it last looked at all of it."""

    until: float
    """By `time.monotonic`: when it will again."""
    since: datetime
    claims: int
    many: bool


_windows: dict[str, _Window] = {}


def beginning(queue_name: str) -> datetime:
    """Before this time nothing is due in the queue, as far as this process knows."""
    known = _windows.get(queue_name)
    return known.since if known and known.many and time.monotonic() < known.until else BEGINNING


def note(queue_name: str, looked_from: datetime, due_since: datetime) -> None:
    """A claim that looked from `looked_from` on found a job that was due since `due_since`."""
    known, now = _windows.get(queue_name), time.monotonic()
    if known is not None and now < known.until:
        if looked_from <= known.since:
            claims = known.claims + 1
            many = known.many or claims >= MANY_CLAIMS
            _windows[queue_name] = _Window(known.until, max(known.since, due_since), claims, many)
    elif looked_from == BEGINNING and len(_windows) < MOST_REMEMBERED:
        # A claim of an old window opens no new one: somebody must look at all.
        was_busy = known is not None and known.claims >= MANY_CLAIMS and now < known.until + LOOK_AT_ALL_SECONDS
        _windows[queue_name] = _Window(now + LOOK_AT_ALL_SECONDS, due_since, 1, was_busy)


def close(queue_name: str) -> None:
    """The next claim looks at all: nobody knows what stands where."""
    _windows.pop(queue_name, None)
