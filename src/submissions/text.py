"""Helpers for text and numbers that every room needs: pure functions, each written once."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote_to_bytes

LARGEST_ID = 2**31 - 1
"""Primary keys are 32 bits; PostgreSQL refuses to compare with more."""

UNITS = (("d", 86400), ("h", 3600), ("min", 60))


# More values than any reply or request of a grader or platform has. JSON of millions of them takes Python gigabytes,
# and stops all threads while it is read.
MOST_VALUES = 100_000
# What is longer is read in pieces (characters, bytes).
LONG = 64 * 1024
# A text without its end goes on to the end of all: looked for from each quote anew, it would take the square of its
# length, and no other thread runs meanwhile.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|(\\?\Z))|[\[{,]', re.DOTALL)


def has_too_many_values(text: str, most: int = MOST_VALUES) -> bool:
    """Whether a JSON text holds more than `most` values; known before it is read."""
    if sum(map(text.count, ",[{")) <= most:
        return False
    # Only now, as it is slower: what stands in texts does not count.
    count = 0
    for token in _TOKEN.finditer(text):
        count += token[0][0] != '"'
        if count > most or token[1] is not None:  # nobody need look further at what has no end
            return True
    return False


def load_json(text: str, *, parse_constant: Callable[[str], object] | None = None) -> Any:
    """`json.loads`. A long text lets other threads run while it is read: in one piece it may take a second."""
    if len(text) < LONG:
        return json.loads(text, parse_constant=parse_constant)
    return json.loads(
        text, parse_constant=parse_constant, parse_int=_whole, parse_float=_fraction, object_pairs_hook=_object
    )


def may_be_cut_off(text: str) -> bool:
    """Whether `text` may be the beginning of a JSON object, and the rest of it got lost."""
    begun = text.lstrip()
    if has_too_many_values(text) or not (begun.startswith("{") or not begun):
        return False
    try:
        load_json(text)
    except (ValueError, RecursionError):
        return True
    return False


# Functions of Python's own, as between their calls threads may change.
def _whole(digits: str) -> int:
    return int(digits)


def _fraction(digits: str) -> float:
    return float(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(pairs)


def unquoted(quoted: bytes) -> bytes:
    """What a form has as ``%41`` and ``+``, as it was. In pieces: of many megabytes at once Python makes gigabytes."""
    found, start = [], 0
    while start < len(quoted):
        end = start + LONG
        # No escape is cut.
        cut = quoted.rfind(b"%", max(end - 2, start + 1), end) if end < len(quoted) else -1
        end = end if cut < 0 else cut
        found.append(unquote_to_bytes(quoted[start:end].replace(b"+", b" ")))
        start = end
    return b"".join(found)


def is_slow_to_read(encoding: str | None) -> bool:
    """Whether a text of this encoding takes Python the square of its length: of a few megabytes, hours."""
    try:
        return encoding is not None and codecs.lookup(encoding).name in ("punycode", "idna")
    except LookupError:
        return False


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


# They join letters of Arabic, Indic and other scripts, and part them; Unicode counts them among what is not printable.
_JOINERS = str.maketrans("", "", "\u200c\u200d")


def is_name(text: str) -> bool:
    """Whether `text` has nothing that could steer a terminal, end a line, or turn what stands beside it around."""
    return text.isprintable() or (bool(plain := text.translate(_JOINERS)) and plain.isprintable())


def squeezed(text: str, length: int) -> str:
    """What a person typed, with single blanks between the words; at most `length` characters."""
    return " ".join(text.split())[:length]


def queue_name_of(text: str) -> str:
    """The queue's name that an author or a grader means: spaces at its ends are a slip of the keyboard.

    A text of nothing but spaces stays, to be refused.
    """
    return text.strip(" ") or text


def has_message(reply: Mapping[str, object]) -> bool:
    """Whether a grader's reply, parsed, has a message that an LMS takes: a text, and not an empty one."""
    message = reply.get("msg")
    return isinstance(message, str) and bool(message.strip())


def is_complete_reply(reply: Mapping[str, object]) -> bool:
    """Whether it has all that an LMS insists on, besides the score."""
    return "correct" in reply and has_message(reply)


def without_doubled_slashes(path: str) -> str:
    """``/a//b`` as ``/a/b``."""
    return re.sub("/{2,}", "/", path) if "//" in path else path


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
