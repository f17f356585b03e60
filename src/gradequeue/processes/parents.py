"""A process that must not outlive the one that started it."""

from __future__ import annotations

import multiprocessing
import os
import time

# How often it looks (seconds).
LOOK_SECONDS = 0.5


def outlive() -> None:
    """Return when the process that started this one is gone.

    By its number: the pipe that multiprocessing would wait for is inherited by what is started later, too, and stays
    open as long as any of those lives.
    """
    parent = multiprocessing.parent_process()
    while parent is not None and os.getppid() == parent.pid:
        time.sleep(LOOK_SECONDS)
