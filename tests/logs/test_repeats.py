"""What fails again and again is told once a second, with a count, and its traceback once a minute."""

from __future__ import annotations

import io
import logging
import time

import pytest

from gradequeue.http import request_ids
from gradequeue.monitoring import repeats
from gradequeue.monitoring.formats import Line

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _no_request() -> None:
    request_ids.current.set("")


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(log: io.StringIO) -> logging.Logger:
    handler = repeats.RepeatsHandler()
    handler.setStream(log)
    handler.setFormatter(Line())
    logger = logging.Logger("a.logger")
    logger.addHandler(handler)
    return logger


def fail(logger: logging.Logger, path: str, error: Exception) -> None:
    try:
        raise error
    except type(error):
        logger.exception("%s failed", path)


def lines(log: io.StringIO) -> list[str]:
    """Without the times, and without tracebacks but for their heads."""
    shown = [line for line in log.getvalue().splitlines() if "    |" not in line or "Traceback" in line]
    return [line.partition(" ERROR ")[2] or line.strip() for line in shown]


def test_one_failure_is_told_at_once_with_its_traceback(logger: logging.Logger, log: io.StringIO) -> None:
    fail(logger, "/a", ValueError("broken"))
    assert lines(log) == ["a.logger: /a failed", "| Traceback (most recent call last):"]
    assert log.getvalue().splitlines()[-1] == "    | ValueError: broken"


def test_an_outage_is_one_line_a_second_with_a_count(logger: logging.Logger, log: io.StringIO) -> None:
    for number in range(30):
        fail(logger, f"/{number}", ConnectionError("the database is away"))
    assert lines(log) == ["a.logger: /0 failed", "| Traceback (most recent call last):"]
    time.sleep(1.5)
    told = "a.logger: /29 failed: ConnectionError: the database is away (29 times within a second)"
    assert lines(log)[2:] == [told]
    fail(logger, "/30", ConnectionError("the database is away"))
    time.sleep(1.5)
    assert lines(log)[3:] == ["a.logger: /30 failed: ConnectionError: the database is away"]


def test_each_cause_is_told(logger: logging.Logger, log: io.StringIO) -> None:
    for error in (ValueError("one"), ValueError("two"), KeyError("one"), ValueError()):
        fail(logger, "/a", error)
    assert lines(log) == ["a.logger: /a failed", "| Traceback (most recent call last):"] * 4


def test_the_traceback_comes_again_after_a_minute(
    logger: logging.Logger, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "SECOND", 0.05)
    monkeypatch.setattr(repeats, "TRACEBACK_SECONDS", 0.5)
    for _ in range(3):
        fail(logger, "/a", ValueError("broken"))
        time.sleep(0.3)
    assert lines(log) == [
        "a.logger: /a failed",
        "| Traceback (most recent call last):",
        "a.logger: /a failed: ValueError: broken",
        "a.logger: /a failed",
        "| Traceback (most recent call last):",
    ]


def test_what_was_counted_is_told_at_the_end(logger: logging.Logger, log: io.StringIO) -> None:
    for number in range(5):
        fail(logger, f"/{number}", ValueError("broken"))
    for handler in logger.handlers:
        handler.close()
    assert lines(log)[2:] == ["a.logger: /4 failed: ValueError: broken (4 times within a second)"]


def test_lines_without_an_exception_are_all_told(logger: logging.Logger, log: io.StringIO) -> None:
    for number in range(20):
        logger.error("grader %s was refused", number)
    assert lines(log) == [f"a.logger: grader {number} was refused" for number in range(20)]


def test_causes_without_end_take_no_memory_without_end(logger: logging.Logger) -> None:
    (handler,) = logger.handlers
    assert isinstance(handler, repeats.RepeatsHandler)
    for number in range(repeats.MOST_CAUSES * 3):
        fail(logger, "/a", ValueError(str(number)))
    handler.close()
    fail(logger, "/a", ValueError("one more"))
    assert len(handler.told) == 1


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even its words can be had")


def test_who_logs_what_cannot_be_told_goes_on(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # as in production: nothing on standard error
    fail(logger, "/a", Unspeakable())
    try:
        raise ValueError("told")
    except ValueError:
        logger.exception("%s and %s", "one value for two")
