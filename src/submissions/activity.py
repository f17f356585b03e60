"""Who did what: an operator's move is written down in its own transaction, whatever door it came in by (ADR 0133).

One row tells of one press of a button, one command or one request, with who, why and when; a small row more names each
job. So a move of 100,000 jobs is one line for who reads, and every job knows who moved it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from django.db.models import F
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from submissions.models import DatabaseNow, Door, MovedJob, OperatorMove
from submissions.words import Words

# What is written down besides the moves of `submissions.operators`, as a participle.
OTHER: dict[str, Words] = {
    "settings": _("changed settings of"),
    "create": _("set up"),
    "delete": pgettext_lazy("somebody did", "deleted"),
    "account": _("made an account"),
    "password": _("set a new password"),
    "grant": _("granted the queue"),
    "disable": _("disabled an account"),
    "enable": _("enabled an account"),
    "drain": _("drained a grader"),
    "undrain": _("gave jobs again to a grader"),
    "replies": _("changed the type of replies"),
    "token": _("made a token"),
    "revoke": _("revoked a token"),
    "prune": _("pruned"),
    "import": _("imported"),
    "anonymise": _("anonymised"),
}
# Those of which the object is the queue that the line names: the whole of it.
OF_A_QUEUE: dict[str, Words] = {
    "settings": _("changed settings of the queue"),
    "create": _("set up the queue"),
    "delete": _("deleted the queue"),
}
LONGEST_ACTOR, LONGEST_TEXT = 255, 500


@dataclass(frozen=True)
class Actor:
    """Who moves something."""

    name: str
    """Of the account; for a command "command: osuser@host"."""
    door: Door


@dataclass(frozen=True)
class Touched:
    """What a move concerned."""

    queue_name: str = ""
    submission_id: int | None = None
    delivery_id: int | None = None


@dataclass(frozen=True)
class Act:
    """One press, one command or one request. `group`: of an earlier request that this one goes on with."""

    actor: Actor
    move: str
    reason: str = ""
    subject: str = ""
    group: UUID = field(default_factory=uuid4)

    def note(self, touched: Iterable[Touched]) -> None:
        """Write down what was moved; to be called in the transaction that moved it. Two or three statements a queue."""
        by_queue: dict[str, list[Touched]] = defaultdict(list)
        for one in touched:
            by_queue[one.queue_name].append(one)
        for name, found in by_queue.items():
            self._note(name, [one for one in found if one.submission_id is not None])

    def _note(self, queue_name: str, jobs: list[Touched]) -> None:
        mine = self._mine(queue_name)
        MovedJob.objects.bulk_create(
            [
                MovedJob(
                    move_id=mine, submission_id=one.submission_id or 0, delivery_id=one.delivery_id, at=DatabaseNow()
                )
                for one in jobs
            ],
            batch_size=200,
        )
        if jobs:
            OperatorMove.objects.filter(pk=mine).update(number=F("number") + len(jobs))

    def _mine(self, queue_name: str) -> int:
        """The row for this queue; with the actor, as a group's name comes back with a form."""
        alike = {"group": self.group, "actor": self.actor.name[:LONGEST_ACTOR], "move": self.move}
        found = OperatorMove.objects.filter(queue_name=queue_name, **alike).values_list("pk", flat=True).first()
        if found is None:
            found = OperatorMove.objects.create(
                **alike,
                at=DatabaseNow(),
                door=self.actor.door,
                queue_name=queue_name,
                subject=self.subject[:LONGEST_TEXT],
                reason=self.reason[:LONGEST_TEXT],
            ).pk
        return int(found)


def note(actor: Actor, move: str, *, subject: str = "", queue_names: Iterable[str] = ("",), reason: str = "") -> None:
    """Write down what concerns no job, in the transaction of the caller."""
    Act(actor, move, reason, subject).note(Touched(name) for name in queue_names)
