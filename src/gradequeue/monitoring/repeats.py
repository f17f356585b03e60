"""An outage in the log: one line for each cause and second, with a count, and its traceback once a minute.

Without this each request that fails writes some 65 lines, and what began the outage is soon rotated away.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from dataclasses import dataclass
from typing import TextIO

from submissions.text import first_line

SECOND = 1.0
TRACEBACK_SECONDS = 60.0
# Causes that are remembered; who has more of them is told some tracebacks again.
MOST_CAUSES = 200
# So much of what an error says tells it from others (characters).
CAUSE_LENGTH = 200

Cause = tuple[str, str]


@dataclass
class _Told:
    """What the log has of one cause."""

    traceback_at: float | None = None
    """time.monotonic()"""
    next_at: float = 0.0
    """When its next line may be written (time.monotonic()); what comes before is counted."""
    count: int = 0
    newest: logging.LogRecord | None = None
    """Of those that were counted."""


class RepeatsHandler(logging.StreamHandler[TextIO]):
    """Records without an exception pass. Those with one are told by their cause: its class and its first line."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[Cause, _Told] = {}

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._emit(record)
        except Exception:  # who logs must not fail by it
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            super().emit(record)
            return
        cause = type(error).__name__, first_line(error)[:CAUSE_LENGTH]
        told = self.told.get(cause) or self._new(cause)
        wait = told.next_at - time.monotonic()
        if wait <= 0:
            self._tell(cause, told, record, told.count + 1)
            return
        told.count, told.newest = told.count + 1, record
        if told.count == 1:
            timer = threading.Timer(wait, self._end_second, [cause])
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """The last counts are told, too."""
        for cause in list(self.told):
            self._end_second(cause)
        super().close()

    def _new(self, cause: Cause) -> _Told:
        if len(self.told) >= MOST_CAUSES:
            self.told = {known: told for known, told in self.told.items() if told.count}
        return self.told.setdefault(cause, _Told())

    def _tell(self, cause: Cause, told: _Told, record: logging.LogRecord, count: int) -> None:
        line, now = copy.copy(record), time.monotonic()
        line.msg, line.args = record.getMessage(), ()
        if told.traceback_at is not None and now - told.traceback_at < TRACEBACK_SECONDS:
            line.msg += f": {': '.join(filter(None, cause))}"
            line.exc_info = line.exc_text = None
        else:
            told.traceback_at = now
        if count > 1:
            line.msg += f" ({count} times within a second)"
        super().emit(line)
        told.next_at, told.count, told.newest = now + SECOND, 0, None

    def _end_second(self, cause: Cause) -> None:
        self.acquire()
        try:
            told = self.told.get(cause)
            if told is not None and (newest := told.newest) is not None:
                try:
                    self._tell(cause, told, newest, told.count)
                except Exception:
                    self.handleError(newest)
        finally:
            self.release()


class AnsweredFilter(logging.Filter):
    """Leaves out Django's line for an answer of 500 or more that a view gave by itself: it has logged why."""

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info) or record.levelno < logging.ERROR
