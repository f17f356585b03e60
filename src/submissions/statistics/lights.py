"""Green, amber, red: how a queue stands, and the cause in words. All the rules are here, and nothing else is.

Dashboard, admin, commands and metrics show them (`standing`), in the language of who asks. What an operator reads is
tested literally (``tests/stats/test_lights.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from submissions.conf import conf
from submissions.models import Transport
from submissions.words import Words, duration
from submissions.words import number as shown

GREEN, AMBER, RED = "green", "amber", "red"
ORDER = (RED, AMBER, GREEN)
WORDS: dict[str, Words] = {GREEN: _("green"), AMBER: _("amber"), RED: _("red")}

# At how many leases expired within LOST_WITHIN a grader is named: one crash is no pattern.
LOST, LOST_WITHIN = 3, timedelta(minutes=10)
# How long the next one in line may wait before an operator should know.
SLOW = timedelta(minutes=15)
# A late result is named where there is one among so many.
MANY_RESULTS = 20
SENDS_POINTS = _(
    "this grader seems to send points, where a share of them (0 to 1) is expected: in the admin set the queue's "
    "score_meaning to points"
)
INCOMPLETE = _(
    "replies without msg or correct: platforms refuse such, so they are told what is missing (docs/graders.md)"
)
# How late a result may be on its way.
LATE = timedelta(minutes=5)


@dataclass(frozen=True)
class Undelivered:
    """Results that were given up, or are overdue, on their way to one host."""

    host: str
    count: int
    reason: str
    some: tuple[int, ...] = ()
    """A few of their submissions, newest first."""
    more: bool = False
    """Whether `count` is a lower bound."""


@dataclass(frozen=True)
class Facts:
    """What the rules look at. Times are spans that end now."""

    waiting: int = 0
    """Jobs that a grader can get now or later."""
    failed: int = 0
    oldest: timedelta | None = None
    paused: bool = False
    silent: timedelta | None = None
    """Since the last poll; None: nobody has ever polled."""
    graded_lately: int = 0
    """In the last hour."""
    failed_lately: int = 0
    """Given up in the last hour."""
    lost: dict[str, int] = field(default_factory=dict)
    """Leases expired within LOST_WITHIN, by grader."""
    undelivered: tuple[Undelivered, ...] = ()
    late: tuple[Undelivered, ...] = ()
    """Results that are due and more than LATE overdue."""
    after_lease: int = 0
    """Results of the last hour that graders sent after their lease; accepted or not."""
    takes: float = 0
    """How long those took on average (seconds)."""
    lease: int = 0
    """Seconds."""
    sends_points: bool = False
    """Whether the graders' scores are refused because they seem to be points, where a share is expected."""
    incomplete: bool = False
    """Whether replies lacked, within the last day, what platforms insist on."""
    ahead: int = 0
    """Jobs that a clock which was set back has left in the future."""


@dataclass(frozen=True)
class Light:
    colour: str
    causes: tuple[str, ...]
    """The worst first; for a green light, one sentence that says why it is."""
    colours: tuple[str, ...] = field(default=(), compare=False)
    """Of each cause."""

    @property
    def coloured(self) -> tuple[tuple[str, str], ...]:
        """Each cause with its colour."""
        return tuple(zip(self.colours or (self.colour,) * len(self.causes), self.causes, strict=True))


def light(facts: Facts) -> Light:
    found = sorted(_causes(facts), key=lambda cause: ORDER.index(cause[0]))
    if not found:
        return Light(GREEN, (_calm(facts),), (GREEN,))
    colours, causes = zip(*found, strict=True)
    return Light(colours[0], causes, colours)


def _causes(facts: Facts) -> Iterator[tuple[str, str]]:
    yield from _of_waiting(facts)
    yield from _of_failures(facts)
    yield from _of_graders(facts)
    yield from of_deliveries(facts)


def _of_waiting(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.ahead:
        words = ngettext(
            "%(count)s job has a time still to come: a clock was set back; see 'gradequeue doctor'",
            "%(count)s jobs have a time still to come: a clock was set back; see 'gradequeue doctor'",
            facts.ahead,
        )
        yield AMBER, words % {"count": shown(facts.ahead)}
    if not facts.waiting:
        return
    if facts.paused:
        yield AMBER, _paused(facts.waiting)
    elif facts.silent is None:
        yield RED, _never_polled(facts.waiting)
    elif facts.silent > timedelta(seconds=int(conf.SILENCE_SECONDS)):
        yield RED, _silent(facts.waiting, facts.silent)
    elif facts.oldest is not None and facts.oldest > SLOW:
        yield AMBER, _slow(facts.waiting, facts.oldest)


def _paused(waiting: int) -> str:
    words = ngettext(
        "%(count)s job waiting; the queue is paused", "%(count)s jobs waiting; the queue is paused", waiting
    )
    return words % {"count": shown(waiting)}


def _never_polled(waiting: int) -> str:
    words = ngettext(
        "%(count)s job waiting; no grader has ever polled", "%(count)s jobs waiting; no grader has ever polled", waiting
    )
    return words % {"count": shown(waiting)}


def _silent(waiting: int, silent: timedelta) -> str:
    words = ngettext(
        "%(count)s job waiting; no grader has polled for %(time)s",
        "%(count)s jobs waiting; no grader has polled for %(time)s",
        waiting,
    )
    return words % {"count": shown(waiting), "time": duration(silent)}


def _slow(waiting: int, oldest: timedelta) -> str:
    words = ngettext(
        "%(count)s job waiting, the oldest for %(time)s: submissions arrive faster than they are graded",
        "%(count)s jobs waiting, the oldest for %(time)s: submissions arrive faster than they are graded",
        waiting,
    )
    return words % {"count": shown(waiting), "time": duration(oldest)}


def _of_failures(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.failed_lately and facts.failed_lately >= facts.graded_lately:
        words = ngettext(
            "%(count)s job failed in the last hour, %(graded)s graded",
            "%(count)s jobs failed in the last hour, %(graded)s graded",
            facts.failed_lately,
        )
        yield RED, words % {"count": shown(facts.failed_lately), "graded": shown(facts.graded_lately)}
    if facts.failed:
        words = ngettext(
            "%(count)s failed job needs an operator", "%(count)s failed jobs need an operator", facts.failed
        )
        yield AMBER, words % {"count": shown(facts.failed)}


def _of_graders(facts: Facts) -> Iterator[tuple[str, str]]:
    for grader, lost in sorted(facts.lost.items(), key=lambda item: -item[1]):
        if lost >= LOST:
            words = ngettext(
                "%(count)s lease of grader %(grader)s expired in the last %(time)s",
                "%(count)s leases of grader %(grader)s expired in the last %(time)s",
                lost,
            )
            yield AMBER, words % {"count": shown(lost), "grader": grader, "time": duration(LOST_WITHIN)}
    if came := came_late(facts):
        yield AMBER, came
    if facts.sends_points:
        yield AMBER, str(SENDS_POINTS)
    if facts.incomplete:
        yield AMBER, str(INCOMPLETE)


def came_late(facts: Facts) -> str:
    """Whether results came after their lease, in words; "" where one slow job among many is no pattern."""
    if facts.after_lease * MANY_RESULTS <= facts.graded_lately:
        return ""
    words = ngettext(
        "%(count)s result came after its lease; the lease is %(lease)s s, results take %(takes)s s",
        "%(count)s results came after their lease; the lease is %(lease)s s, results take %(takes)s s",
        facts.after_lease,
    )
    return words % {"count": shown(facts.after_lease), "lease": facts.lease, "takes": f"{round(facts.takes, 1):g}"}


def of_deliveries(facts: Facts) -> Iterator[tuple[str, str]]:
    for one in facts.undelivered:
        yield RED, _undelivered(one)
    for one in facts.late:
        yield AMBER, _overdue(one)


def host_in_words(host: str) -> str:
    """Where a result goes: the host; what stays in this process has its transport there, which is no host."""
    return gettext("this platform") if not host or host in Transport.in_process() else host


def _undelivered(one: Undelivered) -> str:
    words = ngettext(
        "%(count)s result could not be delivered to %(host)s: %(reason)s",
        "%(count)s results could not be delivered to %(host)s: %(reason)s",
        one.count,
    )
    return words % _told(one, gettext("no reason given"))


def _overdue(one: Undelivered) -> str:
    words = ngettext(
        "%(count)s result is overdue for delivery to %(host)s: %(reason)s",
        "%(count)s results are overdue for delivery to %(host)s: %(reason)s",
        one.count,
    )
    return words % _told(one, gettext("not tried yet"))


def _told(one: Undelivered, without_reason: str) -> dict[str, str]:
    count = shown(one.count) + "+" * one.more
    return {"count": count, "host": host_in_words(one.host), "reason": one.reason or without_reason}


def host_light(given_up: Undelivered, overdue: Undelivered, *, held: bool, silent: timedelta | None) -> Light:
    """How deliveries to one host stand; `silent`: since it took the last one, None: never."""
    found, host, reason = [], given_up.host, given_up.reason
    if given_up.count:
        found.append((RED, _undelivered(given_up)))
    if overdue.count:
        found.append((AMBER, _overdue(overdue)))
    elif held:
        words = gettext("%(host)s does not answer: %(reason)s")
        found.append((AMBER, words % {"host": host_in_words(host), "reason": reason or gettext("no reason given")}))
    if found:
        colours, causes = zip(*found, strict=True)
        return Light(colours[0], causes, colours)
    if silent is None:
        return Light(GREEN, (gettext("Nothing was delivered to %(host)s yet") % {"host": host_in_words(host)},))
    words = gettext("Last result delivered %(time)s ago to %(host)s")
    return Light(GREEN, (words % {"time": duration(silent), "host": host_in_words(host)},))


def _calm(facts: Facts) -> str:
    if not facts.waiting:
        return _calm_and_empty(facts.silent)
    # Whoever waits where nobody polls, or has ever polled, is no calm.
    words = ngettext(
        "%(count)s job waiting; graders are polling", "%(count)s jobs waiting; graders are polling", facts.waiting
    )
    return words % {"count": shown(facts.waiting)}


def _calm_and_empty(silent: timedelta | None) -> str:
    if silent is None:
        return gettext("No jobs waiting; no grader has polled yet")
    if silent > timedelta(seconds=int(conf.SILENCE_SECONDS)):
        return gettext("No jobs waiting; no grader has polled for %(time)s") % {"time": duration(silent)}
    return gettext("No jobs waiting; graders are polling")
