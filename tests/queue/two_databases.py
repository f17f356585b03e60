"""A platform whose router keeps the queue in a database of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradequeue.settings import *  # noqa: F403
from gradequeue.settings import DATA, DATABASES

DATABASES = {**DATABASES, "queue": {**DATABASES["default"], "NAME": str(Path(DATA) / "queue.sqlite3")}}
DATABASE_ROUTERS = ["tests.queue.two_databases.Router"]


class Router:
    def db_for_read(self, model: Any, **_: Any) -> str | None:
        return "queue" if model._meta.app_label == "submissions" else None

    db_for_write = db_for_read
