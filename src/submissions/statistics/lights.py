"""Green, amber, red: how a queue stands, and the cause in words. All the rules are here, and nothing else is.

Dashboard, admin, commands and metrics show them (`standing`). What an operator reads is tested literally
(``tests/stats/test_lights.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from submissions.conf import conf
from submissions.text import counted, duration

GREEN, AMBER, RED = "green", "amber", "red"
ORDER = (RED, AMBER, GREEN)

# At how many leases expired within LOST_WITHIN a grader is named: one crash is no pattern.
LOST, LOST_WITHIN = 3, timedelta(minutes=10)
# How long the next one in line may wait before an operator should know.
SLOW = timedelta(minutes=15)
# How late a result may be on its way.
LATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Undelivered:
    """Results that were given up on their way to one host."""

    host: str
    count: int
    reason: str
    some: tuple[int, ...] = ()
    """A few of their submissions, newest first."""


@dataclass(frozen=True)
class Facts:
    """What the rules look at. Times are spans that end now."""

    waiting: int = 0
    """Jobs that a grader can get now or later."""
    failed: int = 0
    oldest: timedelta | None = None
    paused: bool = False
    silent: timedelta | None = None
    """Since the last poll; None: nobody has ever polled."""
    graded_lately: int = 0
    """In the last hour."""
    failed_lately: int = 0
    """Given up in the last hour."""
    lost: dict[str, int] = field(default_factory=dict)
    """Leases expired within LOST_WITHIN, by grader."""
    undelivered: tuple[Undelivered, ...] = ()
    late: int = 0
    """Results that are due and more than LATE overdue."""


@dataclass(frozen=True)
class Light:
    colour: str
    causes: tuple[str, ...]
    """The worst first; for a green light, one sentence that says why it is."""


def light(facts: Facts) -> Light:
    found = sorted(_causes(facts), key=lambda cause: ORDER.index(cause[0]))
    if not found:
        return Light(GREEN, (_calm(facts),))
    return Light(found[0][0], tuple(sentence for _, sentence in found))


def _causes(facts: Facts) -> Iterator[tuple[str, str]]:
    yield from _of_waiting(facts)
    yield from _of_failures(facts)
    yield from _of_graders(facts)
    yield from _of_deliveries(facts)


def _of_waiting(facts: Facts) -> Iterator[tuple[str, str]]:
    if not facts.waiting:
        return
    waiting = f"{counted(facts.waiting, 'job')} waiting"
    if facts.paused:
        yield AMBER, f"{waiting}; the queue is paused"
    elif facts.silent is None:
        yield RED, f"{waiting}; no grader has ever polled"
    elif facts.silent > timedelta(seconds=int(conf.SILENCE_SECONDS)):
        yield RED, f"{waiting}; no grader has polled for {duration(facts.silent)}"
    elif facts.oldest is not None and facts.oldest > SLOW:
        arrive = "submissions arrive faster than they are graded"
        yield AMBER, f"{waiting}, the oldest for {duration(facts.oldest)}: {arrive}"


def _of_failures(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.failed_lately and facts.failed_lately >= facts.graded_lately:
        yield RED, f"{counted(facts.failed_lately, 'job')} failed in the last hour, {facts.graded_lately:,} graded"
    if facts.failed:
        yield AMBER, f"{counted(facts.failed, 'failed job needs', 'failed jobs need')} an operator"


def _of_graders(facts: Facts) -> Iterator[tuple[str, str]]:
    for grader, lost in sorted(facts.lost.items(), key=lambda item: -item[1]):
        if lost >= LOST:
            yield AMBER, f"{counted(lost, 'lease')} of grader {grader} expired in the last {duration(LOST_WITHIN)}"


def _of_deliveries(facts: Facts) -> Iterator[tuple[str, str]]:
    for one in facts.undelivered:
        lost = counted(one.count, "result")
        yield RED, f"{lost} could not be delivered to {one.host or 'this platform'}: {one.reason or 'no reason given'}"
    if facts.late:
        yield AMBER, f"{counted(facts.late, 'result is', 'results are')} overdue for delivery"


def _calm(facts: Facts) -> str:
    waiting = f"{counted(facts.waiting, 'job')} waiting" if facts.waiting else "No jobs waiting"
    if facts.silent is None:
        return f"{waiting}; no grader has polled yet"
    if facts.silent > timedelta(seconds=int(conf.SILENCE_SECONDS)):
        return f"{waiting}; no grader has polled for {duration(facts.silent)}"
    return f"{waiting}; graders are polling"
