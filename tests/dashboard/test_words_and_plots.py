from __future__ import annotations

from datetime import timedelta

import pytest

from gradequeue.dashboard import plots
from gradequeue.dashboard.words import counted, duration, share

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "0 s"),
        (-5, "0 s"),
        (0.44, "0.4 s"),
        (42.4, "42 s"),
        (60, "1 min"),
        (599, "9 min"),
        (3600, "1 h"),
        (9402, "2 h 36 min"),
        (86400 * 3 + 4 * 3600, "3 d 4 h"),
        (timedelta(minutes=9), "9 min"),
    ],
)
def test_durations(seconds: float | timedelta | None, words: str) -> None:
    assert duration(seconds) == words


def test_counts_and_shares() -> None:
    assert counted(1, "job waits", "jobs wait") == "1 job waits"
    assert counted(12000, "job waits", "jobs wait") == "12,000 jobs wait"
    assert (share(1, 8), share(0, 0)) == ("12 %", "-")


@pytest.mark.parametrize(
    ("values", "top"), [([], 1), ([0], 1), ([1], 1), ([3], 5), ([7], 10), ([11], 20), ([201], 500)]
)
def test_a_scale_ends_at_a_round_number(values: list[float], top: float) -> None:
    assert plots.top_of(values) == top


def test_a_line_has_gaps_where_nothing_is_known() -> None:
    assert plots.line([0, None, 1], 1) == "M0.0 120.0h0.1M600.0 2.0h0.1"
    assert plots.line([0, 1], 1) == "M0.0 120.0h0.1L600.0 2.0"


def test_bars_leave_out_what_is_nothing() -> None:
    assert plots.bars([0, 2], 2) == "M304.0 120V2.0h292.0V120Z"
    assert plots.bars([], 1) == ""


def test_an_area_is_closed() -> None:
    assert plots.area([1, 0], 1) == "M0 120L0.0 2.0L600.0 120.0L600 120Z"
    assert plots.area([], 1) == ""
