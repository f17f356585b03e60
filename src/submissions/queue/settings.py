"""The settings of queues, read once every other second where the site allows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar, cast

from django.db import IntegrityError, connections, router
from django.db.models.signals import m2m_changed, post_delete, post_migrate, post_save

from submissions.conf import conf
from submissions.errors import Overtaken, UnknownQueue
from submissions.models import GraderQueue

# More queues and graders than a server has: a client that makes up names must not fill the memory.
MOST_REMEMBERED = 2000

T = TypeVar("T")

_remembered: dict[tuple[str, str | None], tuple[float, object]] = {}


def settings_of(queue_name: str) -> GraderQueue:
    """The queue's row, or one with the defaults, unsaved."""
    return known_settings(queue_name) or GraderQueue(name=queue_name)


def known_settings(queue_name: str) -> GraderQueue | None:
    """The queue's row, where it has one."""
    return recall((queue_name, None), lambda: GraderQueue.objects.filter(name=queue_name).first())


def kept_name(queue_name: str) -> str:
    """The name as the queue's row has it: MySQL finds a queue by what differs in case or accents, too."""
    if connections[router.db_for_write(GraderQueue)].vendor != "mysql":
        return queue_name
    known = known_settings(queue_name)
    return queue_name if known is None else known.name


def for_enqueue(queue_name: str) -> GraderQueue:
    """The queue's row; set up by its first job, unless STRICT_QUEUES is set. Raises UnknownQueue, Overtaken."""
    known = known_settings(queue_name)
    if known is None and conf.STRICT_QUEUES:
        raise UnknownQueue(f"There is no queue {queue_name!r}; set it up first.")
    try:
        return known or GraderQueue.objects.get_or_create(name=queue_name)[0]
    except IntegrityError as error:
        # REPEATABLE READ: another first job has just set it up, and this transaction cannot see it.
        raise Overtaken("The queue was set up by another transaction.") from error


def names_of_pushed() -> list[str]:
    """The names of the queues whose jobs are sent to a grader."""
    return list(GraderQueue.objects.filter(paused=False).exclude(push_url="").values_list("name", flat=True))


def recall(key: tuple[str, str | None], ask: Callable[[], T | None]) -> T | None:
    """What `ask` finds, at most QUEUE_CACHE_SECONDS old. Not even its query is built where it is remembered.

    Asked anew where a transaction is open: what was changed in it must count there, and may yet be undone.
    """
    if not conf.QUEUE_CACHE_SECONDS or connections[router.db_for_write(GraderQueue)].in_atomic_block:
        return ask()
    until, kept = _remembered.get(key, (0.0, None))
    if time.monotonic() < until:
        return cast(T, kept)
    found = ask()
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    if found is not None:  # a queue that does not exist yet may be there soon
        _remembered[key] = (time.monotonic() + conf.QUEUE_CACHE_SECONDS, found)
    return found


def forget(**_: object) -> None:
    """What this process changes counts at once; what others change, within QUEUE_CACHE_SECONDS."""
    _remembered.clear()


post_save.connect(forget, sender=GraderQueue, dispatch_uid="submissions.queue.settings.saved")
post_delete.connect(forget, sender=GraderQueue, dispatch_uid="submissions.queue.settings.deleted")
m2m_changed.connect(forget, sender=GraderQueue.graders.through, dispatch_uid="submissions.queue.settings.granted")
post_migrate.connect(forget, dispatch_uid="submissions.queue.settings.migrated")
