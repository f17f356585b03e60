"""The list of jobs: which ones match, the latest change first, for dashboard, commands and exports.

A list is walked along an index, in steps of bounded work, and goes on from a key; it is never sorted or counted as a
whole. Where an index alone cannot say what matches (a grader, a cause, a course with very many items), a step looks at
the next WINDOW jobs of the index, and a page at MOST_LOOKED of them: it then says how far it has come.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar, cast

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Left
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from submissions import sql
from submissions.models import (
    DatabaseNow,
    Delivery,
    DeliveryState,
    ExternalGraderDetail,
    GraderQueue,
    Score,
    Status,
    StudentItem,
    Submission,
)
from submissions.statistics import causes, depths
from submissions.statistics.lights import LATE
from submissions.text import is_name, row_id, storable

Job = ExternalGraderDetail
Jobs = QuerySet[ExternalGraderDetail]
T = TypeVar("T")

PAGE = 50
MOST_COUNTED = 10_000
# How many jobs are looked at together, where each must be looked at, and by one page at the most.
WINDOW, MOST_LOOKED = 1000, 10_000
# Up to so many student items, and submissions of theirs, are handed to the search by their ids.
MOST_ITEMS, MOST_NARROW = 1000, 5000
ERROR_LENGTH = 200

WAITING, GRADING, FAILED, GRADED, ENDED = "waiting", "grading", "failed", "graded", "ended"
# They are texts to whoever shows them: translated then.
STATES = cast(
    "dict[str, str]",
    {
        WAITING: _("waiting"),
        GRADING: _("being graded"),
        FAILED: _("failed"),
        GRADED: _("graded"),
        ENDED: _("ended without score"),
    },
)
"""In addresses and commands, and in words (docs/glossary.md)."""
_WITHOUT_REASON = Q(last_error=None) | Q(last_error="")
_LAPSED = Q(available_at__lte=DatabaseNow())
# Of each state the ranges of the index, and what only the job itself can tell.
_RANGES: dict[str, tuple[tuple[Status, Q], ...]] = {
    WAITING: ((Status.PENDING, Q()), (Status.RETRY, Q()), (Status.PULLED, _LAPSED)),
    GRADING: ((Status.PULLED, Q(available_at__gt=DatabaseNow())),),
    FAILED: ((Status.FAILED, Q()),),
    GRADED: ((Status.RETIRED, Q()),),
    ENDED: ((Status.RETIRED, Q()),),
}
_TOLD_BY_JOB = {GRADED: _WITHOUT_REASON, ENDED: ~_WITHOUT_REASON}

GIVEN_UP, OVERDUE = "given_up", "overdue"
DELIVERIES = cast("dict[str, str]", {GIVEN_UP: _("not delivered"), OVERDUE: _("delivery overdue")})

PERIODS = cast(
    "dict[str, tuple[str, timedelta]]",
    {
        "10min": (_("last 10 minutes"), timedelta(minutes=10)),
        "1h": (_("last hour"), timedelta(hours=1)),
        "1d": (_("last 24 hours"), timedelta(days=1)),
        "7d": (_("last 7 days"), timedelta(days=7)),
        "30d": (_("last 30 days"), timedelta(days=30)),
    },
)
Time = datetime | timedelta
"""A time, or so long ago by the database's clock."""


class BadFilter(ValueError):
    """A filter cannot mean anything; `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Filters:
    """Which jobs; all of it holds together, and what is empty is not asked."""

    state: str = ""
    """One of STATES."""
    queue: str = ""
    learner: str = ""
    """An id as the platform gives it, or a pseudonym as observers see it."""
    course: str = ""
    item: str = ""
    grader: str = ""
    cause: str = ""
    """The key of a cause of failure (`submissions.statistics.causes`)."""
    reference: str = ""
    """The platform's own name for the attempt."""
    file: str = ""
    """The grader's file."""
    submission: int | None = None
    delivery: str = ""
    """One of DELIVERIES: jobs with such a delivery, also of one `host` alone."""
    host: str = ""
    since: Time | None = None
    """Of the latest change."""
    until: Time | None = None

    @property
    def is_empty(self) -> bool:
        return self == Filters()


@dataclass(frozen=True)
class Scope:
    """What somebody may see: the jobs of these queues, learners under these pseudonyms."""

    queues: Collection[str] | None = None
    """None: every queue."""
    pseudonym: Callable[[str], str] | None = None
    """How observers see a learner's id; None where there are no observers."""


EVERYTHING = Scope()

Key = tuple[datetime | None, int]
"""Where a list stands: the time of a row's latest change and its id; of a delivery, when it is due."""


@dataclass(frozen=True, order=True)
class Match:
    key: Key
    pk: int
    """Of the job."""


@dataclass(frozen=True)
class Step:
    found: list[Match]
    looked: int
    """How many jobs were looked at."""
    until: Key
    """The last of those."""


@dataclass(frozen=True)
class Page:
    jobs: list[int]
    """Primary keys, the latest change first."""
    after: Key | None
    """From where the next page goes on; None at the end."""
    looked: int
    is_cut: bool
    """Whether it ends because so many were looked at, and not because it is full."""


@dataclass(frozen=True)
class Count:
    number: int
    is_exact: bool

    def __str__(self) -> str:
        return f"{self.number:,}" if self.is_exact else f"{self.number:,}+"


# Reading. -------------------------------------------------------------------------------------------------------------

NAMES = tuple(field.name for field in fields(Filters))
_ONE_OF: dict[str, Collection[str]] = {"state": STATES, "delivery": DELIVERIES}


def read(given: Any) -> Filters:
    """From texts by the names of the filters (`NAMES`), as addresses and commands have them. Raises BadFilter."""
    found: dict[str, Any] = {}
    for name in NAMES:
        text = str(given.get(name) or "").strip()
        if text:
            found[name] = _value(name, text)
    if found.get("cause"):
        found.setdefault("state", FAILED)
    return Filters(**found)


def _value(name: str, text: str) -> object:
    if name in ("since", "until"):
        return _time(name, text)
    if name == "submission":
        if (number := row_id(text.removeprefix("#"))) is None:
            raise BadFilter(name, gettext("%(text)r is not the id of a submission.") % {"text": text[:40]})
        return number
    if name in _ONE_OF and text not in _ONE_OF[name]:
        words = gettext("There is no %(filter)s %(text)r; there are %(known)s.")
        raise BadFilter(name, words % {"filter": name, "text": text[:40], "known": ", ".join(_ONE_OF[name])})
    if len(text) > 255 or not storable(text):
        words = gettext("No %(filter)s can have this name: it is longer than 255 characters, or holds others.")
        raise BadFilter(name, words % {"filter": name})
    return text


def _time(name: str, text: str) -> Time:
    if text in PERIODS:
        return PERIODS[text][1]
    try:
        day = parse_date(text)
        found = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else parse_datetime(text.replace(" ", "T"))
        if found is not None:
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    periods = ", ".join(PERIODS)
    words = gettext("%(text)r is no time, such as 2027-01-31T14:00, and none of %(periods)s.")
    raise BadFilter(name, words % {"text": text[:40], "periods": periods})


def values(filters: Filters) -> dict[str, Any]:
    """What is asked, by the names of the filters."""
    return {name: value for name in NAMES if (value := getattr(filters, name)) not in ("", None)}


def written(filters: Filters) -> dict[str, str]:
    """The texts that `read` reads, without what is not asked."""
    return {name: _text(value) for name, value in values(filters).items()}


def _text(value: object) -> str:
    if isinstance(value, timedelta):
        return next((word for word, (_words, period) in PERIODS.items() if period == value), "30d")
    return value.isoformat() if isinstance(value, datetime) else str(value)


def write_key(key: Key | None) -> str:
    """For an address; "" for none."""
    if key is None:
        return ""
    at, pk = key
    return f"{at.astimezone(UTC).strftime('%Y%m%dT%H%M%S.%f') if at else ''}-{pk}"


def read_key(text: str) -> Key | None:
    """None for "". Raises BadFilter."""
    if not text:
        return None
    at, _dash, number = text.partition("-")
    try:
        when = datetime.strptime(at, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC) if at else None
    except ValueError:
        when, number = None, ""
    if (pk := row_id(number)) is None:
        raise BadFilter("after", gettext("This page of the list does not exist."))
    return when, pk


def require_key(filters: Filters, key: Key | None) -> None:
    """Raises BadFilter for a key of another list."""
    if key is not None and (key[0] is None) != (filters.delivery == GIVEN_UP):
        raise BadFilter("after", gettext("This page of the list does not exist."))


# Walking. -------------------------------------------------------------------------------------------------------------


def page(filters: Filters, scope: Scope = EVERYTHING, *, size: int = PAGE, after: Key | None = None) -> Page:
    """The next `size` jobs behind `after`."""
    found: list[Match] = []
    looked = 0
    for step in steps(filters, scope, after=after, size=size + 1):
        found += step.found
        looked += step.looked
        if len(found) > size:
            return Page([one.pk for one in found[:size]], found[size - 1].key, looked, is_cut=False)
        if looked >= MOST_LOOKED:
            return Page([one.pk for one in found], step.until, looked, is_cut=True)
    return Page([one.pk for one in found], None, looked, is_cut=False)


def count(filters: Filters, scope: Scope = EVERYTHING, *, most: int = MOST_COUNTED) -> Count:
    """How many there are: exactly up to `most`, or as far as is known; where each must be looked at, as far as a page
    looks."""
    if filters.state in (WAITING, GRADING, FAILED) and without(filters, "state", "queue").is_empty:
        return _known(filters, scope)
    if not _must_look(filters) and not _is_narrow(filters) and not filters.delivery:
        number = 0
        for one in _ranges(filters, scope):
            number += one.rows().order_by().values("pk")[: most - number + 1].count()
            if number > most:
                return Count(most, is_exact=False)
        return Count(number, is_exact=True)
    number = looked = 0
    for step in steps(filters, scope, size=WINDOW):
        number += len(step.found)
        looked += step.looked
        if number > most or looked >= MOST_LOOKED:
            return Count(min(number, most), is_exact=False)
    return Count(number, is_exact=True)


def count_beside(found: Page, filters: Filters, scope: Scope, after: Key | None) -> Count:
    """The same beside a page of the list, which may tell it already."""
    if after is None and (found.after is None or found.is_cut):
        return Count(len(found.jobs), is_exact=not found.is_cut)
    return count(filters, scope)


def _known(filters: Filters, scope: Scope) -> Count:
    """The sum of the numbers that other pages show."""
    counts = depths.counts(_names(filters, scope)).values()
    name = {WAITING: "waiting", GRADING: "being_graded"}.get(filters.state, filters.state)
    number = sum(getattr(one, name) for one in counts)
    return Count(number, is_exact=not any(one.at_least for one in counts))


def steps(
    filters: Filters, scope: Scope = EVERYTHING, *, after: Key | None = None, size: int = WINDOW
) -> Iterator[Step]:
    """All that match behind `after`, step by step; who takes no further step stops the work.

    A job that changes meanwhile comes to the beginning of the list: it is met once at the most. Raises BadFilter for a
    key of another list.
    """
    require_key(filters, after)
    if (narrow := _narrow(filters, scope)) is not None:
        found = sorted((one for one in narrow if after is None or one.key < after), reverse=True)
        for part in _parts(found, size):
            yield Step(part, len(part), part[-1].key)
        return
    must_look = _must_look(filters) or bool(filters.delivery)
    size = WINDOW if must_look else size
    candidates = _of_deliveries(filters, after) if filters.delivery else _of_ranges(filters, scope, after, size)
    seen: set[int] = set()
    while part := list(islice(candidates, size)):
        found = _matching(part, filters, scope) if must_look else part
        # A job can have several deliveries.
        fresh = list(_unmet(found, seen)) if filters.delivery else found
        yield Step(fresh, len(part), part[-1].key)


def _unmet(found: Iterable[Match], seen: set[int]) -> Iterator[Match]:
    for one in found:
        if one.pk not in seen:
            seen.add(one.pk)
            yield one


def _parts(rows: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])


@dataclass(frozen=True)
class _Range:
    """A range of the index by queue, status and time; of the one by time alone where neither is given."""

    queue: str | None
    status: Status | None
    more: Q
    filters: Filters

    def rows(self) -> Jobs:
        rows = Job.objects.filter(self.more)
        if self.queue is not None and self.status is not None:
            # The status as a range of one value: told that it equals something, PostgreSQL drops it from the order, and
            # walks the index of the time alone (ADR 0061).
            rows = rows.filter(queue_name=self.queue, status__gte=self.status, status__lte=self.status)
        return _between(rows, self.filters)

    def walk(self, after: Key | None, size: int) -> Iterator[Match]:
        order = ("-status_time", "-id") if self.queue is None else ("-status", "-status_time", "-id")
        while True:
            rows = _behind(self.rows(), "status_time", after).order_by(*order)
            part = list(rows.values_list("status_time", "pk")[:size])
            yield from (Match((at, pk), pk) for at, pk in part)
            if len(part) < size:
                return
            after, size = part[-1], min(2 * size, WINDOW)


def _between(rows: Jobs, filters: Filters) -> Jobs:
    if filters.since is not None:
        rows = rows.filter(status_time__gte=_moment(filters.since))
    if filters.until is not None:
        rows = rows.filter(status_time__lt=_moment(filters.until))
    return rows


def _moment(time: Time) -> Any:
    return DatabaseNow() - time if isinstance(time, timedelta) else time


def _behind(rows: Any, column: str, after: Key | None) -> Any:
    if after is None:
        return rows
    at, pk = after
    if at is None:
        return rows.filter(pk__lt=pk)
    # The first condition is what an index is entered by.
    return rows.filter(**{f"{column}__lte": at}).filter(Q(**{f"{column}__lt": at}) | Q(pk__lt=pk))


def _of_ranges(filters: Filters, scope: Scope, after: Key | None, size: int) -> Iterator[Match]:
    ranges = _ranges(filters, scope)
    # Of many ranges a page needs few rows each.
    each = max(size // max(len(ranges), 1), 10) if len(ranges) > 1 else size
    return heapq.merge(*(one.walk(after, each) for one in ranges), reverse=True)


def _ranges(filters: Filters, scope: Scope) -> list[_Range]:
    told_by_job = filters.state in ("", *_TOLD_BY_JOB)
    if told_by_job and not filters.queue and scope.queues is None:
        # Most jobs have ended: those of all queues together are one range.
        return [_Range(None, None, Q(), filters)]
    names = _names(filters, scope)
    if told_by_job:
        pairs = _RANGES[filters.state] if filters.state else tuple((status, Q()) for status in Status)
        return [_Range(name, status, more, filters) for name in names for status, more in pairs]
    counts = depths.counts(names)
    return [
        _Range(name, status, more, filters)
        for name in names
        for status, more in _RANGES[filters.state]
        if getattr(counts[name], status)
    ]


def _names(filters: Filters, scope: Scope) -> list[str]:
    names = GraderQueue.objects.order_by().values_list("name", flat=True) if scope.queues is None else scope.queues
    if filters.queue:
        # No job can be in a queue with such a name, and PostgreSQL refuses to compare with NUL.
        known = is_name(filters.queue) and (scope.queues is None or filters.queue in scope.queues)
        return [filters.queue] if known else []
    return list(names)


def _of_deliveries(filters: Filters, after: Key | None) -> Iterator[Match]:
    rows = Delivery.objects.filter(state=DeliveryState.GIVEN_UP, due_at=None)
    if filters.delivery == OVERDUE:
        rows = Delivery.objects.filter(state=DeliveryState.DUE, due_at__lt=DatabaseNow() - LATE)
    if filters.host:
        rows = rows.filter(host=filters.host)
    while True:
        ordered = _behind(rows, "due_at", after).order_by("-due_at", "-id")
        part = list(ordered.values_list("due_at", "pk", "job_id")[:WINDOW])
        yield from (Match((at, pk), job) for at, pk, job in part)
        if len(part) < WINDOW:
            return
        after = part[-1][:2]


# What only a job itself can tell. -------------------------------------------------------------------------------------

_COLUMNS = {
    "grader": "grader",
    "file": "grader_file_name",
    "reference": "queue_key",
    "course": "submission__student_item__course_id",
    "item": "submission__student_item__item_id",
    "learner": "submission__student_item__student_id",
}


def _must_look(filters: Filters) -> bool:
    return filters.state in _TOLD_BY_JOB or bool(filters.cause) or any(getattr(filters, name) for name in _COLUMNS)


def _matching(candidates: list[Match], filters: Filters, scope: Scope) -> list[Match]:
    rows = Job.objects.filter(pk__in=[one.pk for one in candidates])
    fitting = {pk for _at, pk in _fitting(rows, filters, scope)}
    return [one for one in candidates if one.pk in fitting]


def _fitting(rows: Jobs, filters: Filters, scope: Scope) -> Iterator[tuple[datetime, int]]:
    """The time and the id of those of `rows` that all filters hold for, in no order. `rows` are few."""
    texts = {column: getattr(filters, name) for name, column in _COLUMNS.items() if getattr(filters, name)}
    alias = texts.pop(_COLUMNS["learner"], "") if is_pseudonym(filters.learner, scope) else ""
    rows = _between(sql.exactly(rows.order_by(), **texts), filters)
    if filters.state:
        some = Q()
        for status, more in _RANGES[filters.state]:
            some |= Q(more, status=status)
        rows = rows.filter(some, _TOLD_BY_JOB.get(filters.state, Q()))
    if filters.queue or scope.queues is not None:
        rows = rows.filter(queue_name__in=_names(filters, scope))
    columns = ["status_time", "pk", *([_COLUMNS["learner"]] if alias else [])]
    errors = {"grader_name": F("grader"), "error": Left("last_error", causes.LENGTH)} if filters.cause else {}
    for row in rows.values(*columns, **errors):
        if alias and (scope.pseudonym is None or scope.pseudonym(row[_COLUMNS["learner"]]) != alias):
            continue
        if filters.cause and _cause(row["error"], row["grader_name"]) != filters.cause:
            continue
        yield row["status_time"], row["pk"]


def _cause(error: str | None, grader: str) -> str:
    return causes.key_of(causes.cause_of(error or "", grader))


def is_pseudonym(learner: str, scope: Scope) -> bool:
    """Whether it is one as observers see them, and nobody's own id."""
    if scope.pseudonym is None or not learner:
        return False
    sample = scope.pseudonym("")
    prefix = sample[: sample.rindex("-") + 1]
    return learner.startswith(prefix) and len(learner) == len(sample)


# Few. -----------------------------------------------------------------------------------------------------------------


def _is_narrow(filters: Filters) -> bool:
    return any((filters.submission, filters.reference, filters.learner, filters.course, filters.item))


def _narrow(filters: Filters, scope: Scope) -> list[Match] | None:
    """All that match, of the few jobs that an index of names leads to; None where there are many, or no such name."""
    if filters.delivery or not _is_narrow(filters):
        return None
    if filters.submission is not None:
        return _all_of(Job.objects.filter(submission_id=filters.submission), filters, scope)
    if filters.reference:
        keyed = Job.objects.filter(queue_key=filters.reference[:128]).order_by().values_list("submission_id", flat=True)
        return _of_submissions(list(keyed[: MOST_NARROW + 1]), filters, scope)
    return _of_submissions(_submissions_of_items(filters, scope), filters, scope)


def _submissions_of_items(filters: Filters, scope: Scope) -> list[int] | None:
    if is_pseudonym(filters.learner, scope):
        return None
    if not filters.learner and scope.queues is not None:
        # How long it takes must not tell who sees some queues whether a course is in others.
        return None
    names = {"learner": "student_id", "course": "course_id", "item": "item_id"}
    texts = {column: getattr(filters, name) for name, column in names.items() if getattr(filters, name)}
    # In no order: with one, a planner may walk all that there is in this order.
    items = list(StudentItem.objects.filter(**texts).order_by().values_list("pk", flat=True)[: MOST_ITEMS + 1])
    if len(items) > MOST_ITEMS:
        return None
    made = Submission._objects.filter(student_item_id__in=items).order_by().values_list("pk", flat=True)
    return list(made[: MOST_NARROW + 1])


def _of_submissions(ids: list[int] | None, filters: Filters, scope: Scope) -> list[Match] | None:
    if ids is None or len(ids) > MOST_NARROW:
        return None
    found: list[Match] = []
    for part in _parts(ids, WINDOW):
        found += _all_of(Job.objects.filter(submission_id__in=part), filters, scope)
    return found


def _all_of(rows: Jobs, filters: Filters, scope: Scope) -> list[Match]:
    return [Match(key, key[1]) for key in _fitting(rows, filters, scope)]


# Rows. ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """One job as lists and exports show it."""

    submission: int
    uuid: str
    state: str
    """One of STATES."""
    status: str
    """As it is stored."""
    queue: str
    learner: str
    course: str
    item: str
    grader: str
    reference: str
    claims: int
    failures: int
    points: float | None
    points_possible: float | None
    """None where only the platform knows it."""
    created_at: datetime
    changed_at: datetime
    error: str


_SHOWN = (
    *("submission_id", "submission__uuid", "status", "queue_name", "grader", "queue_key", "num_pulls", "num_failures"),
    *("points_possible", "points_known", "created_at", "status_time", "available_at"),
    *(_COLUMNS["learner"], _COLUMNS["course"], _COLUMNS["item"], "pk"),
)


def rows(jobs: Iterable[int], scope: Scope = EVERYTHING) -> list[Listed]:
    """These jobs in this order, without those that are gone; learners' ids under their pseudonym for observers."""
    wanted = list(jobs)
    shown = (
        Job.objects.filter(pk__in=wanted)
        .order_by()
        .values(*_SHOWN, error=Left("last_error", ERROR_LENGTH), now=DatabaseNow())
    )
    found = {row["pk"]: row for row in shown}
    ids = [row["submission_id"] for row in found.values()]
    scores = Score.objects.filter(submission_id__in=ids, reset=False).order_by("pk")
    points = dict(scores.values_list("submission_id", "points_earned"))
    return [_listed(found[pk], points, scope) for pk in wanted if pk in found]


def _listed(row: dict[str, Any], points: dict[int, float], scope: Scope) -> Listed:
    learner = row[_COLUMNS["learner"]]
    observed = scope.queues is not None and scope.pseudonym is not None
    return Listed(
        submission=row["submission_id"],
        uuid=str(row["submission__uuid"]),
        state=_state(row),
        status=row["status"],
        queue=row["queue_name"],
        learner=scope.pseudonym(learner) if observed and scope.pseudonym else learner,
        course=row[_COLUMNS["course"]],
        item=row[_COLUMNS["item"]],
        grader=row["grader"],
        reference="" if observed else row["queue_key"] or "",
        claims=row["num_pulls"],
        failures=row["num_failures"],
        points=points.get(row["submission_id"]),
        points_possible=row["points_possible"] if row["points_known"] else None,
        created_at=row["created_at"],
        changed_at=row["status_time"],
        error=row["error"] or "",
    )


def _state(row: dict[str, Any]) -> str:
    return state_of(row["status"], available_at=row["available_at"], now=row["now"], error=row["error"])


def state_of(status: str, *, available_at: datetime | None, now: datetime, error: str | None) -> str:
    """The state of a job in the words of the list."""
    if status == Status.RETIRED:
        return ENDED if error else GRADED
    if status == Status.FAILED:
        return FAILED
    if status == Status.PULLED and available_at is not None and available_at > now:
        return GRADING
    return WAITING


def without(filters: Filters, *names: str) -> Filters:
    """`filters` without some of them."""
    empty = Filters()
    return replace(filters, **{name: getattr(empty, name) for name in names})
