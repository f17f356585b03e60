"""`/metrics` for Prometheus, and `/autoscaling/<queue>` for what starts graders."""

from __future__ import annotations

import math

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client.exposition import choose_encoder

from gradequeue.monitoring.collector import Collector
from submissions.statistics import history
from submissions.statistics.standing import HOUR, STEP, Numbers, numbers_of
from submissions.text import is_name

# What a grading is taken to last where none was seen lately (seconds).
UNKNOWN_GRADING = 10.0


def metrics(request: HttpRequest) -> HttpResponse:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(Collector()), content_type=content_type)


def autoscaling(request: HttpRequest, queue_name: str) -> JsonResponse:
    """One queue in numbers that a scaler can act on; 404 for a name that no queue and no job has."""
    queue = numbers_of(queue_name) if is_name(queue_name) else None
    if queue is None:
        return JsonResponse({"error": "There is no such queue"}, status=404)
    return JsonResponse(
        {
            "queue": queue_name,
            "waiting": queue.waiting,
            "in_flight": queue.being_graded,
            "oldest_age_seconds": queue.oldest_seconds or 0,
            "desired_graders": desired_graders(queue, _grading_seconds(queue_name)),
        }
    )


def _grading_seconds(queue_name: str) -> float:
    steps = history.by_queue([queue_name], span=HOUR, step=STEP)[queue_name]
    return history.together(steps).gradings.quantile(0.95) or UNKNOWN_GRADING


def desired_graders(queue: Numbers, grading_seconds: float) -> int:
    """As many as would bring the backlog to its end within the target wait; a paused queue keeps who is at work."""
    backlog = queue.being_graded if queue.queue.paused else queue.waiting + queue.being_graded
    return math.ceil(backlog * grading_seconds / settings.TARGET_WAIT_SECONDS)
