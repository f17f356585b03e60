"""The overview: one row per queue, the worst first, and the sums of all."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from gradequeue.dashboard import lights
from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads import history
from gradequeue.dashboard.reads.queues import Standing, standings
from submissions.statistics import history as stats


@dataclass(frozen=True)
class Row:
    standing: Standing
    light: lights.Light
    hour: list[history.Step]
    day: list[history.Step]

    @property
    def graded_lately(self) -> int:
        return sum(step.completed for step in self.hour)


@dataclass(frozen=True)
class Overview:
    rows: list[Row]
    now: datetime

    @property
    def sums(self) -> dict[str, int]:
        return {
            "waiting": sum(row.standing.waiting for row in self.rows),
            "being_graded": sum(row.standing.being_graded for row in self.rows),
            "failed": sum(row.standing.failed for row in self.rows),
            "graded_lately": sum(row.graded_lately for row in self.rows),
            "undelivered": sum(one.count for row in self.rows for one in row.standing.undelivered),
            "graders": len({grader for row in self.rows for grader in row.standing.lately}),
        }

    @property
    def open(self) -> list[str]:
        """The queues that every grader may pull from, by name; as `check --deploy` warns."""
        return sorted(row.standing.queue.name for row in self.rows if not row.standing.queue.restricted)

    def colours(self) -> dict[str, int]:
        return {colour: sum(row.light.colour == colour for row in self.rows) for colour in lights.ORDER}


def overview(viewer: Viewer) -> Overview:
    found = standings(viewer)
    if not found:
        return Overview([], timezone.now())
    now = found[0].now
    names = [standing.queue.name for standing in found]
    hour = history.history(names, history.SMALL_HOUR)
    day = history.history(names, history.SMALL_DAY)
    lost = lost_lately(now)
    rows = [
        Row(one, light_of(one, hour[one.queue.name], lost[one.queue.name]), hour[one.queue.name], day[one.queue.name])
        for one in found
    ]
    # Where learners wait comes before what only failed.
    rows.sort(key=lambda row: (lights.ORDER.index(row.light.colour), -row.standing.waiting, row.standing.queue.name))
    return Overview(rows, now)


def light_of(standing: Standing, hour: list[history.Step], lost: dict[str, int]) -> lights.Light:
    return lights.light(
        lights.Facts(
            waiting=standing.waiting,
            failed=standing.failed,
            oldest=standing.oldest,
            paused=standing.queue.paused,
            silent=standing.silent,
            graded_lately=sum(step.completed for step in hour),
            failed_lately=sum(step.failed for step in hour),
            lost=lost,
            undelivered=standing.undelivered,
            late=standing.late,
        )
    )


def lost_lately(now: datetime) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (name, grader), outcomes in stats.losses(now - lights.LOST_WITHIN).items():
        if outcomes.get("lost"):
            found[name][grader] = outcomes["lost"]
    return found
