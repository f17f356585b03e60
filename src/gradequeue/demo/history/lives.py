"""What became of each submission: a small simulation of graders that take, fail, lose and finish jobs in turn."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from gradequeue.demo.history.courses import Course
from submissions.models import Status
from submissions.queue import claim_log

LEASE = timedelta(minutes=5)
MOST_FAILURES = 5
BROKEN = (
    "sandbox: no space left on device (/tmp/box-{number}/main.cpp)",
    "g++: internal compiler error: Segmentation fault signal terminated program cc1plus (pid {number})",
    "The score must be between 0 and 1, not {points}.",
)
BY_CHANCE = ("The reply has no score.", "grader timed out after {number} ms", "The reply is not a JSON object.")


@dataclass
class Life:
    """A submission on its way through the queue; `pulls` are the claims that ended, oldest first."""

    arrived: datetime
    since: datetime
    status: str = Status.PENDING
    available: datetime | None = None
    failures: int = 0
    num_pulls: int = 0
    grader: str = ""
    pulled: datetime | None = None
    returned: datetime | None = None
    error: str = ""
    pulls: list[claim_log.Pull] = field(default_factory=list)


def simulate(course: Course, times: list[datetime], now: datetime, random: Random) -> list[Life]:
    """The lives of the submissions that came at `times`, as they stand at `now`."""
    lives = [Life(arrived=time, since=time, available=time) for time in times]
    waiting = [(life.arrived, number) for number, life in enumerate(lives)]
    free = [(times[0], grader) for grader in course.graders] if times else []
    heapq.heapify(waiting)
    while waiting:
        due, number = heapq.heappop(waiting)
        since, grader = free[0]
        start = max(due, since) + timedelta(seconds=random.uniform(0.05, 0.9))
        if _nobody_pulls(course, start, now):
            break
        end = _grade(lives[number], course, grader, start, now, random)
        heapq.heapreplace(free, (end, grader))
        again = lives[number].available
        if lives[number].status in (Status.RETRY, Status.PULLED) and again and again < now:
            heapq.heappush(waiting, (again, number))
    return lives


def _nobody_pulls(course: Course, start: datetime, now: datetime) -> bool:
    return start >= now - timedelta(hours=course.silent_hours) or (course.paused and start > now - timedelta(hours=3))


def _grade(life: Life, course: Course, grader: str, start: datetime, now: datetime, random: Random) -> datetime:
    """One claim, from `start` on; returns when its grader is free again."""
    if life.status == Status.PULLED:
        _lose(life, life.available or start)
        if life.status == Status.FAILED:
            return start
    took = timedelta(seconds=random.lognormvariate(0, 0.5) * course.seconds)
    life.status, life.grader, life.pulled, life.since = Status.PULLED, grader, start, start
    life.num_pulls += 1
    life.available = start + LEASE
    if grader == course.careless and start > now - timedelta(minutes=30) and random.random() < 0.8:
        return start + timedelta(seconds=20)  # it died with the job in its hands, and was started again
    end = start + took
    if end > now:
        return end
    failing = 0.85 if start > now - timedelta(hours=course.broken_hours) else course.failing
    if random.random() < failing:
        _fail(life, end, random, BROKEN if course.broken_hours else BY_CHANCE)
    else:
        life.pulls.append(claim_log.Pull(claim_log.COMPLETED, end, grader, start))
        life.status, life.since, life.returned, life.available = Status.RETIRED, end, end, None
        life.error = ""
    return end


def _lose(life: Life, at: datetime) -> None:
    life.error = f"{life.grader} took the job and let the lease run out."
    life.pulls.append(claim_log.Pull(claim_log.LOST, at, life.grader, life.pulled))
    _count(life, at)


def _fail(life: Life, end: datetime, random: Random, causes: tuple[str, ...]) -> None:
    (cause,) = random.choices(causes, [6, 3, 1])
    life.error = cause.format(number=random.randrange(1000, 99999), points=random.randrange(2, 11))
    life.returned = end
    life.pulls.append(claim_log.Pull(claim_log.FAILED, end, life.grader, life.pulled, life.error))
    _count(life, end)


def _count(life: Life, at: datetime) -> None:
    life.failures += 1
    life.since = at
    life.status = Status.FAILED if life.failures >= MOST_FAILURES else Status.RETRY
    life.available = None if life.status == Status.FAILED else at + timedelta(seconds=5 * 2 ** (life.failures - 1))
