"""The helpers for text: each stands once, in `submissions.text`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from submissions import text

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "0 s"),
        (-5, "0 s"),
        (0.44, "0.4 s"),
        (42.4, "42 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (599, "9 min"),
        (3600, "1 h"),
        (9402, "2 h 36 min"),
        (86400 * 3 + 4 * 3600, "3 d 4 h"),
        (timedelta(minutes=9), "9 min"),
    ],
)
def test_durations(seconds: float | timedelta | None, words: str) -> None:
    assert text.duration(seconds) == words


def test_counts() -> None:
    assert text.counted(0, "job") == "0 jobs"
    assert text.counted(1, "job") == "1 job"
    assert text.counted(12000, "job waits", "jobs wait") == "12,000 jobs wait"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("1", 1),
        ("007", 7),
        ("2147483647", 2147483647),
        ("2147483648", None),
        ("0", None),
        ("-1", None),
        ("1.0", None),
        ("", None),
        ("²", None),
        ("٣", None),
        ("9" * 5000, None),
    ],
)
def test_ids(given: str, found: int | None) -> None:
    assert text.row_id(given) == found


def test_what_no_database_can_keep() -> None:
    assert text.storable("é \U0001f600\n")
    assert not text.storable("a\0b")
    assert not text.storable("half \ud83d")
    assert text.made_storable("a\0b \ud83d é") == "a\\u0000b \\ud83d é"


def test_text_of_others_stays_on_its_line() -> None:
    assert text.one_line("a\nb\x1b[31m\u2028c") == "a\\nb\\x1b[31m\\u2028c"
    assert text.one_line("x" * 400) == "x" * 300
    assert text.printable("a\nb\tc", keep="\n") == "a\nb\\tc"
    assert text.squeezed(" asked \n to withdraw ", 9) == "asked to "


def test_the_first_line_of_an_error() -> None:
    assert text.first_line(ValueError("\n one \n two")) == "one"
    assert text.first_line(ValueError()) == "ValueError"


@pytest.mark.parametrize(
    ("values", "is_too_much"),
    [
        ("[" + "1," * 99_998 + "1]", False),
        ("[" + "1," * 100_000 + "1]", True),
        ("[" * 100_001, True),
        ('{"msg": "' + "a, [b], {c} " * 100_000 + '"}', False),
        ('["' + '\\"' * 50_000 + "," * 200_000 + '"]', False),
        ('"' + "," * 200_000, True),
        ('["' + "," * 200_000 + "\\", True),
        ('["' + "," * 90_000 + '\\"' * 1000, False),
        ("", False),
    ],
)
def test_values_are_counted_before_a_text_is_read(values: str, is_too_much: bool) -> None:
    assert text.has_too_many_values(values) is is_too_much
