"""What platforms have been told against what stands here: after a restore they may know more, or something else."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from submissions.models import Score, Submission
from submissions.upkeep.audit import Problem

# How many are looked up at a time.
BATCH = 500


@dataclass(frozen=True)
class Known:
    """One result that a platform has."""

    uuid: UUID
    points: float | None
    """None: that there is no score."""


def parse(line: str) -> Known:
    """A webhook's body as it came, or its `data` alone. Raises ValueError with a sentence."""
    try:
        found = json.loads(line)
        told = found.get("data", found)
        uuid, points = UUID(told["submission_uuid"]), told["points_earned"]
        if points is not None and (isinstance(points, bool) or not isinstance(points, int | float)):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError('not an object with "submission_uuid" and "points_earned"') from error
    return Known(uuid, points)


def problems(known: Iterable[Known]) -> Iterator[Problem]:
    """Each that stands here otherwise, or not at all."""
    rest = iter(known)
    while batch := list(islice(rest, BATCH)):
        yield from _of_batch(batch)


def _of_batch(batch: list[Known]) -> Iterator[Problem]:
    # Those that were deleted since are here, too.
    ids = dict(Submission._objects.filter(uuid__in={one.uuid for one in batch}).order_by().values_list("uuid", "pk"))
    earned: defaultdict[int | None, set[float]] = defaultdict(set)
    scores = Score.objects.filter(submission_id__in=ids.values(), reset=False).order_by()
    for submission_id, points in scores.values_list("submission_id", "points_earned"):
        earned[submission_id].add(points)
    for one in batch:
        if one.uuid not in ids:
            yield Problem(None, f"{one.uuid} is not here, and a platform was told {_points(one)}")
        elif one.points is not None and one.points not in earned[ids[one.uuid]]:
            here = ", ".join(f"{points:g}" for points in sorted(earned[ids[one.uuid]])) or "no score"
            yield Problem(ids[one.uuid], f"has {here}, and a platform was told {_points(one)}")


def _points(one: Known) -> str:
    return "that there is no score" if one.points is None else f"{one.points:g} points"
