from __future__ import annotations

import pytest

from gradequeue.dashboard import plots

pytestmark = pytest.mark.once


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
    assert plots.area([1, 0], 1) == "M0.0 120L0.0 2.0L600.0 120.0L600.0 120Z"
    assert plots.area([], 1) == ""


def test_an_area_has_gaps_where_nobody_looked() -> None:
    assert plots.area([None, 1, None, None], 1) == "M200.0 120L200.0 2.0L201.0 120Z"
