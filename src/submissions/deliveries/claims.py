"""Taking due deliveries, and writing down what became of them. Short transactions; the network is between them."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import DatabaseError
from django.db.models import F, Min, OuterRef, QuerySet, Subquery

from submissions import signals
from submissions.conf import conf
from submissions.deliveries import history, hosts
from submissions.models import DatabaseNow, Delivery, DeliveryHost, DeliveryState, Told, Transport
from submissions.queue.transactions import in_transaction

# How many more of an account's deliveries to a host may be on their way.
Room = Callable[[str, str | None], int]
# How many hosts are looked at in one round. The next round goes on there: else the last ones in the alphabet would
# never be told while so many others wait for their next attempt.
MOST_HOSTS = 1000
# Where there are more hosts, so many of what came due last are looked at, too: a result that has just come does not
# wait for the walk, however many hosts an account names that do not answer.
NEWEST = 100
# Where the first one due at a host is of an account that has its share, how many behind it are looked at for others'.
LOOKED_BEHIND = 200
_walked_to: str | None = None


@dataclass(frozen=True)
class DueDelivery:
    """A delivery that this worker has for itself until the lease ends."""

    row: Delivery
    """As it was taken: ``attempts`` counts this attempt, and proves afterwards that nobody took the row over."""
    now: datetime
    """The database's time when it was taken."""
    in_trouble: bool
    """Whether its host did not answer lately."""


class _Locked(NamedTuple):
    row: Delivery
    now: datetime
    earlier: datetime | None
    """When an earlier result of the same job is due at the same destination."""


def lease() -> timedelta:
    """How long a worker has a row for itself: an attempt and what it needs of the database, twice."""
    return timedelta(seconds=2 * int(conf.DELIVERY_TIMEOUT_SECONDS) + 30)


def take(free: int, limit: Callable[[str], int]) -> list[DueDelivery]:
    """Up to `free` deliveries that are due, at most ``limit(host)`` for a host; this worker's until the lease ends."""
    return [due for rows in take_by_host(free, limit) for due in rows]


def take_by_host(
    free: int,
    limit: Callable[[str], int],
    *,
    room: Room = lambda host, account: sys.maxsize,
    order: Callable[[str, str | None], object] = lambda host, account: 0,
    together: int = 1,
) -> Iterator[list[DueDelivery]]:
    """The same for `free` senders, host by host; never an empty list.

    At most ``room(host, account)`` are of one account. Hosts that failed lately come last; before that, `order` says
    who comes first, of a host and the account whose delivery has waited there for longest. A sender gets one, or up to
    `together` of those that stay in this process, where there is no line to wait for. What was taken counts for `limit`
    and `room` of the next host, if the caller sees to that.
    """
    found, now = _find_hosts_with_due()
    if not found or now is None:
        return
    trouble = hosts.in_trouble(found)
    walk = list(found.items())
    random.shuffle(walk)
    walk.sort(key=lambda one: (one[0] in trouble, order(*one)))
    has_taken = False
    for host, account in walk:
        each = together if host in Transport.in_process() else 1
        wanted = min(free, limit(host)) * each
        try:
            rows = _take_from(host, account, wanted, trouble.get(host), now, room) if wanted > 0 else []
        except DatabaseError:
            if not has_taken:
                raise
            return  # those that were taken are sent; the next look meets the error again, or not
        if rows:
            free -= -(-len(rows) // each)
            has_taken = True
            yield rows


def _find_hosts_with_due() -> tuple[dict[str, str | None], datetime | None]:
    """The hosts for which something is due now, each with the account of its first one, and the database's time.

    One step of the index for each host.
    """
    global _walked_to
    begun = at = _walked_to
    found: dict[str, str | None] = {}
    now: datetime | None = None
    for _ in range(MOST_HOSTS):
        first = _first_due_after(at)
        if first is None and not found and begun is not None:
            begun = None  # once more, from the first one on
            first = _first_due_after(None)
        if first is None:
            at = None
            break
        at, due_at, account, now = first
        if due_at is not None and due_at <= now:
            found[at] = account
    else:
        for host, account in _newest():
            found.setdefault(host, account)
    _walked_to = at
    return found, now


def _newest() -> Iterable[tuple[str, str | None]]:
    """The hosts and accounts of what came due last."""
    due = Delivery.objects.filter(state=DeliveryState.DUE, due_at__lte=DatabaseNow()).order_by("-due_at", "-id")
    return due.values_list("host", "account")[:NEWEST]


def _first_due_after(host: str | None) -> tuple[str, datetime | None, str | None, datetime] | None:
    """Of the next host in the alphabet: its name, when its first delivery is due, whose, and the database's time."""
    due = Delivery.objects.filter(state=DeliveryState.DUE).order_by("host", "due_at")
    rows = due if host is None else due.filter(host__gt=host)
    return rows.values_list("host", "due_at", "account", DatabaseNow()).first()


def _has_any_with_room(host: str, first: str | None, room: Room) -> bool:
    """Whether something due there is of an account that has not its share; `first`: that of what comes first."""
    if room(host, first) > 0:
        return True
    due = Delivery.objects.filter(state=DeliveryState.DUE, host=host).order_by("due_at", "id")
    return any(room(host, account) > 0 for account in set(due.values_list("account", flat=True)[:LOOKED_BEHIND]))


def _take_from(
    host: str, first: str | None, wanted: int, trouble: DeliveryHost | None, now: datetime, room: Room
) -> list[DueDelivery]:
    if (trouble is not None and hosts.is_held(trouble, now)) or not _has_any_with_room(host, first, room):
        return []
    if trouble is None or trouble.held_until is None:
        return _take(host, wanted, room, in_trouble=trouble is not None)
    if not hosts.begin_probe(trouble, lease()):
        return []
    taken = _take(host, 1, room, in_trouble=True)
    if not taken:
        hosts.end_probe_without(trouble)
    return taken


@in_transaction
def _take(host: str, wanted: int, room: Room, *, in_trouble: bool) -> list[DueDelivery]:
    taken: list[DueDelivery] = []
    left: dict[str | None, int] = {}
    while len(taken) < wanted:
        found = _lock_due(host, wanted - len(taken), without=[name for name, most in left.items() if most <= 0])
        if not found:
            break
        mine: list[DueDelivery] = []
        # What is held back is due no more, and what has no room is not found again, so this ends.
        for row, now, earlier in found:
            if earlier is not None:
                _hold_back(row, now, earlier)
                continue
            left[row.account] = left.get(row.account, room(host, row.account)) - 1
            if left[row.account] >= 0:
                mine.append(DueDelivery(row, now, in_trouble))
        _count_attempt([one.row for one in mine])
        taken += mine
    return taken


def _lock_due(host: str, most: int, *, without: list[str | None]) -> list[_Locked]:
    due = Delivery.objects.filter(state=DeliveryState.DUE, host=host, due_at__lte=DatabaseNow())
    for account in without:
        due = due.exclude(account=account)
    locked = due.order_by("due_at", "id").locked(skip_locked=True)
    rows = locked.annotate(now=DatabaseNow(), earlier=_earlier())[:most]
    return [_Locked(row, row.now, row.earlier) for row in rows]


def _count_attempt(rows: list[Delivery]) -> None:
    if rows:
        mine = Delivery.objects.filter(pk__in=[row.pk for row in rows])
        mine.update(due_at=DatabaseNow() + lease(), attempts=F("attempts") + 1)
    for row in rows:
        row.attempts += 1


def _earlier() -> Subquery:
    """When an earlier result of the same job is due at the same destination: the later one must not overtake it."""
    before = Delivery.objects.filter(
        job=OuterRef("job"),
        transport=OuterRef("transport"),
        destination_key=OuterRef("destination_key"),
        state=DeliveryState.DUE,
        pk__lt=OuterRef("pk"),
    )
    return Subquery(before.order_by().values("job").annotate(at=Min("due_at")).values("at")[:1])


def _hold_back(row: Delivery, now: datetime, earlier: datetime) -> None:
    free = now + lease()
    if earlier > free:
        # Nobody is sending it, or it would be due within a lease. A failure is dropped when it is taken next: what
        # replaces it must not wait out its pause, which may be a day.
        overtaken = Delivery.objects.to_same_destination(row).filter(pk__lt=row.pk)
        if overtaken.filter(state=DeliveryState.DUE, result=Told.FAILURE, due_at__gt=free).update(due_at=now):
            earlier = now
    Delivery.objects.filter(pk=row.pk).update(due_at=max(now, earlier) + timedelta(seconds=1))


# What became of one. ------------------------------------------------------------------------------------------------


def _mine(due: DueDelivery) -> QuerySet[Delivery]:
    """The row, if nobody took it over meanwhile."""
    return Delivery.objects.filter(pk=due.row.pk, state=DeliveryState.DUE, attempts=due.row.attempts)


def is_overtaken(due: DueDelivery) -> bool:
    """Whether it tells of a failure, and a later result is on its way to the same destination."""
    if due.row.result != Told.FAILURE:
        return False
    return Delivery.objects.to_same_destination(due.row).filter(pk__gt=due.row.pk).exists()


def record_delivered(sent: list[DueDelivery]) -> list[DueDelivery]:
    """Nearly always in one statement. Those that were still this worker's: others may have been taken over."""
    alike: defaultdict[tuple[int, str], list[DueDelivery]] = defaultdict(list)
    for due in sent:
        alike[due.row.attempts, history.add(due.row.history, due.now, history.DELIVERED)].append(due)
    mine: list[DueDelivery] = []
    for (attempts, noted), dues in alike.items():
        rows = Delivery.objects.filter(pk__in=[due.row.pk for due in dues], attempts=attempts)
        told = {"delivered_at": DatabaseNow(), "due_at": None, "last_error": None, "history": noted}
        done = rows.filter(state=DeliveryState.DUE).update(state=DeliveryState.DELIVERED, **told)
        if done < len(dues):  # another worker has taken some over
            kept = set(rows.filter(state=DeliveryState.DELIVERED, history=noted).values_list("pk", flat=True))
            dues = [due for due in dues if due.row.pk in kept]
        mine += dues
    for due in mine:
        signals.announce(signals.delivered, delivery=due.row)
    return mine


def drop(due: DueDelivery) -> None:
    _mine(due).update(state=DeliveryState.DROPPED, due_at=None, last_error="A later result of the job takes its place.")


def record_failure(due: DueDelivery, now: datetime, reason: str, retry_after: float | None = None) -> None:
    """To be tried again, unless that has gone on for too long. `now`: the database's time, about."""
    row = due.row
    oldest = now - timedelta(seconds=int(conf.DELIVERY_MAX_AGE_SECONDS))
    if row.ready_at is not None and row.ready_at < oldest:
        days = f"{int(conf.DELIVERY_MAX_AGE_SECONDS) / 86_400:g}"
        give_up(due, f"Not told within {days} days. {reason}", outcome=history.FAILED)
        return
    pause = max(backoff(history.failures(row.history) + 1), retry_after or 0.0)
    attempts = history.add(row.history, due.now, history.FAILED, reason)
    if _mine(due).update(due_at=now + timedelta(seconds=pause), last_error=reason, history=attempts):
        signals.announce(signals.delivery_failed, delivery=row, reason=reason, pause=pause)


def give_up(due: DueDelivery, reason: str, *, outcome: str = history.REFUSED) -> None:
    attempts = history.add(due.row.history, due.now, outcome, reason)
    if _mine(due).update(state=DeliveryState.GIVEN_UP, due_at=None, last_error=reason, history=attempts):
        signals.announce(signals.delivery_given_up, delivery=due.row, reason=reason)


def backoff(failures: int) -> float:
    """The pause after so many failures in a row (seconds): doubled each time, up to the ceiling, with jitter."""
    first = float(conf.DELIVERY_BACKOFF_SECONDS)
    pause: float = min(first * 2 ** min(max(failures - 1, 0), 30), float(conf.DELIVERY_BACKOFF_CEILING_SECONDS))
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
