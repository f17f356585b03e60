"""What learners and graders wrote, on an operator's terminal."""

from __future__ import annotations

from submissions.management.base import _shown


def test_control_characters_are_shown_and_not_sent() -> None:
    assert _shown("\x1b[2Jred\x07 é\nsecond line\r") == "\\x1b[2Jred\\x07 é\nsecond line\\r"
