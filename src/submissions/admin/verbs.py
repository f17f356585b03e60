"""The queue's verbs, done to many jobs: in batches, in bounded time, with a line in the admin's log for each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import DatabaseError, OperationalError, router, transaction

from submissions import queue
from submissions.errors import QueueError
from submissions.models import ExternalGraderDetail, Status
from submissions.transactions import is_passing

Job = ExternalGraderDetail

BATCH = 100
"""Jobs per transaction: their rows are locked until its end."""

MOST_ERRORS = 20
"""How many refusals are told one by one."""


@dataclass(frozen=True)
class Verb:
    """One move of an operator. `permission` is the one that it needs, `done` what the log and the page say."""

    name: str
    permission: str
    move: Callable[..., Job]
    starts_from: tuple[Status, ...]
    done: str
    asks_reason: bool = False


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
VERBS = {verb.name: verb for verb in (RETRY, RELEASE, RETIRE)}


@dataclass
class Work:
    """How far a verb has come through a selection; it travels with the page from one request to the next."""

    after: int = 0
    """The primary key of the job that was seen last."""
    done: int = 0
    refused: int = 0
    skipped: int = 0
    """Jobs in a state from which the verb does not start."""
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
        """Do the verb to the selected jobs until all are done, or time is up: then False."""
        until = time.monotonic() + seconds
        for batch in self._batches(selection, work):
            self._do(batch, work)
            work.after = batch[-1][0]
            if time.monotonic() > until:
                return not any(self._batches(selection, work))
        return True

    def _batches(self, selection: Any, work: Work) -> Iterator[list[tuple[int, int]]]:
        """(pk, submission id), by the primary key: each job is met once, though they change on the way."""
        ready = selection.filter(status__in=self.verb.starts_from).order_by("pk").values_list("pk", "submission_id")
        while batch := list(ready.filter(pk__gt=work.after)[:BATCH]):
            yield batch

    def _do(self, batch: list[tuple[int, int]], work: Work) -> None:
        """In one transaction, which costs one write to the disk; where somebody stands in its way, one by one."""
        try:
            outcome = self._together(batch)
        except OperationalError as error:
            if not is_passing(error):
                raise
            outcome = [one for row in batch for one in self._together([row], alone=True)]
        for submission_id, refusal in outcome:
            if refusal is None:
                work.done += 1
            else:
                work.refuse(f"{submission_id}: {refusal}")

    def _together(self, batch: list[tuple[int, int]], *, alone: bool = False) -> list[tuple[int, str | None]]:
        """Submission ids, each with its refusal or None; moves and log entries are stored together or not at all."""
        moved: list[Job] = []
        outcome: list[tuple[int, str | None]] = []
        try:
            with transaction.atomic(using=router.db_for_write(Job)):
                for _, submission_id in batch:
                    outcome.append((submission_id, self._move(submission_id, moved)))
                self._log(moved)
        except OperationalError as error:
            if not alone:
                raise
            return [(submission_id, str(error)) for _, submission_id in batch]
        return outcome

    def _move(self, submission_id: int, moved: list[Job]) -> str | None:
        words = {"reason": self.reason} if self.reason and self.verb.asks_reason else {}
        try:
            moved.append(self.verb.move(submission_id, **words))
        except QueueError as refusal:
            return str(refusal)
        except DatabaseError as error:
            if isinstance(error, OperationalError):
                raise
            return f"the database refused: {error}"
        return None

    def _log(self, moved: list[Job]) -> None:
        if moved:
            done = self.verb.done.capitalize()
            message = f"{done}: {self.reason}" if self.reason else f"{done}."
            LogEntry.objects.log_actions(self.user_id, moved, CHANGE, message)


def skipped(selection: Any, verb: Verb) -> int:
    """How many of the selection the verb does not start from."""
    return int(selection.exclude(status__in=verb.starts_from).order_by().count())
