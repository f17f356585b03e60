"""What is wrong now, by the rules of the lights, and which of it concerns a subscription."""

from __future__ import annotations

from dataclasses import dataclass

from gradequeue.dashboard.access import Viewer, viewer_of
from submissions.models import Channel, GraderQueue, Kind, Subscription
from submissions.statistics import lights, standing

LENGTH = 500


@dataclass(frozen=True)
class Problem:
    queue_name: str
    kind: Kind
    sentence: str


def find_problems() -> list[Problem]:
    """Of all queues; the statements of the overview."""
    return [problem for one in standing.of(list(GraderQueue.objects.order_by("name"))) for problem in _of(one)]


def _of(one: standing.Standing) -> list[Problem]:
    found = []
    if one.light.colour == lights.RED:
        found.append((Kind.RED, one.light.causes[0]))
    if one.undelivered:
        found.append((Kind.GIVEN_UP, next(lights.of_deliveries(one.facts))[1]))
    if came := lights.came_late(one.facts):
        found.append((Kind.LATE, came))
    return [Problem(one.name, kind, sentence[:LENGTH]) for kind, sentence in found]


def queues_of(subscription: Subscription) -> set[str]:
    """The names of its queues that its account may see now."""
    viewer = viewer_of(subscription.account) if subscription.account.is_active else None
    if viewer is None or not may_use(viewer, subscription.channel):
        return set()
    queues = viewer.queues()
    if subscription.queue_id is not None:
        queues = queues.filter(pk=subscription.queue_id)
    return set(queues.values_list("name", flat=True))


def may_use(viewer: Viewer, channel: str) -> bool:
    """Webhooks are for those who see every queue, as long as they do."""
    return viewer.everything or channel != Channel.WEBHOOK


def wants(subscription: Subscription, kind: str) -> bool:
    return bool(getattr(subscription, f"on_{kind}"))
