"""The loop: takes what is due and sends it, many at once, and not too many to one host, nor of one account."""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, close_old_connections, connections

from submissions.conf import conf
from submissions.connections import close_after
from submissions.deliveries import claims
from submissions.deliveries.attempt import Outcome, attempt, attempt_all
from submissions.deliveries.claims import DueDelivery
from submissions.deliveries.hosts import Proven
from submissions.models import Tally, Transport

logger = logging.getLogger("submissions.deliveries")

# When nothing is due, how long until the next look (seconds).
POLL_SECONDS = 1.0
# Hosts that have not answered yet get one sender in so many.
UNTRIED_SHARE = 4
# An account that submits over HTTP gets one in so many, of all senders and of those for hosts that have not answered.
ACCOUNT_SHARE = 2
# For how many that are done the next look waits, and for how long at the most (seconds).
TOGETHER = 4
TOGETHER_SECONDS = 0.1
# For how long a sender without work keeps its connection (seconds).
REST_SECONDS = 10.0
# For how long a worker that is wanted now and then stays (seconds).
STAY_SECONDS = 2.0
# How long after one look a worker that is wanted looks again, so that it takes what came meanwhile together (seconds).
GATHER_SECONDS = 0.2
# How many results that stay in this process one sender takes together: where there is no network to wait for, reading
# and writing down cost more than sending.
TOGETHER_IN_PROCESS = 16
# After an error of the database's.
ERROR_SECONDS = 5.0


class Place(NamedTuple):
    """What one sender is busy with."""

    host: str
    account: str | None
    """Whose share it is of; None where the platform itself submitted, or the result stays in this process."""
    untried: bool


class Limits:
    """How many deliveries may be on their way at once, of `threads` senders.

    To each host: one at first, one more with each that arrives, half after a failure. So a host that has just come back
    is not run over by all that waited for it. All hosts that have not answered yet share a part of the senders:
    hundreds of silent ones leave the others theirs. And each account has its share, of all and of that part: whoever
    names many slow hosts holds up no other account.
    """

    def __init__(self, threads: int) -> None:
        self._proven = Proven()
        self._for_untried = max(threads // UNTRIED_SHARE, 1)
        self._for_account = max(threads // ACCOUNT_SHARE, 1)
        self._for_untried_of_account = max(self._for_untried // ACCOUNT_SHARE, 1)
        # Only of hosts that take more than one: the names of those that never answered are strangers' to choose.
        self._most: dict[str, float] = {}
        self._busy: Counter[Place] = Counter()
        self._lock = threading.Lock()

    def to_host(self, host: str) -> int:
        """How many more may be sent there."""
        proven = self._proven(host)
        with self._lock:
            room = int(self._most.get(host, 1.0)) - self._count(lambda place: place.host == host)
            return room if proven else min(room, self._for_untried - self._count(lambda place: place.untried))

    def of_account(self, host: str, account: str | None) -> int:
        """How many more of this account may be sent there."""
        if account is None or host in Transport.in_process():
            return sys.maxsize
        proven = self._proven(host)
        with self._lock:
            room = self._for_account - self._count(lambda place: place.account == account)
            untried = self._count(lambda place: place.account == account and place.untried)
            return room if proven else min(room, self._for_untried_of_account - untried)

    def order(self, host: str, account: str | None) -> tuple[bool, int]:
        """The lowest comes first: hosts that have answered, then whose account has the fewest on their way."""
        proven = self._proven(host)
        with self._lock:
            return not proven, self._count(lambda place: account is not None and place.account == account)

    def _count(self, counts: Callable[[Place], bool]) -> int:
        """How many senders are busy with what `counts`."""
        return sum(number for place, number in self._busy.items() if counts(place))

    def begin(self, host: str, account: str | None) -> Place:
        """Give it to `end` when it is over."""
        place = Place(host, None if host in Transport.in_process() else account, not self._proven(host))
        with self._lock:
            self._busy[place] += 1
        return place

    def end(self, place: Place, outcomes: list[Outcome]) -> None:
        """`outcomes`: none where the database failed."""
        host = place.host
        with self._lock:
            self._busy[place] -= 1
            if not self._busy[place]:
                del self._busy[place]
            if Outcome.UNREACHABLE in outcomes:
                self._proven.note(host, answers=False)
            elif not {Outcome.DELIVERED, Outcome.FAILED}.isdisjoint(outcomes):
                self._proven.note(host, answers=True)
            most = self._most.pop(host, 1.0)
            if not outcomes or not {Outcome.FAILED, Outcome.UNREACHABLE}.isdisjoint(outcomes):
                most /= 2
            elif not {Outcome.DELIVERED, Outcome.DROPPED}.isdisjoint(outcomes):
                most = min(most + 1, float(conf.DELIVERY_PER_HOST))
            if most > 1:
                self._most[host] = most


class Task(NamedTuple):
    """What one sender sends, one after the other, to one host."""

    rows: list[DueDelivery]
    place: Place


class Worker:
    """`threads` deliveries at once. Any number of workers may run side by side, in any number of processes."""

    def __init__(self, threads: int = 16) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self._threads = threads
        self._limits = Limits(threads)
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._busy = 0
        self._wanted: threading.Event | None = None
        # Not yet among the counters of /metrics.
        self._untold: Counter[str] = Counter()
        self._changed = threading.Condition()

    def run(self, stop: threading.Event, *, until_idle: bool = False, wanted: threading.Event | None = None) -> None:
        """Until `stop` is set; what is on its way is finished.

        `until_idle`: until nothing is due. `wanted`: when nothing is due, look again only once this is set, and end
        where it was not for STAY_SECONDS.
        """
        self._wanted = wanted
        senders: list[threading.Thread] = []
        try:
            while len(senders) < self._threads:
                sender = threading.Thread(target=self._send_all, daemon=True)
                sender.start()  # where there is no further thread, those that began must end
                senders.append(sender)
            ends = until_idle or wanted is not None
            while not stop.is_set() and (self._round(stop) or not ends):
                pass
        finally:
            for _ in senders:
                self._tasks.put(None)
            for sender in senders:
                sender.join()
            with suppress(DatabaseError, InterfaceError):
                self._tell_counters()

    def _tell_counters(self) -> None:
        """Once per round, not with each delivery: all of them would wait for one row."""
        with self._changed:
            untold, self._untold = self._untold, Counter()
        for name, number in untold.items():
            Tally.objects.add(name, number)

    def _round(self, stop: threading.Event) -> bool:
        """False where nothing is due and nothing on its way."""
        try:
            close_old_connections()
            self._tell_counters()
            free = self._free()
            taken = self._give_out(free) if free else False
        except Exception as error:  # the database may be away for a while; this process is to outlive that
            logger.exception("due deliveries could not be read")
            close_after(error)
            stop.wait(ERROR_SECONDS)
            return True
        return self._wait(stop, taken)

    def _give_out(self, free: int) -> bool:
        """Give what is due to the senders; whether there was something."""
        limits, some = self._limits, False
        for taken in claims.take_by_host(
            free, limits.to_host, room=limits.of_account, order=limits.order, together=TOGETHER_IN_PROCESS
        ):
            some = True
            for rows in _divided(taken):
                place = limits.begin(rows[0].row.host, rows[0].row.account)
                with self._changed:
                    self._busy += 1
                self._tasks.put(Task(rows, place))
        return some

    def _free(self) -> int:
        with self._changed:
            return self._threads - self._busy

    def _wait(self, stop: threading.Event, taken: bool) -> bool:
        """Until some are done, so that what is taken next is taken together; where nothing was found, for a while."""
        with self._changed:
            busy = self._busy
            if busy and (busy == self._threads or not taken):
                enough = busy - min(busy, TOGETHER)
                self._changed.wait_for(lambda: self._busy <= enough, TOGETHER_SECONDS)
        if not (busy or taken):
            if self._wanted is None:
                stop.wait(POLL_SECONDS)
                return False
            if not self._wanted.wait(STAY_SECONDS):
                return False
        if self._wanted is not None:
            stop.wait(GATHER_SECONDS)
            self._wanted.clear()
        return True

    def _send_all(self) -> None:
        try:
            while (task := self._next()) is not None:
                self._send(task)
        finally:
            connections.close_all()

    def _next(self) -> Task | None:
        """What to send. Who has waited for a while needs no connection until there is something."""
        try:
            return self._tasks.get(timeout=REST_SECONDS)
        except queue.Empty:
            connections.close_all()
            return self._tasks.get()

    def _send(self, task: Task) -> None:
        outcomes: list[Outcome] = []
        try:
            close_old_connections()
            outcomes = attempt_all(task.rows)
        except Exception as error:  # the rows come back when their lease is over
            logger.exception("delivery %s could not be recorded", task.rows[0].row.pk)
            close_after(error)
        finally:
            self._limits.end(task.place, outcomes)
            with self._changed:
                self._busy -= 1
                self.outcomes.update(outcomes)
                self._untold.update(_counter(task.rows[0], outcome) for outcome in outcomes)
                self._changed.notify_all()


def _divided(rows: list[DueDelivery]) -> Iterator[list[DueDelivery]]:
    """What each sender gets of one host's: many that stay in this process, else one."""
    each = TOGETHER_IN_PROCESS if rows[0].row.host in Transport.in_process() else 1
    for start in range(0, len(rows), each):
        yield rows[start : start + each]


def deliver_due(limit: int | None = None) -> Counter[Outcome]:
    """Send what is due now, one after the other in this thread, up to `limit`; how it went."""
    outcomes: Counter[Outcome] = Counter()
    while limit is None or outcomes.total() < limit:
        taken = claims.take(1, lambda _: 1)
        if not taken:
            break
        outcome = attempt(taken[0])
        outcomes[outcome] += 1
        Tally.objects.add(_counter(taken[0], outcome))
    return outcomes


def _counter(delivery: DueDelivery, outcome: Outcome) -> str:
    return f"deliveries:{delivery.row.transport}:{outcome.name.lower()}"
