"""The overview: one row per queue, the worst first, and the sums of all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.reads import history
from submissions import words
from submissions.statistics import depths, lights, standing, undelivered
from submissions.statistics.history import Bucket
from submissions.statistics.standing import Standing


@dataclass(frozen=True)
class Row:
    standing: Standing
    day: list[Bucket]


@dataclass(frozen=True)
class Overview:
    rows: list[Row]
    now: datetime

    @property
    def sums(self) -> dict[str, int]:
        standings = [row.standing for row in self.rows]
        return {
            "waiting": sum(one.waiting for one in standings),
            "being_graded": sum(one.being_graded for one in standings),
            "failed": sum(one.failed for one in standings),
            "graded_lately": sum(one.graded_lately for one in standings),
            "undelivered": sum(lost.count for one in standings for lost in one.undelivered),
            "graders": len({grader for one in standings for grader in one.active}),
        }

    @property
    def shown(self) -> dict[str, str]:
        """The same for people: "10,000+" where a part of it is a lower bound, as its list says, too."""
        bounds = {
            name
            for name in ("waiting", "being_graded", "failed")
            for one in (row.standing for row in self.rows)
            if one.count.is_bound(getattr(one, name))
        }
        if self.sums["undelivered"] >= undelivered.MOST:
            bounds.add("undelivered")
        return {
            name: depths.at_least(number) if name in bounds else words.number(number)
            for name, number in self.sums.items()
        }

    @property
    def worst(self) -> str:
        """The colour of the worst queue; the worst come first."""
        return self.rows[0].standing.light.colour if self.rows else lights.GREEN

    @property
    def open(self) -> list[str]:
        """The queues that every grader may pull from, by name; as `check --deploy` warns."""
        return sorted(row.standing.name for row in self.rows if not row.standing.queue.restricted)

    def colours(self) -> dict[str, int]:
        return {colour: sum(row.standing.light.colour == colour for row in self.rows) for colour in lights.ORDER}


def overview(viewer: Viewer) -> Overview:
    found = standing.worst_first(standing.of(list(viewer.queues())))
    if not found:
        return Overview([], timezone.now())
    day = history.history([one.name for one in found], history.SMALL_DAY)
    return Overview([Row(one, day[one.name]) for one in found], found[0].now)
