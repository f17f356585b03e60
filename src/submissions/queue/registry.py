"""The queues: who may pull from which, and their settings, read once every other second."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connections, router
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.signals import m2m_changed, post_delete, post_migrate, post_save

from submissions.conf import conf
from submissions.errors import UnknownQueue
from submissions.models import DatabaseNow, GraderQueue, GraderSighting
from submissions.queue.transactions import in_transaction

# More queues and graders than a server has: a client that makes up names must not fill the memory.
MOST_REMEMBERED = 2000
# How long a claim may look only behind the last one, and after how many claims in such a time it does.
LOOK_AT_ALL_SECONDS = 1.0
MANY_CLAIMS = 32


class _Claimed(NamedTuple):
    """One process's plain claims of one grader in one queue, since it last looked at all of it."""

    until: float
    """By `time.monotonic`: when it will again."""
    since: datetime
    claims: int
    many: bool


_remembered: dict[tuple[str, str | None], tuple[float, Any]] = {}
_busy: set[str] = set()
_claimed: dict[tuple[str, str], _Claimed] = {}


def for_grader(queue_name: str, grader: str) -> Any:
    """The queue as `grader` may see it; an unsaved row where it is unknown and the registry is not strict.

    Raises UnknownQueue, also where the queue has grants and this grader none.
    """
    if not queue_name.isprintable():
        raise UnknownQueue  # no job can be in it, and PostgreSQL refuses to compare with NUL
    queue = _recall(
        (queue_name, grader), lambda: _with_grants(grader).filter(name=queue_name).first(), fresh=inside_transaction()
    )
    if queue is None:
        if conf.STRICT_QUEUES:
            raise UnknownQueue
        unknown = GraderQueue(name=queue_name)
        unknown.others = False  # type: ignore[attr-defined]
        return unknown
    if queue.restricted and not queue.granted:
        raise UnknownQueue
    return queue


def for_push(queue_name: str, grader: str) -> Any:
    """The queue for the one grader that its jobs are sent to: the operator named it with the address. UnknownQueue."""
    queue = _with_grants(grader).filter(name=queue_name).first()
    if queue is None:
        raise UnknownQueue
    queue.others = False  # who polls it besides gets nothing
    return queue


def pushed() -> list[str]:
    """The names of the queues whose jobs are sent to a grader."""
    return list(GraderQueue.objects.filter(paused=False).exclude(push_url="").values_list("name", flat=True))


def settings_of(queue_name: str, *, fresh: bool) -> GraderQueue:
    """The queue's row, or one with the defaults, unsaved. `fresh` asks the database in any case."""
    known = _recall((queue_name, None), lambda: GraderQueue.objects.filter(name=queue_name).first(), fresh=fresh)
    return known or GraderQueue(name=queue_name)


def for_enqueue(queue_name: str) -> Any:
    """The queue's row with the database's time as ``now``; set up by its first job, unless the registry is strict."""
    queues = GraderQueue.objects.filter(name=queue_name).annotate(now=DatabaseNow())
    queue = queues.first()
    if queue is None and conf.STRICT_QUEUES:
        raise UnknownQueue(f"There is no queue {queue_name!r}; set it up first.")
    if queue is None:
        GraderQueue.objects.get_or_create(name=queue_name)
        queue = queues.get()
    return queue


def names_for(grader: str) -> list[str]:
    """The names of the queues that this account may pull from, sorted."""
    return list(_with_grants(grader).filter(Q(restricted=False) | Q(granted=True)).values_list("name", flat=True))


def note_poll(queue: Any, grader: str) -> None:
    """Now and then, not with every poll: a busy queue's rows must not be written thousands of times."""
    stale = queue.now - timedelta(seconds=conf.POLL_NOTE_SECONDS)
    if queue.seen_at is not None and queue.seen_at >= stale:
        return
    queue.seen_at = queue.now
    _write_poll(queue, grader, stale)


@in_transaction
def _write_poll(queue: Any, grader: str, stale: datetime) -> None:
    mine = GraderSighting.objects.filter(queue=queue, grader=grader)
    if not mine.update(seen_at=queue.now):
        first = GraderSighting(queue_id=queue.pk, grader=grader, seen_at=queue.now)
        GraderSighting.objects.bulk_create([first], ignore_conflicts=True)
    # The queue's own row only where nobody else has just done it.
    still = Q(last_polled_at=None) | Q(last_polled_at__lt=stale)
    GraderQueue.objects.filter(still, pk=queue.pk).update(last_polled_at=queue.now, last_polled_by=grader)


def _with_grants(grader: str) -> Any:
    user = get_user_model()
    grants = GraderQueue.graders.through.objects.filter(graderqueue_id=OuterRef("pk"))
    own = grants.filter(**{f"{user._meta.model_name}__{user.USERNAME_FIELD}": grader})
    sightings = GraderSighting.objects.filter(queue=OuterRef("pk"))
    lately = DatabaseNow() - timedelta(seconds=conf.OTHERS_SECONDS)
    return GraderQueue.objects.annotate(
        granted=Exists(own),
        seen_at=Subquery(sightings.filter(grader=grader).values("seen_at")[:1]),
        others=Exists(sightings.filter(seen_at__gt=lately).exclude(grader=grader)),
        now=DatabaseNow(),
    )


# Remembered for seconds, so that a poll need not ask. ---------------------------------------------------------------


def inside_transaction() -> bool:
    """Whether the caller has a transaction open. Its own changes must count then, and may yet be undone."""
    return connections[router.db_for_read(GraderQueue)].in_atomic_block


def _recall(key: tuple[str, str | None], ask: Callable[[], Any], *, fresh: bool) -> Any:
    """What `ask` finds, at most QUEUE_CACHE_SECONDS old. Not even its query is built where it is remembered."""
    if fresh or not conf.QUEUE_CACHE_SECONDS:
        return ask()
    until, found = _remembered.get(key, (0.0, None))
    if time.monotonic() < until:
        return found
    found = ask()
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    if found is not None:  # a queue that does not exist yet may be there in a moment
        _remembered[key] = (time.monotonic() + conf.QUEUE_CACHE_SECONDS, found)
    return found


def seems_busy(queue_name: str) -> bool:
    """Whether this process's last claim in the queue found a job: a guess, right or wrong nothing depends on it."""
    return queue_name in _busy


def note_busy(queue_name: str, *, busy: bool) -> None:
    if busy and len(_busy) < MOST_REMEMBERED:
        _busy.add(queue_name)
    else:
        _busy.discard(queue_name)


def restrict(action: str, reverse: bool, instance: Any, pk_set: Any = None, **_: Any) -> None:
    """The first grant closes the queue to all others, and taking the last one back does not open it again."""
    if action == "post_add":
        GraderQueue.objects.filter(pk__in=(pk_set or ()) if reverse else [instance.pk]).update(restricted=True)
        if not reverse:
            instance.restricted = True
        forget()


def claimed_since(queue_name: str, grader: str) -> datetime | None:
    """Before which moment this process's claims of the last second left nothing in the queue that is due for `grader`.

    A guess, too: a job can come to stand there later. It waits for the next claim that looks at all, a second at most.
    None where nobody knows, or where there were few claims, so that looking at all costs little (ADR 0095).
    """
    known = _claimed.get((queue_name, grader))
    return known.since if known and known.many and time.monotonic() < known.until else None


def note_claimed(queue_name: str, grader: str, created_at: datetime | None, looked_from: datetime | None) -> None:
    """The job that was next from `looked_from` on (None: of all) was made then. None where nobody knows."""
    key, now = (queue_name, grader), time.monotonic()
    known = _claimed.get(key)
    if created_at is None or len(_claimed) >= MOST_REMEMBERED:
        _claimed.pop(key, None)
    elif known is None or now >= known.until:
        if looked_from is not None:
            return  # an old window's claim opens no new one: somebody must look at all
        was_busy = known is not None and known.claims >= MANY_CLAIMS and now < known.until + LOOK_AT_ALL_SECONDS
        _claimed[key] = _Claimed(now + LOOK_AT_ALL_SECONDS, created_at, 1, was_busy)
    elif looked_from is None or looked_from <= known.since:
        claims = known.claims + 1
        many = known.many or claims >= MANY_CLAIMS
        _claimed[key] = _Claimed(known.until, max(known.since, created_at), claims, many)


def forget(**_: Any) -> None:
    """What this process changes counts at once; what others change, within QUEUE_CACHE_SECONDS."""
    _remembered.clear()
    _busy.clear()
    _claimed.clear()


post_save.connect(forget, sender=GraderQueue, dispatch_uid="submissions.queue.registry.saved")
post_delete.connect(forget, sender=GraderQueue, dispatch_uid="submissions.queue.registry.deleted")
m2m_changed.connect(forget, sender=GraderQueue.graders.through, dispatch_uid="submissions.queue.registry.granted")
m2m_changed.connect(restrict, sender=GraderQueue.graders.through, dispatch_uid="submissions.queue.registry.restricted")
post_migrate.connect(forget, dispatch_uid="submissions.queue.registry.migrated")
