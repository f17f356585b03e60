"""How long things took, as counts between fixed bounds: any number of seconds in a line of text."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate, zip_longest

# Upper bounds (seconds). More may be added at the end, none changed: counts are kept by their position.
BOUNDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 14400)


class Histogram:
    """`counts` has one number per bound, and a last one for what took longer; `sum` is in seconds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.sum = 0.0

    @classmethod
    def parse(cls, text: str) -> Histogram:
        """From what `text()` wrote; empty from an empty text."""
        found = cls()
        if text:
            found.sum, *counts = json.loads(text)
            found.counts[: len(counts)] = counts
        return found

    def text(self) -> str:
        return json.dumps([round(self.sum, 3), *self.counts], separators=(",", ":")) if self.count else ""

    @property
    def count(self) -> int:
        return sum(self.counts)

    def add(self, seconds: float) -> None:
        """Clocks may differ: less than nothing counts as nothing."""
        seconds = max(seconds, 0.0)
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.sum += seconds

    def merge(self, other: Histogram) -> None:
        self.counts = [mine + others for mine, others in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum

    def since(self, earlier: Histogram) -> Histogram:
        """What was added to `earlier` to make this one; never less than nothing."""
        grown = Histogram()
        grown.counts = [max(mine - before, 0) for mine, before in zip(self.counts, earlier.counts, strict=True)]
        grown.sum = max(self.sum - earlier.sum, 0.0)
        return grown

    def cumulative(self) -> Iterator[tuple[float | None, int]]:
        """Each bound with how many did not take longer; None stands for no bound."""
        yield from zip_longest(BOUNDS, accumulate(self.counts))

    def quantile(self, share: float) -> float | None:
        """The seconds within which `share` (0 to 1) of all were done, estimated between the bounds.

        None where nothing was counted; the highest bound where it lies above that.
        """
        rank, below, lower = share * self.count, 0, 0.0
        if not self.count:
            return None
        for upper, count in zip(BOUNDS, self.counts, strict=False):
            if count and below + count >= rank:
                return lower + (upper - lower) * max(rank - below, 0) / count
            below, lower = below + count, float(upper)
        return lower
