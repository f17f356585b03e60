"""How many threads may reckon at a password at once: never all of a process, so that who has a session is answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import ngettext

from submissions.accounts.throttle import Throttled
from submissions.words import number

# For how long a login waits for its turn, and when one that was sent away may come again (seconds).
WAIT_SECONDS = 2.0
AGAIN_SECONDS = 2


class Crowded(Throttled):
    """Too many logins at once."""

    def in_words(self) -> str:
        words = ngettext(
            "Too many logins at once; try again in %(seconds)s second",
            "Too many logins at once; try again in %(seconds)s seconds",
            self.seconds,
        )
        return words % {"seconds": number(self.seconds)}


class Places:
    """`most` threads reckon, half as many more wait for WAIT_SECONDS at the longest, others are sent away at once."""

    def __init__(self, most: int) -> None:
        self._hashing = threading.BoundedSemaphore(most)
        self._inside = threading.BoundedSemaphore(most + most // 2)
        self._mine = threading.local()

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place for this thread, unless it has one. Raises Crowded."""
        if getattr(self._mine, "has", False):
            yield
            return
        if not self._inside.acquire(blocking=False):
            raise Crowded(AGAIN_SECONDS)
        try:
            if not self._hashing.acquire(timeout=WAIT_SECONDS):
                raise Crowded(AGAIN_SECONDS)
            self._mine.has = True
            try:
                yield
            finally:
                self._mine.has = False
                self._hashing.release()
        finally:
            self._inside.release()
