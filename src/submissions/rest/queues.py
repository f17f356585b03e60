"""queues/: their settings and numbers; no learner, no answer, no result."""

from __future__ import annotations

import math
from typing import Any

from django.http import HttpResponseBase

from submissions import operators
from submissions.accounts import tokens
from submissions.accounts.permissions import is_staff
from submissions.models import GraderQueue, Scope
from submissions.rest import fields, problems
from submissions.rest.base import Resource, answer
from submissions.rest.problems import Problem
from submissions.rest.submissions import require_permission
from submissions.statistics import standing
from submissions.statistics.history import Histogram, together
from submissions.text import is_name

# Within how long graders should have worked off what is there (seconds), and how long one grading is taken to last
# where none was seen lately.
TARGET_WAIT, UNKNOWN_GRADING = 60, 10.0


class QueueIn(fields.Body):
    paused = fields.Flag()


class Queues(Resource):
    scopes = {
        "list": (Scope.OBSERVE,),
        "retrieve": (Scope.OBSERVE,),
        "partial_update": (Scope.OPERATE,),
        "statistics": (Scope.OBSERVE,),
    }

    def list(self, request: Any) -> HttpResponseBase:
        return answer({"results": [told(row) for row in self._rows() if tokens.covers(self.token, row.name)]})

    def retrieve(self, request: Any, name: str) -> HttpResponseBase:
        return answer(told(self._row(name)))

    def partial_update(self, request: Any, name: str) -> HttpResponseBase:
        paused = self.read(QueueIn)["paused"]
        row = self._row(name)
        move = operators.PAUSE if paused else operators.RESUME
        require_permission(self, move)
        if row.paused != paused:
            row = move.run(row.pk, move.by(self.actor))  # type: ignore[assignment]  # of a queue, a queue
        return answer(told(row))

    def statistics(self, request: Any, name: str) -> HttpResponseBase:
        (found,) = standing.of([self._row(name)])
        return answer(numbers(found))

    def _rows(self) -> Any:
        rows = GraderQueue.objects.order_by("name")
        user = self.token.account
        return rows if is_staff(user) and user.has_perm(tokens.VIEW) else rows.filter(observers=user)

    def _row(self, name: str) -> GraderQueue:
        self.require_queue(name)
        found = self._rows().filter(name=name).first() if is_name(name) else None
        if found is None or found.name != name:
            raise Problem(problems.NOT_FOUND, "There is no such queue.")
        return found  # type: ignore[no-any-return]


def told(queue: GraderQueue) -> dict[str, Any]:
    """Its settings as they count: no secret, no address, no account."""
    return {
        "name": queue.name,
        "paused": queue.paused,
        "lease_seconds": queue.lease,
        "max_grading_seconds": queue.max_grading,
        "max_failures": queue.failure_limit,
        "backoff_seconds": queue.backoff(1),
        "score_meaning": queue.score_meaning,
        "supersede": queue.supersede,
        "initial_delay_seconds": queue.initial_delay_seconds,
        "is_restricted": queue.restricted,
        "is_pushed": bool(queue.push_url),
    }


def numbers(found: standing.Standing) -> dict[str, Any]:
    hour = together(found.hour)
    minutes = standing.HOUR.total_seconds() / 60
    grading = hour.gradings.quantile(0.95) or UNKNOWN_GRADING
    backlog = found.being_graded + (0 if found.queue.paused else found.waiting)
    return {
        "queued": found.waiting,
        "grading": found.being_graded,
        "failed": found.failed,
        "oldest_queued_seconds": found.oldest_seconds,
        "wait_seconds": _percentiles(hour.waits),
        "grading_seconds": _percentiles(hour.gradings),
        "arrivals_per_minute": round(hour.arrived / minutes, 3),
        "graded_per_minute": round(hour.completed / minutes, 3),
        "active_workers": len(found.active),
        "desired_workers": math.ceil(backlog * grading / TARGET_WAIT),
    }


def _percentiles(counts: Histogram) -> dict[str, float | None]:
    return {"p50": _rounded(counts.quantile(0.5)), "p95": _rounded(counts.quantile(0.95))}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
