"""What an operator can do: one table of moves, which dashboard, admin and commands read.

A move says from which states it starts, which permission it needs, and in which words it is told. Who may use a door
is the door's question; whether a row's state allows the move is decided once more under the row's lock, by the verb.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Model

from submissions import deliveries, queue
from submissions.errors import NotAllowed, UnknownQueue
from submissions.models import Delivery, DeliveryState, ExternalGraderDetail, GraderQueue, Status
from submissions.queue.transactions import in_transaction
from submissions.text import counted

REASON = queue.ENDED
"""Kept with a job that is ended without a score, where the operator gives no other reason."""
LONGEST_REASON = 500


@dataclass(frozen=True)
class Move:
    """One move of an operator."""

    name: str
    """In addresses and commands."""
    label: str
    """On buttons and in menus."""
    phrase: str
    """What is done, with the place of what it is done to: "end {} without a score"."""
    done: str
    """Past participle: "3 retried, 1 refused"."""
    outcome: str
    """What is told afterwards, behind "3 jobs" or "Submission 17"."""
    otherwise: str
    """Why a row is skipped."""
    nothing: str
    """The whole sentence where no row could be moved."""
    permission: str
    """Of this app, as ``can_retry``."""
    run: Callable[[int, str], Model]
    """Moves the row that is known by this number, with a reason or ""; raises QueueError."""
    starts_from: tuple[str | bool, ...]
    """The values of the column `state` from which it starts."""
    model: type[Model] = ExternalGraderDetail
    state: str = "status"
    known_by: str = "submission_id"
    """The column whose value `run` takes."""
    noun: tuple[str, str] = ("job", "jobs")
    takes_reason: bool = False

    def counted(self, number: int) -> str:
        return counted(number, *self.noun)

    def starts(self, row: Model) -> bool:
        """Whether the row's state allows the move, as it was when the row was read."""
        return getattr(row, self.state) in self.starts_from

    def will(self, number: int) -> str:
        """ "Will retry 3 jobs." """
        return f"Will {self.phrase.format(self.counted(number))}."

    def question(self, what: str) -> str:
        """ "End 3 jobs without a score?"; `what` is "3 jobs"."""
        sentence = self.phrase.format(what)
        return f"{sentence[0].upper()}{sentence[1:]}?"

    def told(self, number: int) -> str:
        """ "3 jobs will be graded again." """
        return f"{self.counted(number)} {self.outcome}."

    def logged(self, reason: str = "") -> str:
        """For the history of a row."""
        done = self.done.capitalize()
        return f"{done}: {reason}" if reason and self.takes_reason else f"{done}."


@dataclass(frozen=True)
class DeliveryMove(Move):
    model: type[Model] = Delivery
    state: str = "state"
    known_by: str = "pk"
    noun: tuple[str, str] = ("delivery", "deliveries")


@dataclass(frozen=True)
class QueueMove(Move):
    model: type[Model] = GraderQueue
    state: str = "paused"
    known_by: str = "pk"
    noun: tuple[str, str] = ("queue", "queues")


def _retry(submission_id: int, reason: str) -> Model:
    return queue.retry(submission_id)


def _release(submission_id: int, reason: str) -> Model:
    return queue.release_lease(submission_id)


def _retire(submission_id: int, reason: str) -> Model:
    return queue.retire(submission_id, reason or REASON)


def _send_again(delivery_id: int, reason: str) -> Model:
    return deliveries.retry(delivery_id)


def _give_up(delivery_id: int, reason: str) -> Model:
    return deliveries.give_up(delivery_id)


def _pause(queue_id: int, reason: str) -> Model:
    return _set_paused(queue_id, paused=True)


def _resume(queue_id: int, reason: str) -> Model:
    return _set_paused(queue_id, paused=False)


@in_transaction
def _set_paused(queue_id: int, *, paused: bool) -> GraderQueue:
    row = GraderQueue.objects.select_for_update().filter(pk=queue_id).first()
    if row is None:
        raise UnknownQueue
    if row.paused == paused:
        raise NotAllowed(f"Queue {row.name} is {'paused already' if paused else 'not paused'}.")
    row.paused = paused
    row.save(update_fields=["paused"])
    return row


RETRY = Move(
    name="retry",
    label="Retry",
    phrase="retry {}",
    done="retried",
    outcome="will be graded again",
    otherwise="not failed",
    nothing="Nothing to retry: these jobs are no longer failed.",
    permission="can_retry",
    run=_retry,
    starts_from=(Status.FAILED,),
)
RELEASE = Move(
    name="release",
    label="Release",
    phrase="release {}",
    done="released",
    outcome="released for other graders",
    otherwise="not held by a grader",
    nothing="Nothing to release: no grader holds these jobs.",
    permission="can_release",
    run=_release,
    starts_from=(Status.PULLED,),
)
RETIRE = Move(
    name="retire",
    label="End without score",
    phrase="end {} without a score",
    done="ended without score",
    outcome="ended without score",
    otherwise="finished already",
    nothing="Nothing to end: these jobs are finished.",
    permission="can_retire",
    run=_retire,
    starts_from=Status.unfinished(),
    takes_reason=True,
)
SEND_AGAIN = DeliveryMove(
    name="resend",
    label="Send again",
    phrase="send {} again",
    done="sent again",
    outcome="will be sent again",
    otherwise="nothing to send",
    nothing="Nothing to send again: these deliveries are no longer given up.",
    permission="can_resend",
    run=_send_again,
    starts_from=(DeliveryState.GIVEN_UP, DeliveryState.DELIVERED, DeliveryState.DUE),
)
GIVE_UP = DeliveryMove(
    name="give-up",
    label="Give up",
    phrase="give up {}",
    done="given up",
    outcome="given up",
    otherwise="not due",
    nothing="Nothing to give up: these deliveries are not due.",
    permission="can_resend",
    run=_give_up,
    starts_from=(DeliveryState.DUE,),
)
PAUSE = QueueMove(
    name="pause",
    label="Pause",
    phrase="pause {}",
    done="paused",
    outcome="paused; graders receive no jobs",
    otherwise="paused already",
    nothing="Nothing to pause: these queues are paused.",
    permission="can_pause",
    run=_pause,
    starts_from=(False,),
)
RESUME = QueueMove(
    name="resume",
    label="Resume",
    phrase="resume {}",
    done="resumed",
    outcome="resumed",
    otherwise="not paused",
    nothing="Nothing to resume: these queues are not paused.",
    permission="can_pause",
    run=_resume,
    starts_from=(True,),
)

OF_JOBS = {move.name: move for move in (RETRY, RELEASE, RETIRE)}
OF_DELIVERIES = {move.name: move for move in (SEND_AGAIN, GIVE_UP)}
OF_QUEUES = {move.name: move for move in (PAUSE, RESUME)}
MOVES = OF_JOBS | OF_DELIVERIES | OF_QUEUES
