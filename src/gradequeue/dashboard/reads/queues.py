"""How queues stand now: counts, who was seen, what could not be delivered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Left

from gradequeue.dashboard.access import Viewer
from gradequeue.dashboard.lights import LATE, Undelivered
from submissions.conf import conf
from submissions.models import DatabaseNow, Delivery, DeliveryState, ExternalGraderDetail, GraderSighting, Status

LIVE = (Status.PENDING, Status.RETRY, Status.PULLED, Status.FAILED)
# Deliveries that were given up, of all queues: the newest of them are grouped.
MOST_DELIVERIES = 2000


@dataclass
class Standing:
    """One queue as it stands."""

    queue: Any
    count: Counter[str] = field(default_factory=Counter)
    seen: list[tuple[str, datetime]] = field(default_factory=list)
    """Graders and when they last polled, newest first."""
    undelivered: tuple[Undelivered, ...] = ()
    late: int = 0

    @property
    def now(self) -> datetime:
        moment: datetime = self.queue.now
        return moment

    @property
    def waiting(self) -> int:
        return self.count[Status.PENDING] + self.count[Status.RETRY]

    @property
    def being_graded(self) -> int:
        return self.count[Status.PULLED]

    @property
    def failed(self) -> int:
        return self.count[Status.FAILED]

    @property
    def oldest(self) -> timedelta | None:
        """How long the next one in line has been here."""
        created = self.queue.next_created
        return None if created is None else max(self.now - created, timedelta())

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
    """Of every queue that is to be seen, or of the one with this id, by name. Five statements."""
    queues = viewer.queues().annotate(next_created=Subquery(_next_in_line()))
    found = {queue.name: Standing(queue) for queue in (queues if pk is None else queues.filter(pk=pk))}
    for name, status, number in _counts(found):
        found[name].count[status] = number
    by_id = {standing.queue.pk: standing for standing in found.values()}
    for sighting in GraderSighting.objects.filter(queue__in=list(by_id)).order_by("-seen_at"):
        by_id[sighting.queue_id].seen.append((sighting.grader, sighting.seen_at))
    for name, undelivered in _undelivered(found).items():
        found[name].undelivered = undelivered
    for name, late in _late(found):
        found[name].late = late
    return list(found.values())


def _next_in_line() -> Any:
    """When the job came that a claim would find first among those that wait: one entry of the claim's index.

    Not the smallest created_at: that stands in no index beside the queue, so all that wait would be read.
    """
    jobs = ExternalGraderDetail.objects.filter(
        queue_name=OuterRef("name"), status__in=[Status.PENDING, Status.RETRY], available_at__isnull=False
    )
    return jobs.order_by("available_at", "id").values("created_at")[:1]


def _counts(names: Iterable[str]) -> Any:
    """One range of the index (queue_name, status, ...) for each; retired rows are never touched."""
    jobs = ExternalGraderDetail.objects.filter(queue_name__in=list(names), status__in=LIVE).order_by()
    return jobs.values_list("queue_name", "status").annotate(number=Count("*"))


def _undelivered(names: Iterable[str]) -> dict[str, tuple[Undelivered, ...]]:
    """The newest that were given up, by queue, host and reason; the reason that most have stands for a host."""
    given_up = Delivery.objects.filter(state=DeliveryState.GIVEN_UP).order_by("-id")
    values = given_up.values_list("job__queue_name", "host", Left("last_error", 200), "job__submission_id")
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


def _late(names: Iterable[str]) -> Any:
    overdue = Q(state=DeliveryState.DUE, due_at__lt=DatabaseNow() - LATE, job__queue_name__in=list(names))
    return Delivery.objects.filter(overdue).order_by().values_list("job__queue_name").annotate(number=Count("*"))
