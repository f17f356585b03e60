"""What a signal sets off, done where it cannot stand still for good."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress


def aside(action: Callable[[], object]) -> Callable[..., None]:
    """A handler of a signal that has `action` done by a thread of its own.

    A handler interrupts the main thread wherever that is. An event that it set there itself could be the very one
    whose lock the main thread holds (it waits for the event, or a second signal comes while the first sets it), and
    neither would go on.
    """

    def handler(*_: object) -> None:
        with suppress(RuntimeError):  # the interpreter is ending, and begins no more threads
            threading.Thread(target=action, daemon=True).start()

    return handler


def stop_event() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set; outside the main thread, where Python allows no handlers, nothing does."""
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, aside(stop.set))
    return stop
