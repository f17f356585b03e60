"""One record of the log is one record, whatever strangers put into it; and it names its request."""

from __future__ import annotations

import json
import logging
import re
import sys

import pytest
from django.test import Client
from pytest_django import Settings

from gradequeue.http import request_ids
from gradequeue.monitoring.formats import Json, Line

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _no_request() -> None:
    request_ids.current.set("")


FORGED = "2026-01-01 00:00:00,000 INFO submissions.queue: login of root"


def record(message: str, *, raised: str | None = None) -> logging.LogRecord:
    info = None
    if raised is not None:
        try:
            raise ValueError(raised)
        except ValueError:
            info = sys.exc_info()
    return logging.LogRecord("a.logger", logging.WARNING, "file.py", 1, "said %s", (message,), info)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_no_text_of_others_begins_a_line_of_the_log(end: str) -> None:
    shown = Line().format(record(f"x{end}{FORGED}", raised=f"y{end}{FORGED}"))
    assert not [line for line in shown.splitlines()[1:] if not line.startswith("    | ")]
    text = Json().format(record(f"x{end}{FORGED}", raised=f"y{end}{FORGED}"))
    assert text.isascii()
    assert text.splitlines() == [text]
    assert json.loads(text)["message"] == f"said x{end}{FORGED}"


def test_json_has_what_machines_look_for() -> None:
    entry = json.loads(Json().format(record("hello", raised="broke")))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", entry.pop("time"))
    assert entry.pop("exception").endswith("ValueError: broke")
    assert entry == {"level": "WARNING", "logger": "a.logger", "message": "said hello"}


def test_both_name_the_request() -> None:
    assert Line().format(record("hello")).endswith(" WARNING a.logger: said hello")
    request_ids.current.set("0123456789abcdef")
    assert Line().format(record("hello")).endswith(" WARNING a.logger: said hello [0123456789abcdef]")
    assert json.loads(Json().format(record("hello")))["request_id"] == "0123456789abcdef"


MADE = re.compile(r"[0-9a-f]{32}")


def named(given: str) -> str:
    return str(Client().get("/livez", headers={"X-Request-ID": given} if given else {})["X-Request-ID"])


def test_an_answer_names_its_request() -> None:
    first, second = named(""), named("")
    assert first != second
    assert MADE.fullmatch(first)


def test_a_proxys_name_for_the_request_is_taken_and_a_strangers_is_not(settings: Settings) -> None:
    given = "7b9c1d5e-3f0a-4a68-9f6b-0d9f3a3a9d11"
    assert MADE.fullmatch(named(given))
    settings.TRUSTED_PROXIES = 1
    assert named(given) == given


@pytest.mark.parametrize(
    "given",
    [
        "short",
        "x" * 65,
        "with space in it",
        "line\nbreak-in-it",
        "<script>alert()</script>",
        "-begins-so",
        "\u00e9" * 9,
    ],
)
def test_a_name_that_is_not_sane_is_not_taken(settings: Settings, given: str) -> None:
    settings.TRUSTED_PROXIES = 1
    assert MADE.fullmatch(named(given))
