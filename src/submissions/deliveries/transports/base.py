"""What each transport is: a module with ``send(message)``, which returns once the destination has the result.

It raises `Refused` where it never will, and `Failed`, or anything else, where it may be tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module

from submissions.deliveries.message import Message
from submissions.models import Transport
from submissions.outbound.http import Answer, Failed, Refused

__all__ = ["Failed", "Message", "Refused", "require_done", "retry_after", "sender"]

# The answers of a proxy, or of a server that says itself that it cannot just now.
BUSY = (429, 502, 503, 504)
MOST_PAUSE = 86_400


def sender(transport: str) -> Callable[[Message], None]:
    """The ``send`` of a transport. Raises Refused for one that there is not, ImportError where a package is missing."""
    if transport not in Transport.values:
        raise Refused(f"There is no transport {transport!r}.")
    # Only now: each may need a package of its own.
    found: Callable[[Message], None] = import_module(f"submissions.deliveries.transports.{transport}").send
    return found


def require_done(answer: Answer, *, done: bool, gone: tuple[int, ...] = ()) -> None:
    """Raises Failed or Refused where the answer does not say that the destination has the result."""
    if done:
        return
    sentence = f"It answered {answer.status}."
    if answer.status in gone:
        raise Refused(sentence)
    raise Failed(sentence, unreachable=answer.status in BUSY, retry_after=retry_after(answer))


def retry_after(answer: Answer) -> float | None:
    """For how long a server that is busy asks to be left alone (seconds, a day at the most); None where it does not."""
    given = answer.headers.get("retry-after", "")
    if answer.status not in BUSY or not given:
        return None
    if given.isascii() and given.isdigit():
        return float(min(int(given[:9]), MOST_PAUSE))
    try:
        until = parsedate_to_datetime(given)
        seconds = (until - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, or one without a zone, or with one that there is not
        return None
    return min(max(seconds, 0.0), MOST_PAUSE)
