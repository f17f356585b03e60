"""When a server of ours answers."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

# How often it is asked, and how long for an answer (seconds).
LOOK_SECONDS = 0.1
ANSWER_SECONDS = 5


def near(host: str) -> str:
    """Where a client on this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - nothing is bound here


def tell_when_ready(address: str, port: int, tell: Callable[[], object]) -> None:
    """Call `tell` once a worker answers at `address`; for a thread of its own."""
    while not _answers(near(address), port):
        time.sleep(LOOK_SECONDS)
    tell()


def _answers(host: str, port: int) -> bool:
    asked = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        asked.request("GET", "/livez")
        return asked.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
