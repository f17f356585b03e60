"""What goes wrong, and when: drawn from the seed before anything starts, so that a run can be run again."""

from __future__ import annotations

from collections.abc import Collection
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
    "the platform is down": 1,
    "the platform is slow": 1,
    "the platform answers late": 1,
}
# What a database can bear depends on what it is, and whose.
DATABASE_FAULTS = {
    "kill the database": 2,
    "restart the database": 1,
    "freeze the database": 1,
    "make the database read-only": 1,
    "fill the disk": 1,
}
# No fault that is drawn: the older one is there from the beginning, for a third of the time.
UPGRADE = "two versions beside each other"
# What takes seconds to come back is not in a short run.
SLOW = {"kill the service", *DATABASE_FAULTS} - {"kill the database"}
# Graders' time-outs, leases and the patience of the service all end within a standstill (seconds).
STANDSTILL = 30.0
SHORT_STANDSTILL = 8.0


@dataclass(frozen=True)
class Fault:
    at: float
    """When, after the start (seconds). A fault waits for the one before it to be over."""
    what: str
    who: float
    """Which of those it can hit: a share, 0 to 1, of however many there are then."""
    pause: float
    """How long the victim is away or frozen (seconds)."""


def plan(seed: int, seconds: float, bears: Collection[str]) -> list[Fault]:
    """Each kind of fault once, in any order, then by weight until the time is over. `bears`: what the database can."""
    draw = Random(f"{seed}/nemesis")
    weights = SERVICE_FAULTS | {name: weight for name, weight in DATABASE_FAULTS.items() if name in bears}
    if seconds < 60:
        weights = {name: weight for name, weight in weights.items() if name not in SLOW}
    first = draw.sample(sorted(weights), len(weights))
    faults: list[Fault] = []
    # A short run is a dense one.
    gap = min(max(seconds / 30, 0.4), 2.0)
    at = draw.uniform(0.5, 1.5) * gap
    while at < seconds:
        what = first.pop() if first else draw.choices(sorted(weights), [weights[name] for name in sorted(weights)])[0]
        faults.append(Fault(at, what, draw.random(), _pause(what, draw.uniform(0.1, 1.0), seconds)))
        at += draw.uniform(0.5, 1.5) * gap
    return faults


def _pause(what: str, share: float, seconds: float) -> float:
    if what == "freeze the database":
        return STANDSTILL if seconds >= 120 else SHORT_STANDSTILL
    return share * (1.5 if seconds < 60 else 3.0)
