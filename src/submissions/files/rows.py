"""The rows of all files, for who looks at each file."""

from __future__ import annotations

from collections.abc import Iterator

from submissions.connections import look_at_idle
from submissions.models import SubmissionFile

# Files whose rows are held at a time.
BATCH = 1000


def in_batches() -> Iterator[list[SubmissionFile]]:
    """MySQL, and PostgreSQL behind a pooler, would hand over all rows of one query at once, and SQLite could not
    shorten its log as long as one is read."""
    last = 0
    rows = SubmissionFile.objects.defer("uuid")  # SQLite's column holds whatever was written, and need not be one
    while True:
        # A dump, or a batch of large files, may have taken longer than a server lets a connection be idle.
        look_at_idle()
        batch = list(rows.filter(pk__gt=last).order_by("pk")[:BATCH])
        if not batch:
            return
        last = batch[-1].pk
        yield batch


def is_there(row: SubmissionFile) -> bool:
    """Whether the row is, still: it may have been pruned while a storage was slow, or hung."""
    look_at_idle()
    return SubmissionFile.objects.filter(pk=row.pk).exists()
