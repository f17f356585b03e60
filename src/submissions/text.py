"""Helpers for text and numbers that every room needs: pure functions, each written once."""

from __future__ import annotations

from datetime import timedelta

LARGEST_ID = 2**31 - 1
"""Primary keys are 32 bits; PostgreSQL refuses to compare with more."""

UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def storable(text: str) -> bool:
    """Whether every database can keep `text`: no NUL, no lone surrogate. Fast, also for many megabytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def made_storable(text: str) -> str:
    """`text` with NUL and lone surrogates as JSON escapes: within JSON that is the same text."""
    return text.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()


def printable(text: str, *, keep: str = "") -> str:
    """`text` with every character escaped that could steer a terminal or begin a line, but for those in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )


def one_line(value: object, length: int = 300) -> str:
    """For a log: text of others cannot begin a line of its own. At most `length` characters."""
    return printable(str(value))[:length]


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its class where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).strip()


def squeezed(text: str, length: int) -> str:
    """What a person typed, with single blanks between the words; at most `length` characters."""
    return " ".join(text.split())[:length]


def counted(number: int, one: str, many: str = "") -> str:
    """``counted(1, "job")``: "1 job"; ``counted(12000, "job")``: "12,000 jobs"."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def duration(seconds: float | timedelta | None) -> str:
    """ "42 s", "9 min", "2 h 36 min", "3 d 4 h"; "-" where there is none, "0 s" for less than nothing."""
    if seconds is None:
        return "-"
    total = max(seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds), 0.0)
    if total < 60:
        return f"{total:.1f} s" if 0 < total < 10 else f"{int(total)} s"
    number = next(number for number, (_, size) in enumerate(UNITS) if total >= size)
    unit, size = UNITS[number]
    below, smaller = UNITS[number + 1] if number + 1 < len(UNITS) else ("", size)
    rest = int(total % size) // smaller
    return f"{int(total // size)} {unit}" + (f" {rest} {below}" if rest else "")


def row_id(text: str) -> int | None:
    """The id that `text` writes in ASCII digits; None where no row can have it."""
    # No longer than it can be: Python refuses to read a number of thousands of digits.
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        return None
    number = int(text)
    return number if 0 < number <= LARGEST_ID else None
