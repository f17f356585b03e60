"""The history of one submission, as events in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from gradequeue.dashboard.figures import points
from gradequeue.dashboard.reads.activity import SOMEBODY
from submissions.deliveries import attempts_of, history
from submissions.models import Delivery, DeliveryState, ExternalGraderDetail, MovedJob, Score, Status, Transport
from submissions.queue import claim_log
from submissions.statistics.lights import host_in_words
from submissions.statistics.undelivered import plain_reason
from submissions.words import number

# How an event looks.
NEUTRAL, GOOD, BAD, OPEN = "neutral", "good", "bad", "open"

OUTCOMES = {
    claim_log.COMPLETED: (GOOD, _("Graded by {grader}")),
    claim_log.FAILED: (BAD, _("Grading failed ({grader})")),
    claim_log.RELEASED: (NEUTRAL, _("Returned by {grader}")),
    claim_log.INTERRUPTED: (BAD, _("The machine of {grader} failed")),
    claim_log.UNGRADABLE: (BAD, _("Ungradable, says {grader}")),
    claim_log.LOST: (BAD, _("Lease expired ({grader})")),
    claim_log.RETRIED: (NEUTRAL, _("Retried by an operator")),
    claim_log.RETIRED: (BAD, _("Ended without score")),
}


# How an operator's move is told, and which entries of the job's own logs tell of the same one.
ACTS = {
    "retry": (NEUTRAL, _("Retried by {who}")),
    "release": (NEUTRAL, _("Released by {who}")),
    "retire": (BAD, _("Ended without score by {who}")),
    "resend": (NEUTRAL, _("Delivery to {host} sent again by {who}")),
    "try-now": (NEUTRAL, _("Delivery to {host} tried at once for {who}")),
    "give-up": (BAD, _("Delivery to {host} given up by {who}")),
}
ACTS_OF_EVENTS = {
    "resend": _("Delivery as an Open edX event sent again by {who}"),
    "try-now": _("Delivery as an Open edX event tried at once for {who}"),
    "give-up": _("Delivery as an Open edX event given up by {who}"),
}
OF_LOG = {
    claim_log.RETRIED: "retry",
    claim_log.RELEASED: "release",
    claim_log.RETIRED: "retire",
}
OF_ATTEMPTS = {history.RETRIED: "resend", history.GIVEN_UP: "give-up"}
# A record is written in the transaction of the move, which may be that of a hundred others, too.
SAME = timedelta(minutes=1)

# To a host, and as an Open edX event.
ATTEMPTS = {
    history.DELIVERED: (GOOD, _("Delivered to {host}"), _("Delivered as an Open edX event")),
    history.FAILED: (BAD, _("Delivery to {host} failed"), _("Delivery as an Open edX event failed")),
    history.REFUSED: (BAD, _("Delivery to {host} refused"), _("Delivery as an Open edX event refused")),
    history.RETRIED: (
        NEUTRAL,
        _("Delivery to {host} sent again by an operator"),
        _("Delivery as an Open edX event sent again by an operator"),
    ),
    history.GIVEN_UP: (BAD, _("Delivery to {host} given up"), _("Delivery as an Open edX event given up")),
}


@dataclass(frozen=True)
class Event:
    at: datetime | None
    """None: it has not happened yet."""
    look: str
    title: str
    detail: str = ""
    took: timedelta | None = None
    """How long it had lasted by then."""
    move: str = ""
    """The operator's move that it tells of, if it may be one."""


def timeline(
    job: ExternalGraderDetail,
    score: Score | None,
    deliveries: list[Delivery],
    acts: Sequence[MovedJob] = (),
    *,
    names: bool = True,
) -> list[Event]:
    """Oldest first; what has not happened yet comes last. `job` has its submission and ``now``; `score` may be None.

    `acts`: what operators did to it, each with its `move`. `names`: whether it may be told who they were,
    and what receivers raised, who may quote a learner's id.
    """
    past = [*_claims(job), *_result(job, score)]
    for delivery in deliveries:
        past += _delivery(delivery, names=names)
    past = _with_acts(past, acts, deliveries, names=names)
    # What has not happened yet comes last; events of the same time keep their order.
    past.sort(key=lambda event: (event.at is None, event.at or job.now))
    queued = gettext("Queued in {queue}").format(queue=job.queue_name)
    return [Event(job.created_at, NEUTRAL, queued), *past, *_next(job)]


def _with_acts(past: list[Event], acts: Sequence[MovedJob], deliveries: list[Delivery], *, names: bool) -> list[Event]:
    """With who did it: the job's own log of the same move, written a moment before, tells no name and gives way."""
    by_pk = {one.pk: one for one in deliveries}
    told = []
    for act in acts:
        look, title = _act(act, by_pk.get(act.delivery_id or 0), act.move.actor if names else str(SOMEBODY))
        same = _of_same_move(past, act)
        past = [event for event in past if event is not same]
        told.append(Event(act.at, look, title, (act.move.reason if names else "") or (same.detail if same else "")))
    return [*past, *told]


def _act(act: MovedJob, delivery: Delivery | None, who: str) -> tuple[str, str]:
    """How it looks, and in words."""
    move = act.move.move
    look, words = ACTS.get(move, (NEUTRAL, _("Moved by {who}")))
    if delivery is None:
        host = pgettext("in place of a host", "its destination")
    else:
        host = _host(delivery)
        words = ACTS_OF_EVENTS.get(move, words) if _is_event(delivery) else words
    return look, words.format(who=who, host=host)


def _of_same_move(past: list[Event], act: MovedJob) -> Event | None:
    move = f"{act.move.move} {act.delivery_id}" if act.delivery_id else act.move.move
    near = [(abs(act.at - event.at), event) for event in past if event.move == move and event.at is not None]
    distance, event = min(near, key=lambda one: one[0], default=(SAME, None))
    return event if distance < SAME else None


def _claims(job: ExternalGraderDetail) -> Iterator[Event]:
    ended = claim_log.of(job)
    for pull in ended:
        look, words = OUTCOMES.get(pull.outcome, (NEUTRAL, "{outcome}"))
        took = pull.until - pull.since if pull.since else None
        move = OF_LOG.get(pull.outcome, "")
        title = words.format(grader=pull.grader or _nameless(), outcome=pull.outcome)
        yield Event(pull.until, look, title, pull.reason, took, move)
    if job.returned_at is not None and not ended:
        title = gettext("Reply from {grader}").format(grader=job.grader or _nameless())
        yield Event(job.returned_at, NEUTRAL, title)


def _nameless() -> str:
    return pgettext("in place of a name", "a grader")


def _result(job: ExternalGraderDetail, score: Score | None) -> Iterator[Event]:
    if score is not None:
        words = (
            gettext("Scored: {earned} of {possible} points") if job.points_known else gettext("Scored: {earned} points")
        )
        title = words.format(earned=points(score.points_earned), possible=points(score.points_possible))
        yield Event(score.created_at, GOOD, title)
    elif job.status == Status.FAILED:
        last = claim_log.of(job)[-1:]
        told = bool(last) and last[0].reason == (job.last_error or "")[: claim_log.REASON_LENGTH]
        error = "" if told else job.last_error or ""
        words = ngettext(
            "Failed: gave up after {count} attempt", "Failed: gave up after {count} attempts", job.num_failures
        )
        yield Event(job.status_time, BAD, words.format(count=number(job.num_failures)), error)
    elif job.status == Status.RETIRED and not job.pulls:
        yield Event(job.status_time, BAD, gettext("Ended without score"), job.last_error or "", move="retire")


def _delivery(delivery: Delivery, *, names: bool) -> Iterator[Event]:
    attempts = attempts_of(delivery)
    yield from _not_listed(delivery, attempts)
    for attempt in attempts:
        look, title = _attempt(delivery, attempt.outcome)
        move = OF_ATTEMPTS.get(attempt.outcome, "")
        error = attempt.error if names else plain_reason(delivery.host, attempt.error)
        yield Event(attempt.at, look, title, error, move=f"{move} {delivery.pk}" if move else "")
    if delivery.state == DeliveryState.DELIVERED and not attempts:
        yield Event(delivery.delivered_at, *_attempt(delivery, history.DELIVERED))
    elif delivery.state == DeliveryState.DUE:
        due = gettext("Delivery as an Open edX event due") if _is_event(delivery) else gettext("Delivery to {host} due")
        yield Event(None, OPEN, due.format(host=_host(delivery)))


def _attempt(delivery: Delivery, outcome: str) -> tuple[str, str]:
    """How it looks, and in words."""
    look, to_host, as_event = ATTEMPTS.get(outcome, (NEUTRAL, "{host}: {outcome}", "{outcome}"))
    words = as_event if _is_event(delivery) else to_host
    return look, words.format(host=_host(delivery), outcome=outcome)


def _is_event(delivery: Delivery) -> bool:
    return delivery.transport == Transport.EVENT


def _host(delivery: Delivery) -> str:
    return host_in_words(delivery.host or delivery.transport)


def _not_listed(delivery: Delivery, attempts: list[history.Attempt]) -> Iterator[Event]:
    """The row carries its newest attempts alone."""
    tried = (history.DELIVERED, history.FAILED, history.REFUSED)
    missing = delivery.attempts - sum(attempt.outcome in tried for attempt in attempts)
    if not attempts or missing <= 0:
        return
    if _is_event(delivery):
        words = ngettext(
            "{count} earlier attempt is not listed (delivery as an Open edX event)",
            "{count} earlier attempts are not listed (delivery as an Open edX event)",
            missing,
        )
    else:
        words = ngettext(
            "{count} earlier attempt is not listed (delivery to {host})",
            "{count} earlier attempts are not listed (delivery to {host})",
            missing,
        )
    yield Event(attempts[0].at, NEUTRAL, words.format(count=missing, host=_host(delivery)))


def _next(job: ExternalGraderDetail) -> Iterator[Event]:
    if job.status == Status.PULLED:
        left = (job.available_at - job.now) if job.available_at else timedelta()
        over = left <= timedelta()
        words = gettext("Claimed by {grader}: lease expired") if over else gettext("Claimed by {grader}: being graded")
        yield Event(job.pulled_at, OPEN, words.format(grader=job.grader or _nameless()))
    elif job.status == Status.PENDING:
        yield Event(None, OPEN, gettext("Waiting for a grader"))
    elif job.status == Status.RETRY:
        yield Event(None, OPEN, gettext("Waiting for another attempt"), job.last_error or "")
