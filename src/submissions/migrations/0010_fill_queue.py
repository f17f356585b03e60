"""Give the jobs that edx-submissions left their place in the queue, and their queues a row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import migrations
from django.db.models import F
from submissions.migration import Resumable

# edx-submissions' fixed lease.
LEASE = timedelta(minutes=5)


def fill(apps: Any, schema_editor: Any) -> None:
    using = schema_editor.connection.alias
    jobs = apps.get_model("submissions", "ExternalGraderDetail").objects.using(using).order_by()
    jobs.filter(status__in=["pending", "retry"]).update(available_at=F("status_time"))
    jobs.filter(status="pulled").update(available_at=F("status_time") + LEASE, pulled_at=F("status_time"), num_pulls=1)
    jobs.filter(status="retired").update(available_at=None, returned_at=F("status_time"))
    jobs.filter(status="failed").update(available_at=None)
    names = set(jobs.values_list("queue_name", flat=True).distinct())
    queues = apps.get_model("submissions", "GraderQueue").objects.using(using)
    queues.bulk_create([queues.model(name=name) for name in sorted(names)], ignore_conflicts=True)


class Migration(Resumable):
    dependencies = [("submissions", "0009_queue_and_deliveries")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
