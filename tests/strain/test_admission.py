"""Threads for probes where everything waits; but who is only slow refuses nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest

from gradequeue.processes.admission import Admission

pytestmark = pytest.mark.once


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def asked(application: Any, path: str, **environ: Any) -> tuple[str, bytes]:
    status: list[str] = []
    body = application({"PATH_INFO": path, **environ}, lambda given, headers: status.append(given))
    return status[0], b"".join(body)


FINE = ("200 OK", b"fine")
BUSY = ("503 Service Unavailable", b'{"return_code": 1, "content": "All is busy; please try again"}')


def test_where_all_wait_the_next_are_refused_and_probes_are_not(threads: ThreadPoolExecutor) -> None:
    goes_on = threading.Event()

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/waits":
            goes_on.wait(20)
        start_response("200 OK", [])
        return [b"fine"]

    admission = Admission(application, most=2)
    waiting = [threads.submit(asked, admission, "/waits") for _ in range(2)]
    assert asked(admission, "/xqueue/status/") == BUSY
    began = time.monotonic()
    assert [asked(admission, "/xqueue/status/") for _ in range(50)] == [BUSY] * 50
    assert asked(admission, "/page") == ("503 Service Unavailable", b"All is busy; please try again\n")
    assert [asked(admission, path) for path in ("/livez", "/readyz", "/readyz/")] == [FINE] * 3
    assert time.monotonic() - began < 1
    goes_on.set()
    assert [one.result() for one in waiting] == [FINE] * 2
    assert asked(admission, "/xqueue/status/") == FINE


def test_a_refused_body_is_read_off(threads: ThreadPoolExecutor) -> None:
    goes_on = threading.Event()

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        goes_on.wait(20)
        start_response("200 OK", [])
        return [b"fine"]

    admission = Admission(application, most=1)
    waiting = threads.submit(asked, admission, "/waits")
    for length in ({"CONTENT_LENGTH": "1000000"}, {"HTTP_TRANSFER_ENCODING": "chunked"}):
        body = BytesIO(b"x" * 1_000_000)
        assert asked(admission, "/xqueue/put_result/", **length, **{"wsgi.input": body}) == BUSY
        assert body.read() == b""
    goes_on.set()
    assert waiting.result() == FINE


def test_who_is_busy_lets_them_wait(threads: ThreadPoolExecutor) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        until = time.thread_time() + 0.9
        while time.thread_time() < until:
            pass
        start_response("200 OK", [])
        return [b"fine"]

    admission = Admission(application, most=1)
    answers = [threads.submit(asked, admission, "/xqueue/status/") for _ in range(3)]
    assert [one.result() for one in answers] == [FINE] * 3


def test_a_request_that_fails_gives_its_place_back() -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise ValueError("broken")

    admission = Admission(application, most=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            admission({"PATH_INFO": "/page"}, None)  # type: ignore[arg-type]
