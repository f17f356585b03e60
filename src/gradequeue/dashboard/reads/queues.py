"""How queues stand now: counts, who was seen, what could not be delivered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Left

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.lights import LATE, Undelivered
from submissions.conf import conf
from submissions.models import DatabaseNow, Delivery, DeliveryState, GraderSighting
from submissions.queue import waiting_since
from submissions.statistics import depths

# Deliveries that were given up, or are overdue, of all queues: so many are grouped.
MOST_DELIVERIES = 2000


@dataclass
class Standing:
    """One queue as it stands."""

    queue: Any
    count: depths.Depths = field(default_factory=depths.Depths)
    seen: list[tuple[str, datetime]] = field(default_factory=list)
    """Graders and when they last polled, newest first."""
    undelivered: tuple[Undelivered, ...] = ()
    late: int = 0
    since: datetime | None = None
    """Since when the next one in line could have been taken."""

    @property
    def now(self) -> datetime:
        moment: datetime = self.queue.now
        return moment

    @property
    def waiting(self) -> int:
        """Pending, retry, and held under a lease that is over."""
        return self.count.pending + self.count.retry + self.count.lapsed

    @property
    def being_graded(self) -> int:
        return max(self.count.pulled - self.count.lapsed, 0)

    @property
    def failed(self) -> int:
        return self.count.failed

    @property
    def oldest(self) -> timedelta | None:
        """For how long the next one in line could have been taken."""
        return None if self.since is None else max(self.now - self.since, timedelta())

    @property
    def silent(self) -> timedelta | None:
        polled = self.queue.last_polled_at
        return None if polled is None else max(self.now - polled, timedelta())

    @property
    def lately(self) -> list[str]:
        """The graders that polled within SILENCE_SECONDS."""
        since = self.now - timedelta(seconds=int(conf.SILENCE_SECONDS))
        return [grader for grader, seen_at in self.seen if seen_at >= since]


def standings(viewer: Viewer, *, pk: int | None = None) -> list[Standing]:
    """Of every queue that is to be seen, or of the one with this id, by name. Eight statements, and
    three more for each further fifty queues."""
    queues = viewer.queues()
    found = {queue.name: Standing(queue) for queue in (queues if pk is None else queues.filter(pk=pk))}
    for name, count in depths.counts(list(found)).items():
        found[name].count = count
    for name, since in waiting_since(list(found)).items():
        found[name].since = since
    by_id = {standing.queue.pk: standing for standing in found.values()}
    for sighting in GraderSighting.objects.filter(queue__in=list(by_id)).order_by("-seen_at"):
        by_id[sighting.queue_id].seen.append((sighting.grader, sighting.seen_at))
    for name, undelivered in _undelivered(found).items():
        found[name].undelivered = undelivered
    for name, late in _late(found).items():
        found[name].late = late
    return list(found.values())


def given_up() -> Any:
    """The deliveries that were given up, newest first."""
    # Their due_at is NULL; named, it makes this a walk of (state, due_at, id), not one over all deliveries by id.
    return Delivery.objects.filter(state=DeliveryState.GIVEN_UP).order_by("-due_at", "-id")


def _undelivered(names: Iterable[str]) -> dict[str, tuple[Undelivered, ...]]:
    """The newest that were given up, by queue, host and reason; the reason that most have stands for a host."""
    values = given_up().values_list("job__queue_name", "host", Left("last_error", 200), "job__submission_id")
    reasons: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    ids: dict[tuple[str, str], list[int]] = defaultdict(list)
    known = set(names)
    for name, host, reason, submission_id in values[:MOST_DELIVERIES]:
        if name in known:
            reasons[name, host][reason or ""] += 1
            ids[name, host].append(submission_id)
    found: dict[str, tuple[Undelivered, ...]] = {}
    for (name, host), counter in reasons.items():
        some = tuple(ids[name, host][:5])
        one = Undelivered(host, counter.total(), counter.most_common(1)[0][0], some)
        found[name] = (*found.get(name, ()), one)
    return found


def _late(names: Iterable[str]) -> Counter[str]:
    """How many are overdue, by queue, of the MOST_DELIVERIES that have been due for longest."""
    overdue = Delivery.objects.filter(state=DeliveryState.DUE, due_at__lt=DatabaseNow() - LATE)
    longest = overdue.order_by("due_at", "id").values_list("job__queue_name", flat=True)[:MOST_DELIVERIES]
    known = set(names)
    return Counter(name for name in longest if name in known)
