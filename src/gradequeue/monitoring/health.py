"""`/livez`: this process answers. `/readyz`: what it needs answers, too."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from submissions.files import kept_for_a_moment
from submissions.models import DatabaseNow, Delivery, DeliveryState, Tally, get_storage

logger = logging.getLogger("gradequeue.health")

# A storage may be far away and ask for money: it is tried once in so many seconds.
STORAGE_SECONDS = 30
# `/readyz` answers within two seconds; a part of them it may have waited for a thread (gradequeue.processes.admission).
DEADLINE_SECONDS = 1.5
CHECKS = ("database", "migrations", "writing", "storage", "outbox")
_WORDS = {True: "ok", False: "failed", None: "no answer"}


def livez(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain; charset=utf-8")


def readyz(request: HttpRequest) -> JsonResponse:
    """200 or 503, with each check by name. What went wrong is in the log: this page is open to anybody."""
    return looks.newest(DEADLINE_SECONDS).answer()


class Look:
    """What was found, as far as it is known; the checks fill it one after the other."""

    def __init__(self) -> None:
        self.found: dict[str, bool] = {}
        self.outbox_seconds: float | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            database = self.found["database"] = _works("database", _ask)
            tables = self.found["migrations"] = database and _works("migrations", migrations.require)
            self.found["writing"] = tables and _works("writing", _write)
            self.found["outbox"] = tables and _works("outbox", self._look_at_outbox)
            self.found["storage"] = storage.works()
        finally:
            self.done.set()

    def _look_at_outbox(self) -> None:
        self.outbox_seconds = age = outbox_age()
        if age and 0 < settings.READY_OUTBOX_SECONDS < age:
            raise RuntimeError(f"a delivery is due for {age:.0f} seconds")

    def answer(self) -> JsonResponse:
        told = {name: _WORDS[self.found.get(name)] for name in CHECKS}
        ready = all(self.found.get(name) for name in CHECKS)
        body = {"ready": ready, "checks": told, "outbox_oldest_seconds": self.outbox_seconds}
        return JsonResponse(body, status=200 if ready else 503)


class _Looks:
    """One at a time, in a thread of its own with a connection of its own: only so can one be left that hangs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Look | None = None

    def newest(self, seconds: float) -> Look:
        """One that has ended, or that still waits for an answer after so many seconds."""
        with self._lock:
            look = self._newest
            if look is None or look.done.is_set():
                look = Look()
                try:
                    threading.Thread(target=_run, args=(look,), daemon=True).start()
                except RuntimeError:  # no more threads for now; the next one who asks tries again
                    logger.exception("not ready: nobody could look")
                    return look
                self._newest = look
        if not look.done.wait(seconds):
            logger.error("not ready: no answer within %s seconds", seconds)
        return look


def _run(look: Look) -> None:
    try:
        look.run()
    finally:
        connections.close_all()


def outbox_age() -> float | None:
    """For how long the oldest delivery that is due could have been sent (seconds); None where none is due."""
    rows: Any = Delivery.objects.filter(state=DeliveryState.DUE, due_at__lte=DatabaseNow()).order_by("due_at")
    found = rows.annotate(now=DatabaseNow()).values_list("due_at", "now").first()
    return None if found is None else round((found[1] - found[0]).total_seconds(), 3)


def _works(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception:  # each driver and each storage has its own
        logger.exception("not ready: %s", name)
        return False
    return True


def _ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _write() -> None:
    """No row is changed, but a database that takes no writes refuses this as it would any other.

    Not on SQLite: there it would wait for whoever writes just now.
    """
    if connection.vendor != "sqlite":
        Tally.objects.filter(name="").update(value=0)


class _Migrations:
    """Once the tables are up to date they stay so, for this process's code."""

    def __init__(self) -> None:
        self.done = False

    def require(self) -> None:
        if not self.done:
            executor = MigrationExecutor(connection)
            behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
            if behind:
                raise RuntimeError(f"{len(behind)} migrations are not applied")
            self.done = True


class _Storage:
    """Whether a file can be kept. While one thread tries, others take the last answer, which is a little older."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.until, self.fine = 0.0, False

    def works(self) -> bool:
        if time.monotonic() >= self.until and self.lock.acquire(blocking=self.until == 0.0):
            try:
                if time.monotonic() >= self.until:
                    self.fine = _works("storage", _keep_a_file)
                    self.until = time.monotonic() + STORAGE_SECONDS
            finally:
                self.lock.release()
        return self.fine


def _keep_a_file() -> None:
    with kept_for_a_moment(get_storage(), f"probes/{uuid.uuid4().hex}", b"ready?"):
        pass


migrations, storage, looks = _Migrations(), _Storage(), _Looks()
