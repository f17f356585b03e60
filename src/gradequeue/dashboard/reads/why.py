"""Why a job has no result yet, and how long each part took: its place in line, its queue's light, times, deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils.translation import gettext

from gradequeue.dashboard.access import Viewer
from submissions.models import Delivery, DeliveryHost, DeliveryState, ExternalGraderDetail, Status
from submissions.statistics import expectation, standing
from submissions.statistics.expectation import Expectation
from submissions.statistics.standing import Standing
from submissions.statistics.undelivered import plain_reason
from submissions.words import number


@dataclass(frozen=True)
class Why:
    queue: Standing | None
    """How its queue stands, while the job is open."""
    expected: Expectation | None
    """While it waits."""
    times: list[tuple[str, timedelta]]
    """What lasted how long, in words."""

    @property
    def place(self) -> str:
        """ "12 of 268"; "" where it does not wait."""
        if self.expected is None:
            return ""
        if self.queue is None:
            words = "%(place)s" if self.expected.is_exact else gettext("after %(ahead)s")
            whole = ""
        else:
            words = gettext("%(place)s of %(all)s") if self.expected.is_exact else gettext("after %(ahead)s of %(all)s")
            whole = self.queue.count.shown(self.queue.waiting)
        return words % {"place": number(self.expected.ahead + 1), "ahead": number(self.expected.ahead), "all": whole}


def why(viewer: Viewer, job: ExternalGraderDetail) -> Why:
    """A fixed number of statements: none for a job that has ended."""
    if not Status(job.status).is_open:
        return Why(None, None, list(_times(job)))
    queues = standing.of(list(viewer.queues().filter(name=job.queue_name)))
    return Why(
        queue=queues[0] if queues else None,
        expected=expectation.expect(job) if expectation.waits(job) else None,
        times=list(_times(job)),
    )


def _times(job: ExternalGraderDetail) -> Iterator[tuple[str, timedelta]]:
    waits = Status(job.status).is_waiting
    if job.pulled_at is None or waits:
        yield (
            (gettext("Waiting for") if waits else gettext("Open for")),
            _between(job.created_at, job.now if waits else job.status_time),
        )
        return
    yield gettext("Waited"), _between(job.created_at, job.pulled_at)
    if job.status == Status.PULLED:
        yield gettext("Held for"), _between(job.pulled_at, min(job.available_at or job.now, job.now))
    elif job.status == Status.RETIRED and job.returned_at is not None and not job.last_error:
        yield gettext("Graded in"), _between(job.pulled_at, job.returned_at)
    elif job.status == Status.FAILED:
        yield gettext("Failed for"), _between(job.status_time, job.now)


def _between(start: datetime, end: datetime) -> timedelta:
    return max(end - start, timedelta())


@dataclass(frozen=True)
class DeliveryShown:
    row: Delivery
    next_at: datetime | None
    """When it is tried next; None where it is not due."""
    cause: str


def deliveries_shown(rows: list[Delivery], *, names: bool) -> list[DeliveryShown]:
    """With their hosts' troubles: a host that does not answer is left alone by all its deliveries. `names`: whether
    it may be told what receivers raised, who may quote a learner's id."""
    due = {row.host for row in rows if row.state == DeliveryState.DUE and row.host}
    hosts = {host.host: host for host in DeliveryHost.objects.filter(host__in=due)} if due else {}
    shown = [_shown(row, hosts.get(row.host)) for row in rows]
    return shown if names else [replace(one, cause=plain_reason(one.row.host, one.cause)) for one in shown]


def _shown(row: Delivery, host: DeliveryHost | None) -> DeliveryShown:
    if row.state != DeliveryState.DUE or row.due_at is None:
        return DeliveryShown(row, None, row.last_error or "")
    held = host.held_until if host is not None else None
    cause = row.last_error or (host.last_error if host is not None else "") or ""
    return DeliveryShown(row, max(row.due_at, held or row.due_at), cause)
