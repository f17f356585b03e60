"""An operator's move, done to many rows: in batches, in bounded time, with a record of each (`submissions.activity`).

"Select all" may be 100,000 jobs, which takes minutes, and a proxy does not wait so long. So an action works for some
seconds, then answers with a page that says how far it is and sends the same form again, with the last key that was
seen. Each batch is one transaction, with its records; where a deadlock rolls it back, its rows are moved one
by one. A browser that is closed ends the work between two batches. Doing it again goes on: what was moved is no longer
in the state from which the move starts. A background worker would be one more process to run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from django.db import DatabaseError, OperationalError, router, transaction
from django.db.models import Model, QuerySet
from django.utils.translation import gettext

from submissions.activity import Act
from submissions.errors import QueueError
from submissions.operators import Move
from submissions.queue.transactions import is_passing

BATCH = 100
"""Rows per transaction: they are locked until its end."""

WINDOW = 50_000
"""Primary keys that are looked through in one statement."""

MOST_ERRORS = 20
"""How many refusals are told one by one."""


@dataclass
class Work:
    """How far a move has come through a selection; it travels with the page from one request to the next."""

    after: int = 0
    """The primary key of the row that was seen last."""
    done: int = 0
    refused: int = 0
    skipped: int = 0
    """Rows in a state from which the move does not start."""
    group: UUID = field(default_factory=uuid4)
    errors: list[str] = field(default_factory=list)

    def refuse(self, error: str) -> None:
        self.refused += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(error)


@dataclass(frozen=True)
class Doer:
    """Who does what, and why."""

    move: Move
    act: Act

    def work_through(self, selection: QuerySet[Model], work: Work, *, seconds: float) -> bool:
        """Move the selected rows until all are done, or time is up: then False."""
        until = time.monotonic() + seconds
        for batch in self._batches(selection, work):
            self.do(batch, work)
            work.after = batch[-1][0]
            if time.monotonic() > until:
                return not any(True for _ in self._batches(selection, work))
        return True

    def _batches(self, selection: QuerySet[Model], work: Work) -> Iterator[list[tuple[int, int]]]:
        """(pk, what the move knows it by), by the primary key: each row is met once, though they change on the way.

        Window by window of it, so that no planner sorts a large selection anew for each batch.
        """
        move = self.move
        rows = selection.filter(**{f"{move.state}__in": move.starts_from}).order_by("pk")
        ready = rows.values("pk", move.known_by)
        last = move.model._base_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
        while work.after < last:
            window = ready.filter(pk__gt=work.after, pk__lte=work.after + WINDOW)
            if batch := [(row["pk"], row[move.known_by]) for row in window[:BATCH]]:
                yield batch
            else:
                work.after += WINDOW

    def do(self, batch: list[tuple[int, int]], work: Work) -> None:
        """Move these, each with its primary key and what the move knows it by.

        In one transaction, which costs one write to the disk; where somebody stands in its way, one by one.
        """
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
        """What the move knows each by, with its refusal or None. Moves and records are stored together."""
        moved: list[Model] = []
        outcome: list[tuple[int, str | None]] = []
        try:
            with transaction.atomic(using=router.db_for_write(self.move.model)):
                for _, known in batch:
                    outcome.append((known, self._run(known, moved)))
                self.act.note(self.move.touched(moved))
        except OperationalError as error:
            if not alone:
                raise
            return [(known, str(error)) for _, known in batch]
        return outcome

    def _run(self, known: int, moved: list[Model]) -> str | None:
        try:
            moved.append(self.move.verb(known, self.act.reason))
        except QueueError as refusal:
            return refusal.in_words()
        except DatabaseError as error:
            if isinstance(error, OperationalError):
                raise
            return gettext("the database refused: %(error)s") % {"error": error}
        return None


def skipped(selection: QuerySet[Model], move: Move) -> int:
    """How many of the selection the move does not start from."""
    return selection.exclude(**{f"{move.state}__in": move.starts_from}).order_by().count()
