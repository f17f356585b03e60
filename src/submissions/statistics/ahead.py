"""Jobs that a clock which was set back has left in the future: nobody is offered them until their time has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from submissions.models import DatabaseNow, ExternalGraderDetail, Status

# Clocks of several machines may differ by so much, where the database is a file.
AHEAD = timedelta(minutes=1)
# More need not be counted.
MOST = 10_000


def count(names: Sequence[str] | None = None) -> Counter[str]:
    """By queue, of `names` or of all: how many open jobs came to their state at a time that is still to come."""
    jobs = ExternalGraderDetail.objects.filter(status_time__gt=DatabaseNow() + AHEAD, status__in=Status.open())
    found = jobs if names is None else jobs.filter(queue_name__in=names)
    return Counter(found.order_by().values_list("queue_name", flat=True)[:MOST])
