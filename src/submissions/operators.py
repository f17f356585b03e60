"""What an operator can do: one table of moves, which dashboard, admin and commands read.

A move says from which states it starts, which permission it needs, and in which words it is told. Who may use a door
is the door's question; whether a row's state allows the move is decided once more under the row's lock, by the verb.
Who did it is written down with it (`submissions.activity`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from django.db.models import Model, QuerySet
from django.utils.translation import gettext, gettext_noop, ngettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from submissions import deliveries, queue
from submissions.activity import OF_A_QUEUE, OTHER, Act, Actor, Touched
from submissions.errors import NotAllowed, UnknownQueue
from submissions.models import Delivery, DeliveryState, ExternalGraderDetail, GraderQueue, OperatorMove, Status
from submissions.queue.transactions import in_transaction
from submissions.text import counted
from submissions.words import Words
from submissions.words import number as shown

REASON = queue.ENDED
"""Kept with a job that is ended without a score, where the operator gives no other reason."""
LONGEST_REASON = 500

PAUSED_ALREADY = gettext_noop("Queue %(queue)s is paused already.")
NOT_PAUSED = gettext_noop("Queue %(queue)s is not paused.")


@dataclass(frozen=True)
class Sentences:
    """What pages say of a move: whole sentences, translated when they are shown.

    Those of a number of rows have the place ``%(count)s``, and find their plural by ``n``.
    """

    question: Words
    """Before it is done."""
    question_all: Words
    """The same of all rows of a list."""
    so_far: Words
    """While there are more; with a place for ``%(refused)s``."""
    told: Words
    """Afterwards."""
    told_one: Words
    """The same of one row, which has the place ``%(name)s``."""
    skipped: Words
    """Of those from whose state the move does not start."""
    past: Words
    """In the log, behind who did it."""
    past_whole: Words = ""
    """The same, where it was done to the queue that the line names."""


@dataclass(frozen=True)
class Move:
    """One move of an operator."""

    name: str
    """In addresses and commands."""
    label: Words
    """On buttons and in menus."""
    phrase: str
    """For commands: what is done, with the place of what it is done to: "end {} without a score"."""
    done: str
    """For commands, past participle: "3 retried, 1 refused"."""
    outcome: str
    """For commands: what is told afterwards, behind "Queue algo"."""
    sentences: Sentences
    nothing: Words
    """The whole sentence where no row could be moved."""
    permission: str
    """Of this app, as ``can_retry``."""
    verb: Callable[[int, str], Model]
    """Moves the row that is known by this number, with a reason or "", and tells nobody; raises QueueError."""
    starts_from: tuple[str | bool, ...]
    """The values of the column `state` from which it starts."""
    model: type[Model] = ExternalGraderDetail
    state: str = "status"
    known_by: str = "submission_id"
    """The column whose value `run` takes."""
    noun: tuple[str, str] = ("job", "jobs")
    takes_reason: bool = False

    def by(self, actor: Actor, reason: str = "") -> Act:
        """One press of a button, one command or one request, which may move many rows."""
        return Act(actor, self.name, reason)

    @in_transaction
    def run(self, known: int, act: Act) -> Model:
        """Move the row that is known by this number, and write down who did it; raises QueueError."""
        row = self.verb(known, act.reason)
        act.note(self.touched([row]))
        return row

    def touched(self, rows: Sequence[Model]) -> list[Touched]:
        """What is written down of rows that were moved."""
        jobs = cast("Sequence[ExternalGraderDetail]", rows)
        return [Touched(job.queue_name, job.submission_id) for job in jobs]

    def counted(self, number: int) -> str:
        return counted(number, *self.noun)

    def starts(self, row: Model) -> bool:
        """Whether the row's state allows the move, as it was when the row was read."""
        return getattr(row, self.state) in self.starts_from

    def will(self, number: int) -> str:
        """ "Will retry 3 jobs." """
        return f"Will {self.phrase.format(self.counted(number))}."

    def question(self, what: str) -> str:
        """ "End 3 jobs without a score?"; `what` is "3 jobs". In English; `ask` is for pages."""
        sentence = self.phrase.format(what)
        return f"{sentence[0].upper()}{sentence[1:]}?"

    # For pages, in the reader's language. ----------------------------------------------------------------------------

    def ask(self, number: int) -> str:
        """ "End 3 jobs without a score?" """
        return of_number(self.sentences.question, number)

    def ask_all(self) -> str:
        """ "End all jobs of this list without a score?" """
        return str(self.sentences.question_all)

    def so_far(self, number: int, refused: int) -> str:
        """ "3 retried, 1 refused so far; there are more." """
        return str(self.sentences.so_far % {"count": shown(number), "refused": shown(refused)})

    def told(self, number: int) -> str:
        """ "3 jobs will be graded again." """
        return of_number(self.sentences.told, number)

    def told_one(self, name: object) -> str:
        """ "Submission 17 will be graded again." """
        return str(self.sentences.told_one % {"name": name})

    def skipped(self, number: int) -> str:
        """ "3 jobs skipped: not failed." """
        return of_number(self.sentences.skipped, number)

    def refused(self, number: int) -> str:
        """ "3 jobs refused." """
        return ngettext("%(count)s job refused.", "%(count)s jobs refused.", number) % {"count": shown(number)}


@dataclass(frozen=True)
class DeliveryMove(Move):
    model: type[Model] = Delivery
    state: str = "state"
    known_by: str = "pk"
    noun: tuple[str, str] = ("delivery", "deliveries")

    def refused(self, number: int) -> str:
        words = ngettext("%(count)s delivery refused.", "%(count)s deliveries refused.", number)
        return words % {"count": shown(number)}

    def touched(self, rows: Sequence[Model]) -> list[Touched]:
        ids = Delivery.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk")
        return [Touched(*values) for values in ids.values_list("job__queue_name", "job__submission_id", "pk")]


@dataclass(frozen=True)
class QueueMove(Move):
    model: type[Model] = GraderQueue
    state: str = "paused"
    known_by: str = "pk"
    noun: tuple[str, str] = ("queue", "queues")

    def refused(self, number: int) -> str:
        return ngettext("%(count)s queue refused.", "%(count)s queues refused.", number) % {"count": shown(number)}

    def touched(self, rows: Sequence[Model]) -> list[Touched]:
        return [Touched(str(row)) for row in rows]


def of_number(sentence: Words, number: int) -> str:
    """`sentence`, a lazy plural, of so many."""
    return str(sentence % {"n": number, "count": shown(number)})


def _retry(submission_id: int, reason: str) -> Model:
    return queue.retry(submission_id)


def _release(submission_id: int, reason: str) -> Model:
    return queue.release_lease(submission_id)


def _retire(submission_id: int, reason: str) -> Model:
    return queue.retire(submission_id, reason or REASON)


def _send_again(delivery_id: int, reason: str) -> Model:
    return deliveries.retry(delivery_id)


def _give_up(delivery_id: int, reason: str) -> Model:
    return deliveries.give_up(delivery_id, *([reason] if reason else []))


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
        raise NotAllowed(PAUSED_ALREADY if paused else NOT_PAUSED, queue=row.name)
    row.paused = paused
    row.save(update_fields=["paused"])
    return row


RETRY = Move(
    name="retry",
    label=_("Retry"),
    phrase="retry {}",
    done="retried",
    outcome="will be graded again",
    sentences=Sentences(
        question=ngettext_lazy("Retry %(count)s job?", "Retry %(count)s jobs?", "n"),
        question_all=_("Retry all jobs of this list?"),
        so_far=_("%(count)s retried, %(refused)s refused so far; there are more."),
        told=ngettext_lazy("%(count)s job will be graded again.", "%(count)s jobs will be graded again.", "n"),
        told_one=_("Submission %(name)s will be graded again."),
        skipped=ngettext_lazy("%(count)s job skipped: not failed.", "%(count)s jobs skipped: not failed.", "n"),
        past=ngettext_lazy("retried %(count)s job", "retried %(count)s jobs", "n"),
    ),
    nothing=_("Nothing to retry: these jobs are no longer failed."),
    permission="can_retry",
    verb=_retry,
    starts_from=(Status.FAILED,),
)
RELEASE = Move(
    name="release",
    label=_("Release"),
    phrase="release {}",
    done="released",
    outcome="released for other graders",
    sentences=Sentences(
        question=ngettext_lazy("Release %(count)s job?", "Release %(count)s jobs?", "n"),
        question_all=_("Release all jobs of this list?"),
        so_far=_("%(count)s released, %(refused)s refused so far; there are more."),
        told=ngettext_lazy(
            "%(count)s job released for other graders.", "%(count)s jobs released for other graders.", "n"
        ),
        told_one=_("Submission %(name)s released for other graders."),
        skipped=ngettext_lazy(
            "%(count)s job skipped: not held by a grader.", "%(count)s jobs skipped: not held by a grader.", "n"
        ),
        past=ngettext_lazy("released %(count)s job", "released %(count)s jobs", "n"),
    ),
    nothing=_("Nothing to release: no grader holds these jobs."),
    permission="can_release",
    verb=_release,
    starts_from=(Status.PULLED,),
)
RETIRE = Move(
    name="retire",
    label=_("End without score"),
    phrase="end {} without a score",
    done="ended without score",
    outcome="ended without score",
    sentences=Sentences(
        question=ngettext_lazy("End %(count)s job without a score?", "End %(count)s jobs without a score?", "n"),
        question_all=_("End all jobs of this list without a score?"),
        so_far=_("%(count)s ended without score, %(refused)s refused so far; there are more."),
        told=ngettext_lazy("%(count)s job ended without score.", "%(count)s jobs ended without score.", "n"),
        told_one=_("Submission %(name)s ended without score."),
        skipped=ngettext_lazy(
            "%(count)s job skipped: finished already.", "%(count)s jobs skipped: finished already.", "n"
        ),
        past=ngettext_lazy("ended %(count)s job without score", "ended %(count)s jobs without score", "n"),
    ),
    nothing=_("Nothing to end: these jobs are finished."),
    permission="can_retire",
    verb=_retire,
    starts_from=Status.unfinished(),
    takes_reason=True,
)
SEND_AGAIN = DeliveryMove(
    name="resend",
    label=_("Send again"),
    phrase="send {} again",
    done="sent again",
    outcome="will be sent again",
    sentences=Sentences(
        question=ngettext_lazy("Send %(count)s delivery again?", "Send %(count)s deliveries again?", "n"),
        question_all=_("Send all deliveries of this list again?"),
        so_far=_("%(count)s sent again, %(refused)s refused so far; there are more."),
        told=ngettext_lazy("%(count)s delivery will be sent again.", "%(count)s deliveries will be sent again.", "n"),
        told_one=_("Delivery %(name)s will be sent again."),
        skipped=ngettext_lazy(
            "%(count)s delivery skipped: nothing to send.", "%(count)s deliveries skipped: nothing to send.", "n"
        ),
        past=ngettext_lazy("sent %(count)s delivery again", "sent %(count)s deliveries again", "n"),
    ),
    nothing=_("Nothing to send again: these deliveries are no longer given up."),
    permission="can_resend",
    verb=_send_again,
    starts_from=(DeliveryState.GIVEN_UP, DeliveryState.DELIVERED, DeliveryState.DUE),
)
GIVE_UP = DeliveryMove(
    name="give-up",
    label=_("Give up"),
    phrase="give up {}",
    done="given up",
    outcome="given up",
    sentences=Sentences(
        question=ngettext_lazy("Give up %(count)s delivery?", "Give up %(count)s deliveries?", "n"),
        question_all=_("Give up all deliveries of this list?"),
        so_far=_("%(count)s given up, %(refused)s refused so far; there are more."),
        told=ngettext_lazy("%(count)s delivery given up.", "%(count)s deliveries given up.", "n"),
        told_one=_("Delivery %(name)s given up."),
        skipped=ngettext_lazy("%(count)s delivery skipped: not due.", "%(count)s deliveries skipped: not due.", "n"),
        past=ngettext_lazy("gave up %(count)s delivery", "gave up %(count)s deliveries", "n"),
    ),
    nothing=_("Nothing to give up: these deliveries are not due."),
    permission="can_resend",
    verb=_give_up,
    starts_from=(DeliveryState.DUE,),
)
TRY_NOW = DeliveryMove(
    name="try-now",
    label=_("Try now"),
    phrase="try {} now",
    done="tried at once",
    outcome="will be tried now",
    sentences=Sentences(
        question=ngettext_lazy("Try %(count)s delivery now?", "Try %(count)s deliveries now?", "n"),
        question_all=_("Try all deliveries of this list now?"),
        so_far=_("%(count)s tried at once, %(refused)s refused so far; there are more."),
        told=ngettext_lazy("%(count)s delivery will be tried now.", "%(count)s deliveries will be tried now.", "n"),
        told_one=_("Delivery %(name)s will be tried now."),
        skipped=ngettext_lazy(
            "%(count)s delivery skipped: not due later.", "%(count)s deliveries skipped: not due later.", "n"
        ),
        past=ngettext_lazy("tried %(count)s delivery at once", "tried %(count)s deliveries at once", "n"),
    ),
    nothing=_("Nothing to bring forward: what is due there is tried within a minute."),
    permission="can_resend",
    verb=_send_again,
    starts_from=(DeliveryState.DUE,),
)
OF_HOSTS = {"try-now": TRY_NOW, "give-up": GIVE_UP}
HOST_BATCH = 500
"""How many deliveries of a host are moved in one transaction."""


def due_to_host(name: str, host: str) -> QuerySet[Delivery]:
    """What a move of OF_HOSTS starts from."""
    return deliveries.due_later(host) if name == TRY_NOW.name else deliveries.due_to(host)


@in_transaction
def move_host(name: str, host: str, act: Act, *, first: bool = True) -> int:
    """Do a move of OF_HOSTS to one batch of what is due to `host`, with its record; how many, 0 at the end.

    `first`: whether it is the first batch.
    """
    if name == TRY_NOW.name:
        # Once: a host that is dead would be asked by one worker after another, as fast as batches are moved.
        ids = deliveries.try_now(host, HOST_BATCH, ask_host=first)
    else:
        ids = deliveries.give_up_host(host, act.reason or deliveries.BY_OPERATOR, HOST_BATCH)
    rows = Delivery.objects.filter(pk__in=ids).order_by("pk")
    act.note(OF_HOSTS[name].touched(list(rows.only("pk"))))
    return len(ids)


PAUSE = QueueMove(
    name="pause",
    label=_("Pause"),
    phrase="pause {}",
    done="paused",
    outcome="paused; graders receive no jobs",
    sentences=Sentences(
        question=ngettext_lazy("Pause %(count)s queue?", "Pause %(count)s queues?", "n"),
        question_all=_("Pause all queues of this list?"),
        so_far=_("%(count)s paused, %(refused)s refused so far; there are more."),
        told=ngettext_lazy(
            "%(count)s queue paused; graders receive no jobs.", "%(count)s queues paused; graders receive no jobs.", "n"
        ),
        told_one=_("Queue %(name)s paused; graders receive no jobs."),
        skipped=ngettext_lazy(
            "%(count)s queue skipped: paused already.", "%(count)s queues skipped: paused already.", "n"
        ),
        past=ngettext_lazy("paused %(count)s queue", "paused %(count)s queues", "n"),
        past_whole=_("paused the queue"),
    ),
    nothing=_("Nothing to pause: these queues are paused."),
    permission="can_pause",
    verb=_pause,
    starts_from=(False,),
)
RESUME = QueueMove(
    name="resume",
    label=_("Resume"),
    phrase="resume {}",
    done="resumed",
    outcome="resumed",
    sentences=Sentences(
        question=ngettext_lazy("Resume %(count)s queue?", "Resume %(count)s queues?", "n"),
        question_all=_("Resume all queues of this list?"),
        so_far=_("%(count)s resumed, %(refused)s refused so far; there are more."),
        told=ngettext_lazy("%(count)s queue resumed.", "%(count)s queues resumed.", "n"),
        told_one=_("Queue %(name)s resumed."),
        skipped=ngettext_lazy("%(count)s queue skipped: not paused.", "%(count)s queues skipped: not paused.", "n"),
        past=ngettext_lazy("resumed %(count)s queue", "resumed %(count)s queues", "n"),
        past_whole=_("resumed the queue"),
    ),
    nothing=_("Nothing to resume: these queues are not paused."),
    permission="can_pause",
    verb=_resume,
    starts_from=(True,),
)

OF_JOBS = {move.name: move for move in (RETRY, RELEASE, RETIRE)}
OF_DELIVERIES = {move.name: move for move in (SEND_AGAIN, GIVE_UP)}
OF_QUEUES = {move.name: move for move in (PAUSE, RESUME)}
MOVES = OF_JOBS | OF_DELIVERIES | OF_QUEUES


def words_of(row: OperatorMove, *, with_subject: bool = True) -> str:
    """What was done, as a log tells it: "retried 3 jobs", "changed settings of the queue: supersede: False to True"."""
    subject = row.subject if with_subject else ""
    move = (MOVES | OF_HOSTS).get(row.move)
    if move is None:
        what = str(OF_A_QUEUE.get(row.move) or OTHER.get(row.move, row.move))
        return gettext("%(done)s: %(subject)s") % {"done": what, "subject": subject} if subject else what
    whole = str(move.sentences.past_whole)
    what = of_number(move.sentences.past, row.number) if row.number or not whole else whole
    return gettext("%(done)s to %(host)s") % {"done": what, "host": subject} if subject else what
