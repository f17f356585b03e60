"""When learners hand in: by day more than by night, and most of all before a deadline."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from gradequeue.demo.history.courses import Course

HOUR = timedelta(hours=1)
# For how long an exam has gone on.
EXAM_MINUTES = 50
AT_NIGHT = 12


def arrivals(course: Course, start: datetime, now: datetime, random: Random) -> list[datetime]:
    """The times of all submissions between `start` and `now`, in order."""
    found = list(_waves(course, start, now, random))
    # The closer to its end, the more.
    minutes = (EXAM_MINUTES * math.sqrt(random.random()) for _ in range(course.exam))
    found += [now - timedelta(minutes=EXAM_MINUTES - minute) for minute in minutes]
    # At night, too, somebody waits for graders that are gone.
    lately = range(AT_NIGHT if course.silent_hours else 0)
    found += [now - timedelta(hours=course.silent_hours * random.random()) for _ in lately]
    return sorted(found)


def _waves(course: Course, start: datetime, now: datetime, random: Random) -> Iterator[datetime]:
    weekday = random.randrange(5)
    hours = [start + HOUR * n for n in range(math.ceil((now - start) / HOUR))]
    weights = [_by_day(hour) * _before_deadline(hour, weekday) for hour in hours]
    factor = course.per_day * len(hours) / 24 / (sum(weights) or 1)
    for hour, weight in zip(hours, weights, strict=True):
        mean = weight * factor
        # Close enough to a Poisson's spread.
        for _ in range(max(round(random.gauss(mean, math.sqrt(mean))), 0)):
            time = hour + HOUR * random.random()
            if time < now:
                yield time


def _by_day(time: datetime) -> float:
    hour = time.hour + time.minute / 60
    evening, noon = math.exp(-(((hour - 20) / 3) ** 2)), math.exp(-(((hour - 13) / 3.5) ** 2))
    return (0.08 + noon + 1.3 * evening) * (0.55 if time.weekday() == 5 else 1)


def _before_deadline(time: datetime, weekday: int) -> float:
    """Once a week, at the end of a day of the course's own."""
    ahead = (weekday - time.weekday()) % 7 * 24 + 23 - time.hour
    return 1 + 5 * math.exp(-ahead / 7) if ahead >= 0 else 1
