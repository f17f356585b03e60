"""What goes wrong, and when: drawn from the seed before anything starts, so that a run can be run again."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

# How often each fault is drawn, against the others.
SERVICE_FAULTS = {
    "kill a web worker": 6,
    "freeze a web worker": 2,
    "kill the service": 1,
    "kill the delivery loop": 1,
    "kill a grader": 4,
    "freeze a grader": 2,
    "kill an enqueue": 2,
}
# What takes seconds to come back comes by chance alone in a short run.
SLOW = ("kill the service", "restart the database")
DATABASE_FAULTS = {"kill the database": 2, "restart the database": 1}


@dataclass(frozen=True)
class Fault:
    at: float
    """When, after the start (seconds). A fault waits for the one before it to be over."""
    what: str
    who: float
    """Which of those it can hit: a share, 0 to 1, of however many there are then."""
    pause: float
    """How long the victim is away or frozen (seconds)."""


def plan(seed: int, seconds: float, *, database: bool) -> list[Fault]:
    """Each kind of fault once, in any order, then by weight until the time is over."""
    draw = Random(f"{seed}/nemesis")
    weights = SERVICE_FAULTS | (DATABASE_FAULTS if database else {})
    first = [name for name in draw.sample(sorted(weights), len(weights)) if seconds >= 60 or name not in SLOW]
    faults: list[Fault] = []
    # A short run is a dense one.
    gap = min(max(seconds / 30, 0.4), 2.0)
    at = draw.uniform(0.5, 1.5) * gap
    while at < seconds:
        what = first.pop() if first else draw.choices(sorted(weights), [weights[name] for name in sorted(weights)])[0]
        faults.append(Fault(at, what, draw.random(), draw.uniform(0.1, 1.5 if seconds < 60 else 3.0)))
        at += draw.uniform(0.5, 1.5) * gap
    return faults
