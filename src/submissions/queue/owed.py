"""What is owed to whom: deliveries are made with their job, and become due with its result, in the same transaction.

Rows only. Sending them is `submissions.deliveries`' work, in transactions and processes of its own.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from submissions import signals
from submissions.conf import conf
from submissions.models import Delivery, DeliveryState, ExternalGraderDetail, GraderQueue, Told, Transport
from submissions.queue.records import LockedJob

Job = ExternalGraderDetail

# What the platform does with these ends the learner's waiting, so an operator gets some time first (ADR 0041).
FINAL = (Transport.CALLBACK, Transport.EVENT)


def create_delivery(
    job: Job,
    transport: str,
    destination: str = "",
    *,
    header: str | None = None,
    submit_key: str | None = None,
    account: str | None = None,
) -> Delivery:
    """A delivery that waits for the job's result. Call it in the transaction that makes the job.

    `header` comes back to the platform unchanged. `submit_key` (64 characters at most) is unique: IntegrityError
    where a delivery has it already. `account`: who submitted the job over HTTP.
    """
    delivery = _row(job, transport, destination, header=header, submit_key=submit_key, account=account)
    delivery.save(force_insert=True)
    return delivery


def owe(job: Job, queue: GraderQueue, account: str | None = None) -> None:
    """Make the deliveries that each job of this site and this queue has. `account`: who submitted it over HTTP."""
    rows = [_row(job, transport, destination, account=account) for transport, destination in _usual(queue)]
    if rows:
        Delivery.objects.bulk_create(rows)


def has_usual(queue: GraderQueue) -> bool:
    """Whether each job of the queue has deliveries."""
    return any(True for _ in _usual(queue))


def _usual(queue: GraderQueue) -> Iterator[tuple[str, str]]:
    for transport in transports():
        yield transport, ""
    if url := queue.webhook_url or str(conf.WEBHOOK_URL):
        yield Transport.WEBHOOK, url


def transports() -> list[str]:
    """The transports of SUBMISSIONS_TRANSPORTS."""
    named = list(conf.TRANSPORTS)
    if "auto" in named:
        named.remove("auto")
        # A platform of Open edX that swaps the package has always had the event.
        if _has_events():
            named.append(Transport.EVENT)
    return list(dict.fromkeys(named))


@lru_cache
def _has_events() -> bool:
    return importlib.util.find_spec("openedx_events") is not None


def _row(job: Job, transport: str, destination: str, **fields: object) -> Delivery:
    return Delivery(
        job=job,
        transport=transport,
        destination=destination,
        destination_key=key_of(destination),
        host=host_of(transport, destination),
        **fields,
    )


def key_of(destination: str) -> str:
    """SHA-256 of the whole destination, as hex."""
    return hashlib.sha256(destination.encode("utf-8", "replace")).hexdigest()


def host_of(transport: str, destination: str) -> str:
    """Whose limits and pauses count; the transport itself where the result stays in this process."""
    host = host_in(destination)
    # With a dot at its end it is the same host, and has no part in the pauses and limits of the transport.
    return f"{host}." if host in Transport.in_process() else host or transport


def host_in(destination: str) -> str:
    """The host that an address names; "" where it names none."""
    try:
        # ASCII: databases take some other letters for equal.
        host = (urlsplit(destination).hostname or "").encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        return ""
    return host.rstrip(".")[:255].lower()


# With the verbs of the queue. ---------------------------------------------------------------------------------------


def scored(locked: LockedJob, points: float, queue: GraderQueue) -> bool:
    """The job has its score: tell it. Whether somebody is to be told."""
    told = {
        "state": DeliveryState.DUE,
        "due_at": locked.now,
        "ready_at": locked.now,
        "result": Told.SCORE,
        "points": points,
    }
    waiting = locked.row.deliveries.filter(state=DeliveryState.WAITING)
    return bool(waiting.update(**told)) or _make_due(locked.row, queue, told)


def failed(locked: LockedJob, queue: GraderQueue, *, final: bool = False) -> None:
    """The job ended without a score. `final`: nobody can put it back, so the platform is told at once."""
    job = locked.row
    waiting = job.deliveries.filter(state=DeliveryState.WAITING)
    if not queue.tells_failures:
        if final:
            waiting.update(state=DeliveryState.DROPPED)
        return
    told = {"state": DeliveryState.DUE, "due_at": locked.now, "ready_at": locked.now, "result": Told.FAILURE}
    later = told | {"due_at": locked.now + timedelta(seconds=0 if final else int(conf.FAILURE_NOTICE_SECONDS))}
    if not waiting.filter(transport__in=FINAL).update(**later) + waiting.update(**told):
        _make_due(job, queue, told, later)
    if final:
        # Of a job that was given up before: an operator had time, and needs no more.
        held = job.deliveries.filter(state=DeliveryState.DUE, result=Told.FAILURE, attempts=0)
        held.filter(due_at__gt=locked.now).update(due_at=locked.now)
    signals.announce(signals.deliveries_due, job=job)


def _make_due(job: Job, queue: GraderQueue, told: dict[str, object], later: dict[str, object] | None = None) -> bool:
    """For a job that was made without deliveries: by edx-submissions beside us, or before there were any."""
    usual = list(_usual(queue))
    if not usual or job.deliveries.exists():
        return False
    rows = [_row(job, transport, url, **(later or told if transport in FINAL else told)) for transport, url in usual]
    Delivery.objects.bulk_create(rows)
    return True


def take_back(job: Job) -> None:
    """A failed job is put back. Who was not told yet need not be; the others get its next result after that one."""
    failures = job.deliveries.filter(result=Told.FAILURE)
    failures.filter(state=DeliveryState.DUE, attempts=0).update(
        state=DeliveryState.WAITING, due_at=None, ready_at=None, result=Told.NOTHING_YET
    )
    waiting = set(job.deliveries.filter(state=DeliveryState.WAITING).values_list("transport", "destination_key"))
    told = {(row.transport, row.destination_key): row for row in failures.order_by("pk")}
    Delivery.objects.bulk_create(
        [
            _row(job, row.transport, row.destination, header=row.header, account=row.account)
            for key, row in told.items()
            if key not in waiting
        ]
    )


def drop(job: Job) -> None:
    """Nobody waits for the job's result any more."""
    job.deliveries.filter(state=DeliveryState.WAITING).update(state=DeliveryState.DROPPED)
    untold = job.deliveries.filter(state=DeliveryState.DUE, result=Told.FAILURE, attempts=0)
    untold.update(state=DeliveryState.DROPPED, due_at=None)
