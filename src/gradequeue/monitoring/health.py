"""`/livez`: this process answers. `/readyz`: what it needs answers, too."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from submissions.models import DatabaseNow, Delivery, DeliveryState, get_storage

logger = logging.getLogger("gradequeue.health")

# A storage may be far away and ask for money: it is tried once in so many seconds.
STORAGE_SECONDS = 30


def livez(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain; charset=utf-8")


def readyz(request: HttpRequest) -> JsonResponse:
    """200 or 503, with each check by name. What went wrong is in the log: this page is open to anybody."""
    checks = {"database": _works("database", _ask)}
    checks["migrations"] = checks["database"] and _works("migrations", migrations.require)
    checks["storage"] = storage.works()
    age = outbox_age() if checks["migrations"] else None
    checks["outbox"] = checks["migrations"] and not (age and 0 < settings.READY_OUTBOX_SECONDS < age)
    ready = all(checks.values())
    told = {name: "ok" if fine else "failed" for name, fine in checks.items()}
    return JsonResponse({"ready": ready, "checks": told, "outbox_oldest_seconds": age}, status=200 if ready else 503)


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
    """Whether a file can be kept, as it was a moment ago; while one thread tries, others take the last answer."""

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
    place = get_storage()
    name = place.save(f"probes/{uuid.uuid4().hex}", ContentFile(b"ready?"))
    place.delete(name)


migrations, storage = _Migrations(), _Storage()
