from __future__ import annotations

import pytest

from submissions.statistics.histogram import BOUNDS, Histogram

pytestmark = pytest.mark.once


def of(*seconds: float) -> Histogram:
    found = Histogram()
    for number in seconds:
        found.add(number)
    return found


def test_the_bounds_stay() -> None:
    assert BOUNDS == (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400)


def test_what_took_as_long_as_a_bound_lies_below_it() -> None:
    assert of(0.1, 0.10001, 1, 99999).counts == [1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_it_is_a_line_of_text_and_back() -> None:
    assert of().text() == ""
    assert of(0.05, 3.5).text() == "[3.55,1,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0]"
    again = Histogram.parse("[3.55,1,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0]")
    assert (again.sum, again.counts) == (3.55, of(0.05, 3.5).counts)
    assert Histogram.parse("[1.5,2]").counts == [2] + [0] * 16  # of a version that had fewer bounds


@pytest.mark.parametrize(
    ("seconds", "share", "expected"),
    [
        ((), 0.5, None),
        ((0.05,), 0.5, 0.05),
        ((15,) * 10, 0.5, 15),
        ((15,) * 10, 1, 20),
        ((0.05, 0.05, 0.05, 50), 0.95, 54),
        ((99999,), 0.5, 14400),
        ((0.05, 99999), 0.99, 14400),
    ],
)
def test_quantiles(seconds: tuple[float, ...], share: float, expected: float | None) -> None:
    found = of(*seconds).quantile(share)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_clocks_that_differ_make_no_negative_time() -> None:
    assert (of(-3).counts[0], of(-3).sum) == (1, 0)


def test_what_grew() -> None:
    more, fewer = of(1, 1, 50), of(1)
    grown = more.since(fewer)
    assert (grown.count, grown.sum) == (2, 51)
    assert fewer.since(more).count == 0
    fewer.merge(grown)
    assert fewer.counts == more.counts
