"""The verbs of operators, done to many rows: in batches, in bounded time, with a line in the admin's log for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import DatabaseError, OperationalError, router, transaction
from django.db.models import Model

from submissions import deliveries, queue
from submissions.errors import QueueError
from submissions.models import Delivery, DeliveryState, ExternalGraderDetail, Status
from submissions.queue.transactions import is_passing

Job = ExternalGraderDetail

BATCH = 100
"""Rows per transaction: they are locked until its end."""

WINDOW = 50_000
"""Primary keys that are looked through in one statement."""

MOST_ERRORS = 20
"""How many refusals are told one by one."""


@dataclass(frozen=True)
class Verb:
    """One move of an operator. `permission` is the one that it needs, `done` what the log and the page say."""

    name: str
    permission: str
    move: Callable[..., Model]
    starts_from: tuple[str, ...]
    done: str
    asks_reason: bool = False
    model: type[Model] = Job
    state: str = "status"
    """The column that says whether the verb can start."""
    known_by: str = "submission_id"
    """The column by whose value the verb knows the row."""
    noun: tuple[str, str] = ("job", "jobs")

    def counted(self, count: int) -> str:
        return f"{count} {self.noun[count != 1]}"


RETRY = Verb("retry_failed", "can_retry", queue.retry, (Status.FAILED,), "put back into the queue")
RELEASE = Verb("release_leases", "can_release", queue.release_lease, (Status.PULLED,), "taken away from the grader")
RETIRE = Verb(
    "retire_jobs",
    "can_retire",
    queue.retire,
    (Status.PENDING, Status.RETRY, Status.PULLED, Status.FAILED),
    "retired without a score",
    asks_reason=True,
)
RESEND = Verb(
    "resend",
    "can_resend",
    deliveries.retry,
    (DeliveryState.GIVEN_UP, DeliveryState.DELIVERED, DeliveryState.DUE),
    "to be sent again",
    model=Delivery,
    state="state",
    known_by="pk",
    noun=("delivery", "deliveries"),
)


@dataclass
class Work:
    """How far a verb has come through a selection; it travels with the page from one request to the next."""

    after: int = 0
    """The primary key of the row that was seen last."""
    done: int = 0
    refused: int = 0
    skipped: int = 0
    """Rows in a state from which the verb does not start."""
    errors: list[str] = field(default_factory=list)

    def refuse(self, error: str) -> None:
        self.refused += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(error)


@dataclass(frozen=True)
class Doer:
    """Who does what, and why."""

    verb: Verb
    user_id: int
    reason: str = ""

    def work_through(self, selection: Any, work: Work, *, seconds: float) -> bool:
        """Do the verb to the selected rows until all are done, or time is up: then False."""
        until = time.monotonic() + seconds
        for batch in self._batches(selection, work):
            self._do(batch, work)
            work.after = batch[-1][0]
            if time.monotonic() > until:
                return not any(True for _ in self._batches(selection, work))
        return True

    def _batches(self, selection: Any, work: Work) -> Iterator[list[tuple[int, int]]]:
        """(pk, what the verb knows it by), by the primary key: each row is met once, though they change on the way.

        Window by window of it, so that no planner sorts a large selection anew for each batch.
        """
        verb = self.verb
        ready = selection.filter(**{f"{verb.state}__in": verb.starts_from}).order_by("pk")
        ready = ready.values("pk", verb.known_by)
        last = verb.model._base_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
        while work.after < last:
            window = ready.filter(pk__gt=work.after, pk__lte=work.after + WINDOW)
            if batch := [(row["pk"], row[verb.known_by]) for row in window[:BATCH]]:
                yield batch
            else:
                work.after += WINDOW

    def _do(self, batch: list[tuple[int, int]], work: Work) -> None:
        """In one transaction, which costs one write to the disk; where somebody stands in its way, one by one."""
        try:
            outcome = self._together(batch)
        except OperationalError as error:
            if not is_passing(error):
                raise
            outcome = [one for row in batch for one in self._together([row], alone=True)]
        for known, refusal in outcome:
            if refusal is None:
                work.done += 1
            else:
                work.refuse(f"{known}: {refusal}")

    def _together(self, batch: list[tuple[int, int]], *, alone: bool = False) -> list[tuple[int, str | None]]:
        """What the verb knows each by, with its refusal or None. Moves and log entries are stored together."""
        moved: list[Model] = []
        outcome: list[tuple[int, str | None]] = []
        try:
            with transaction.atomic(using=router.db_for_write(self.verb.model)):
                for _, known in batch:
                    outcome.append((known, self._move(known, moved)))
                self._log(moved)
        except OperationalError as error:
            if not alone:
                raise
            return [(known, str(error)) for _, known in batch]
        return outcome

    def _move(self, known: int, moved: list[Model]) -> str | None:
        words = {"reason": self.reason} if self.reason and self.verb.asks_reason else {}
        try:
            moved.append(self.verb.move(known, **words))
        except QueueError as refusal:
            return str(refusal)
        except DatabaseError as error:
            if isinstance(error, OperationalError):
                raise
            return f"the database refused: {error}"
        return None

    def _log(self, moved: list[Model]) -> None:
        if moved:
            done = self.verb.done.capitalize()
            message = f"{done}: {self.reason}" if self.reason else f"{done}."
            LogEntry.objects.log_actions(self.user_id, moved, CHANGE, message)


def skipped(selection: Any, verb: Verb) -> int:
    """How many of the selection the verb does not start from."""
    return int(selection.exclude(**{f"{verb.state}__in": verb.starts_from}).order_by().count())
