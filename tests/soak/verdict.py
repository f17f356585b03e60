"""The first tenth of a soak against its last, and whether that is good enough."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median, stdev

from tests.soak.samples import MEGABYTE, Sample

# The last tenth may be so much of the first: memory of the largest process, descriptors and connections, bytes of
# indexes for each job. Descriptors and connections come and go with threads, a few at a time.
MOST_MEMORY = 1.10
MOST_HELD = 1.10
A_FEW = 5
MOST_INDEX = 1.10
LEAST_RATE = 0.90
# The first half of the first tenth is the warm-up.
WARM = 0.5


@dataclass(frozen=True)
class Round:
    """One turn of the graders: so many cycles, and polls of an empty queue beside them."""

    cycles: int
    cycle_rate: float
    """Per second."""
    polls: int
    poll_rate: float


@dataclass
class Record:
    """What was seen in a whole run."""

    learners: int
    """Jobs that a round adds."""
    rounds: list[Round] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def cycles(self) -> int:
        return sum(one.cycles for one in self.rounds)

    @property
    def polls(self) -> int:
        return sum(one.polls for one in self.rounds)

    def jobs_at(self, sample: Sample) -> int:
        """How many stand in the table then; each round begins with its jobs."""
        return (sample.cycles // self.learners + 1) * self.learners


@dataclass(frozen=True)
class Line:
    what: str
    first: float
    last: float
    unit: str
    bound: str
    fine: bool


def lines(record: Record) -> list[Line]:
    """Raises ValueError where a run was too short to have two tenths."""
    first, last = _tenths(record.samples, record.cycles)
    if not first or not last or len(record.rounds) < 4:
        raise ValueError("The run was too short to compare its beginning with its end.")
    return [
        _at_most("memory of the largest process", lambda one: one.largest, first, last, "MiB", MOST_MEMORY),
        *_each_memory(first, last),
        _at_most("open file descriptors", lambda one: one.descriptors, first, last, "", MOST_HELD, A_FEW),
        _at_most("connections to the database", lambda one: one.connections, first, last, "", MOST_HELD, A_FEW),
        _seen("tables", lambda one: one.table / MEGABYTE, first, last, "MiB"),
        _seen("indexes", lambda one: one.index / MEGABYTE, first, last, "MiB"),
        _at_most("indexes, for each job", lambda one: one.index / record.jobs_at(one), first, last, "B", MOST_INDEX),
        _rate("cycles", [one.cycle_rate for one in record.rounds], "per s"),
        _rate("polls", [one.poll_rate for one in record.rounds], "per s"),
        _processes(first, last),
        Line("errors", 0, sum(record.errors.values()), "", "none", not record.errors),
    ]


def _tenths(samples: Sequence[Sample], cycles: int) -> tuple[list[Sample], list[Sample]]:
    """The first tenth without its warm-up, and the last one."""
    first = [one for one in samples if WARM * cycles / 10 <= one.cycles <= cycles / 10]
    last = [one for one in samples if one.cycles >= cycles * 9 / 10]
    return first, last


def _at_most(
    what: str,
    of: Callable[[Sample], float],
    first: Sequence[Sample],
    last: Sequence[Sample],
    unit: str,
    most: float,
    more: float = 0,
) -> Line:
    began, ended = median(map(of, first)), median(map(of, last))
    allowance = f", and {more:g} more" if more else ""
    return Line(what, began, ended, unit, f"at most {most:g} times{allowance}", ended <= began * most + more)


def _seen(what: str, of: Callable[[Sample], float], first: Sequence[Sample], last: Sequence[Sample], unit: str) -> Line:
    return Line(what, median(map(of, first)), median(map(of, last)), unit, "", True)


def _each_memory(first: Sequence[Sample], last: Sequence[Sample]) -> Iterator[Line]:
    for name in first[-1].memory:
        if all(name in one.memory for one in (*first, *last)):
            yield _seen(f"memory of {name}", lambda one, name=name: one.memory[name], first, last, "MiB")  # type: ignore[misc]


def _rate(what: str, rates: Sequence[float], unit: str) -> Line:
    """Noise is what rounds of one tenth differ by: the ratio may be short by twice its own standard error."""
    count = max(len(rates) // 10, 2)
    # The very first round warms the server up.
    first, last = rates[1 : count + 1], rates[-count:]
    began, ended = fmean(first), fmean(last)
    ratio = ended / began
    error = ratio * math.hypot(_relative_error(first), _relative_error(last))
    bound = f"at least {LEAST_RATE:g} times, less a noise of {2 * error:.2f}"
    return Line(what, began, ended, unit, bound, ratio + 2 * error >= LEAST_RATE)


def _relative_error(rates: Sequence[float]) -> float:
    return stdev(rates) / math.sqrt(len(rates)) / fmean(rates)


def _processes(first: Sequence[Sample], last: Sequence[Sample]) -> Line:
    """A worker that died and was replaced has another id, and its memory proves nothing."""
    began, ended = set(first[0].memory), set(last[-1].memory)
    return Line("processes of the service", len(began), len(ended), "", "the same ones", began == ended)
