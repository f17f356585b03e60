"""What is owed to whom: deliveries are made with their job, and become due with its result, in the same transaction.

Rows only. Sending them is `submissions.deliveries`' work, in transactions and processes of its own.
"""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from submissions.models import Delivery, ExternalGraderDetail

Job = ExternalGraderDetail


def create_for(
    job: Job, transport: str, destination: str = "", *, header: str | None = None, submit_key: str | None = None
) -> Delivery:
    """A delivery that waits for the job's result. Call it in the transaction that makes the job.

    `header` comes back to the platform unchanged. `submit_key` (64 signs at most) is unique: IntegrityError where a
    delivery has it already.
    """
    return Delivery.objects.create(
        job=job,
        transport=transport,
        destination=destination,
        destination_key=key_of(destination),
        host=host_of(transport, destination),
        header=header,
        submit_key=submit_key,
    )


def key_of(destination: str) -> str:
    """SHA-256 of the whole destination, as hex."""
    return hashlib.sha256(destination.encode("utf-8", "replace")).hexdigest()


def host_of(transport: str, destination: str) -> str:
    """Whose limits and pauses count; the transport itself where the result stays in this process."""
    try:
        return (urlsplit(destination).hostname or transport)[:255].lower()
    except ValueError:
        return transport
