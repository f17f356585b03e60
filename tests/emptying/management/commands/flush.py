"""What Django calls after each test that commits."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands.flush import Command as Flush
from django.db import connections

from submissions.queue.settings import forget
from tests.emptying import empty

# They belong to the tables: made anew each time, they took longer than most tests.
STAY = {ContentType._meta.db_table, Permission._meta.db_table}


class Command(Flush):
    """Deletes. Django's truncates on PostgreSQL, and a truncated table waits for the disk: a second, where this takes
    a hundredth."""

    def handle(self, **options: Any) -> None:
        connection = connections[options["database"]]
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        empty([table for table in tables if table not in STAY], options["database"])
        forget()  # which queues there were; Django's tells it to everybody who listens to migrations
