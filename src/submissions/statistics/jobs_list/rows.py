"""The rows of a page, as lists and exports show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models.functions import Left

from submissions.models import DatabaseNow, Score
from submissions.statistics.jobs_list.jobs import COLUMNS, Job
from submissions.statistics.jobs_list.scope import EVERYTHING, Scope
from submissions.statistics.jobs_list.states import state_of

ERROR_LENGTH = 200


@dataclass(frozen=True)
class Listed:
    """One job as lists and exports show it."""

    submission: int
    uuid: str
    state: str
    """One of STATES."""
    status: str
    """As it is stored."""
    queue: str
    learner: str
    course: str
    item: str
    grader: str
    reference: str
    claims: int
    failures: int
    points: float | None
    points_possible: float | None
    """None where only the platform knows it."""
    created_at: datetime
    changed_at: datetime
    error: str


_SHOWN = (
    *("submission_id", "submission__uuid", "status", "queue_name", "grader", "queue_key", "num_pulls", "num_failures"),
    *("points_possible", "points_known", "created_at", "status_time", "available_at"),
    *(COLUMNS["learner"], COLUMNS["course"], COLUMNS["item"], "pk"),
)


def rows(jobs: Iterable[int], scope: Scope = EVERYTHING) -> list[Listed]:
    """These jobs in this order, without those that are gone; learners' ids under their pseudonym for observers."""
    wanted = list(jobs)
    shown = (
        Job.objects.filter(pk__in=wanted)
        .order_by()
        .values(*_SHOWN, error=Left("last_error", ERROR_LENGTH), now=DatabaseNow())
    )
    found = {row["pk"]: row for row in shown}
    ids = [row["submission_id"] for row in found.values()]
    scores = Score.objects.filter(submission_id__in=ids, reset=False).order_by("pk")
    points = dict(scores.values_list("submission_id", "points_earned"))
    return [_listed(found[pk], points, scope) for pk in wanted if pk in found]


def _listed(row: dict[str, Any], points: dict[int, float], scope: Scope) -> Listed:
    learner = row[COLUMNS["learner"]]
    observed = scope.queues is not None and scope.pseudonym is not None
    return Listed(
        submission=row["submission_id"],
        uuid=str(row["submission__uuid"]),
        state=_state(row),
        status=row["status"],
        queue=row["queue_name"],
        learner=scope.pseudonym(learner) if observed and scope.pseudonym else learner,
        course=row[COLUMNS["course"]],
        item=row[COLUMNS["item"]],
        grader=row["grader"],
        reference="" if observed else row["queue_key"] or "",
        claims=row["num_pulls"],
        failures=row["num_failures"],
        points=points.get(row["submission_id"]),
        points_possible=row["points_possible"] if row["points_known"] else None,
        created_at=row["created_at"],
        changed_at=row["status_time"],
        error=row["error"] or "",
    )


def _state(row: dict[str, Any]) -> str:
    return state_of(row["status"], available_at=row["available_at"], now=row["now"], error=row["error"])
