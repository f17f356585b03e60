"""Which grader may pull from which queue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.signals import m2m_changed

from submissions.conf import conf
from submissions.errors import UnknownJob, UnknownQueue
from submissions.models import DatabaseNow, DrainedGrader, ExternalGraderDetail, GraderQueue, GraderSighting
from submissions.queue.records import QueueView
from submissions.queue.settings import forget, recall
from submissions.text import is_name, queue_name_of


def for_grader(queue_name: str, grader: str) -> QueueView:
    """The queue as `grader` may see it; one with the defaults where it is unknown and the registry is not strict.

    Raises UnknownQueue, also where the queue has grants and this grader none.
    """
    if not is_name(queue_name):
        raise UnknownQueue  # no job can be in it, and PostgreSQL refuses to compare with NUL
    queue_name = _meant(queue_name)
    found = recall((queue_name, grader), lambda: _view(queue_name, grader))
    if found is None and conf.STRICT_QUEUES:
        raise UnknownQueue
    if found is None:
        return QueueView(GraderQueue(name=queue_name))
    if not found.is_open:
        raise UnknownQueue
    return found


def _meant(queue_name: str) -> str:
    """Without spaces at its ends; with them where jobs wait that edx-submissions has put into a queue of that name."""
    name = queue_name_of(queue_name)
    if name == queue_name:
        return name
    kept = ExternalGraderDetail.objects.filter(queue_name=queue_name, available_at__isnull=False)
    return queue_name if kept.exists() else name


def for_push(queue_name: str, grader: str) -> QueueView:
    """The queue for the one grader that its jobs are sent to: the operator named it with the address. UnknownQueue."""
    found = _view(queue_name, grader)
    if found is None:
        raise UnknownQueue
    found.others = False  # who polls it besides gets nothing
    return found


def require_known(submission_id: int, *, grader: str) -> None:
    """Raises UnknownJob where the job's queue is closed to `grader`: then it may not know that there is such a job."""
    name = ExternalGraderDetail.objects.filter(submission_id=submission_id).values_list("queue_name", flat=True).first()
    try:
        for_grader(name or "", grader)
    except UnknownQueue:
        raise UnknownJob from None


def names_for(grader: str) -> list[str]:
    """The names of the queues that this account may pull from, sorted."""
    return list(_with_grants(grader).filter(Q(restricted=False) | Q(granted=True)).values_list("name", flat=True))


def _view(queue_name: str, grader: str) -> QueueView | None:
    row = _with_grants(grader).filter(name=queue_name).first()
    if row is None:
        return None
    is_open = row.granted or not row.restricted
    return QueueView(row, is_open=is_open, others=row.others, is_drained=row.drained, seen_at=row.seen_at, now=row.now)


def _with_grants(grader: str) -> Any:
    user = get_user_model()
    grants = GraderQueue.graders.through.objects.filter(graderqueue_id=OuterRef("pk"))
    own = grants.filter(**{f"{user._meta.model_name}__{user.USERNAME_FIELD}": grader})
    sightings = GraderSighting.objects.filter(queue=OuterRef("pk"))
    while_seen = timedelta(seconds=conf.OTHERS_SECONDS)
    # What is further ahead was written before a clock was set back: that grader may have gone.
    lately = sightings.filter(seen_at__gt=DatabaseNow() - while_seen, seen_at__lt=DatabaseNow() + while_seen)
    return GraderQueue.objects.annotate(
        granted=Exists(own),
        seen_at=Subquery(sightings.filter(grader=grader).values("seen_at")[:1]),
        others=Exists(lately.exclude(grader=grader)),
        drained=Exists(DrainedGrader.objects.filter(grader=grader)),
        now=DatabaseNow(),
    )


def restrict(action: str, reverse: bool, instance: GraderQueue, pk_set: set[int] | None = None, **_: object) -> None:
    """The first grant closes the queue to all others, and taking the last one back does not open it again."""
    if action == "post_add":
        GraderQueue.objects.filter(pk__in=(pk_set or ()) if reverse else [instance.pk]).update(restricted=True)
        if not reverse:
            instance.restricted = True
        forget()


m2m_changed.connect(restrict, sender=GraderQueue.graders.through, dispatch_uid="submissions.queue.grants.restricted")
