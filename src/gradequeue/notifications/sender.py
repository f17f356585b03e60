"""Who is told what, and when. One process at a time does it, whichever takes the turn."""

from __future__ import annotations

import logging
import random
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import DatabaseError, close_old_connections, connection, connections, router
from django.db.models import Q

from gradequeue.notifications.channels import News, NotTold, send
from gradequeue.notifications.problems import Problem, find_problems, queues_of, wants
from submissions import sql
from submissions.models import DatabaseNow, Notice, NoticeTurn, Subscription

logger = logging.getLogger("gradequeue.notifications")

# About so often somebody looks (seconds).
EVERY = 20
# What comes and goes within it is nobody's to know.
SETTLED = timedelta(minutes=1)
# A turn, and after how much of it nothing more is sent: a message takes 20 seconds at the most.
TURN, SENDING = timedelta(minutes=5), 120.0


def run() -> None:
    """Never returns; for a thread of its own: a mail server that is slow holds up nothing else."""
    while True:
        time.sleep(EVERY * random.uniform(0.75, 1.25))  # noqa: S311 - so that processes do not meet each time
        close_old_connections()
        try:
            once()
        except Exception:  # a database that is away
            logger.exception("nobody could be told")
        finally:
            connection.close()


def once() -> int:
    """Look, and tell whoever is to be told; how many messages were sent. 0 where another process has the turn."""
    if not Subscription.objects.exists() or (until := _begin()) is None:
        return 0
    try:
        return _look()
    finally:
        # Unless it took so long that another process has the turn.
        NoticeTurn.objects.filter(pk=1, until=until).update(until=DatabaseNow())


def _begin() -> datetime | None:
    """Until when it is this process's turn; None where it is another's."""
    NoticeTurn.objects.get_or_create(pk=1, defaults={"until": datetime(2000, 1, 1, tzinfo=UTC)})
    # Nobody takes more than a turn: what is far away was written before a clock was set back. Twice as far, for of two
    # that begin at once the later one has the earlier time, where it had to wait for the row.
    over = Q(until__lte=DatabaseNow()) | Q(until__gt=DatabaseNow() + 2 * TURN)
    if not NoticeTurn.objects.filter(over, pk=1).update(until=DatabaseNow() + TURN):
        return None
    return NoticeTurn.objects.values_list("until", flat=True).get(pk=1)


def _look() -> int:
    now, until, sent = _now(), time.monotonic() + SENDING, 0
    # What was noticed before a clock was set back would not be told until that time has come.
    Notice.objects.filter(since__gt=now).update(since=now)
    Notice.objects.filter(well_at__gt=now).update(well_at=now)
    problems = find_problems()
    for subscription in _in_turns():
        try:
            _compare(subscription, problems, now)
            if time.monotonic() < until and not is_quiet(subscription, now):
                sent += _tell(subscription, now)
        except DatabaseError:
            raise
        except Exception:  # what is wrong with one must not keep the news from all behind it
            logger.exception("subscription %s could not be told", subscription.pk)
    return sent


def _in_turns() -> list[Subscription]:
    """Those that could not be told last time come last, and not always the same one first: a few of them can take all
    the time that there is for sending."""
    found = list(Subscription.objects.select_related("account").order_by("pk"))
    failed = [one for one in found if one.last_error]
    random.shuffle(failed)
    return [one for one in found if not one.last_error] + failed


def _compare(subscription: Subscription, problems: list[Problem], now: datetime) -> None:
    """Bring its notices up to what is wrong now."""
    names = queues_of(subscription)
    wrong = {
        (one.queue_name, str(one.kind)): one.sentence
        for one in problems
        if one.queue_name in names and wants(subscription, one.kind)
    }
    # Of what its account may see no more it is told nothing, also not that it is well.
    subscription.notices.exclude(queue_name__in=names).delete()
    for notice in subscription.notices.all():
        sentence = wrong.pop((notice.queue_name, notice.kind), None)
        if sentence is not None:
            # It is wrong still, or again before anybody was told that it was well.
            Notice.objects.filter(pk=notice.pk).update(sentence=sentence, well_at=None)
        elif notice.told_at is None:
            notice.delete()
        elif notice.well_at is None:
            Notice.objects.filter(pk=notice.pk).update(well_at=now)
    Notice.objects.bulk_create(
        Notice(subscription=subscription, queue_name=name, kind=kind, sentence=sentence, since=now)
        for (name, kind), sentence in wrong.items()
    )


def _tell(subscription: Subscription, now: datetime) -> int:
    settled = now - SETTLED
    notices = subscription.notices.order_by("queue_name", "kind")
    wrong = list(notices.filter(told_at=None, since__lte=settled))
    well = list(notices.filter(told_at__isnull=False, well_at__lte=settled))
    if not (wrong or well):
        return 0
    error = ""
    try:
        send(subscription, News(wrong, well))
    except NotTold as reason:
        error = str(reason)
        logger.warning("subscription %s of %s: %s", subscription.pk, subscription.account.get_username(), error)
    else:
        Notice.objects.filter(pk__in=[one.pk for one in wrong]).update(told_at=now)
        Notice.objects.filter(pk__in=[one.pk for one in well]).delete()
    Subscription.objects.filter(pk=subscription.pk).update(last_error=error)
    return int(not error)


def is_quiet(subscription: Subscription, now: datetime) -> bool:
    begin, end = subscription.quiet_from, subscription.quiet_until
    if begin is None or end is None or begin == end:
        return False
    at = now.astimezone(ZoneInfo(subscription.zone)).time()
    return begin <= at < end if begin < end else at >= begin or at < end


def _now() -> datetime:
    database = connections[router.db_for_write(Notice)]
    database.ensure_connection()
    return sql.now(database)
