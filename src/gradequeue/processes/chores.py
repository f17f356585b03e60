"""What is done now and then beside the requests: harmless where several processes do it at once."""

from __future__ import annotations

import logging
import random
import time

from django.db import close_old_connections, connection

from submissions.statistics import depths, history, samples

logger = logging.getLogger("gradequeue.chores")

# About so often (seconds).
EVERY = 20
# How long to rest after some minutes were counted, in the time that they took: who catches up with a long history has
# all the time there is, and graders have not.
REST = 3


def run() -> None:
    """Never returns; for a thread of its own."""
    while True:
        time.sleep(EVERY * random.uniform(0.75, 1.25))  # noqa: S311 - so that workers do not meet each time
        once()


def once() -> None:
    """Count the minutes that are over, and how deep the queues are. What fails is tried again next time."""
    close_old_connections()
    try:
        while _roll_up():
            pass
        depths.recount()
        samples.take()
    except Exception:  # a database that is away
        logger.exception("the queues could not be counted")
    finally:
        connection.close()


def _roll_up() -> int:
    began = time.monotonic()
    if minutes := history.roll_up():
        time.sleep(REST * (time.monotonic() - began))
    return minutes
