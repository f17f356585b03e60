"""The loop: takes what is due and sends it, many at once, and not too many to one host."""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter, defaultdict
from contextlib import suppress

from django.db import DatabaseError, close_old_connections, connections

from submissions.conf import conf
from submissions.connections import close_after
from submissions.deliveries import claims
from submissions.deliveries.attempt import Outcome, attempt
from submissions.deliveries.claims import DueDelivery
from submissions.models import Tally

logger = logging.getLogger("submissions.deliveries")

# When nothing is due, how long until the next look (seconds).
POLL_SECONDS = 1.0
# For how many that are done the next look waits, and for how long at the most (seconds).
TOGETHER = 4
TOGETHER_SECONDS = 0.1
# For how long a sender without work keeps its connection (seconds).
REST_SECONDS = 10.0
# For how long a worker that is wanted now and then stays (seconds).
STAY_SECONDS = 2.0
# For how long what becomes due at about the same time is gathered (seconds).
GATHER_SECONDS = 0.05
# After an error of the database's.
ERROR_SECONDS = 5.0


class HostLimits:
    """How many deliveries may be sent to each host at once: one at first, one more with each that arrives, half after a
    failure. So a host that has just come back is not run over by all that waited for it.
    """

    def __init__(self) -> None:
        self._most: defaultdict[str, float] = defaultdict(lambda: 1.0)
        self._sent: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, host: str) -> int:
        with self._lock:
            return int(self._most[host]) - self._sent[host]

    def begin(self, host: str) -> None:
        with self._lock:
            self._sent[host] += 1

    def end(self, host: str, outcome: Outcome | None) -> None:
        with self._lock:
            self._sent[host] -= 1
            if outcome in (Outcome.DELIVERED, Outcome.DROPPED):
                self._most[host] = min(self._most[host] + 1, float(conf.DELIVERY_PER_HOST))
            elif outcome in (Outcome.FAILED, Outcome.UNREACHABLE, None):
                self._most[host] = max(self._most[host] / 2, 1.0)


class Worker:
    """`threads` deliveries at once. Any number of workers may run side by side, in any number of processes."""

    def __init__(self, threads: int = 16) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self._threads = threads
        self._limits = HostLimits()
        self._tasks: queue.SimpleQueue[DueDelivery | None] = queue.SimpleQueue()
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
        senders = [threading.Thread(target=self._send_all, daemon=True) for _ in range(self._threads)]
        for sender in senders:
            sender.start()
        try:
            ends = until_idle or wanted is not None
            while not stop.is_set() and (self._round(stop) or not ends):
                pass
        finally:
            for _ in senders:
                self._tasks.put(None)
            for sender in senders:
                sender.join()
            with suppress(DatabaseError):
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
            taken = claims.take(free, self._limits) if free else []
        except Exception as error:  # the database may be away for a while; this process is to outlive that
            logger.exception("due deliveries could not be read")
            close_after(error)
            stop.wait(ERROR_SECONDS)
            return True
        for delivery in taken:
            with self._changed:
                self._busy += 1
            self._limits.begin(delivery.row.host)
            self._tasks.put(delivery)
        return self._wait(stop, bool(taken))

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
        if busy or taken:
            return True
        if self._wanted is None:
            stop.wait(POLL_SECONDS)
            return False
        return self._wait_until_wanted(self._wanted, stop)

    def _wait_until_wanted(self, wanted: threading.Event, stop: threading.Event) -> bool:
        """Whether somebody wanted something; a little later, so that what comes at once is taken together."""
        if not wanted.wait(STAY_SECONDS):
            return False
        stop.wait(GATHER_SECONDS)
        wanted.clear()
        return True

    def _send_all(self) -> None:
        try:
            while (delivery := self._next()) is not None:
                self._send(delivery)
        finally:
            connections.close_all()

    def _next(self) -> DueDelivery | None:
        """What to send. Who has waited for a while needs no connection until there is something."""
        try:
            return self._tasks.get(timeout=REST_SECONDS)
        except queue.Empty:
            connections.close_all()
            return self._tasks.get()

    def _send(self, delivery: DueDelivery) -> None:
        outcome = None
        try:
            close_old_connections()
            outcome = attempt(delivery)
        except Exception as error:  # the row comes back when its lease is over
            logger.exception("delivery %s could not be recorded", delivery.row.pk)
            close_after(error)
        finally:
            self._limits.end(delivery.row.host, outcome)
            with self._changed:
                self._busy -= 1
                if outcome is not None:
                    self.outcomes[outcome] += 1
                    self._untold[_counter(delivery, outcome)] += 1
                self._changed.notify_all()


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
